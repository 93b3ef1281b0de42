//! What is taken from callers, and what backends are told.

use super::tracing;
use crate::harness::{Answer, Client, Gateway, Origin, ports::Port};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn backends_and_the_log_get_the_ids_of_a_trusted_callers_trace() {
    let origin = Origin::saying("hello").await;
    let gateway =
        tracing(Gateway::before(&origin), "{ trust: [127.0.0.0/8], also_send: [jaeger] }").start().await;
    let client = gateway.client();
    let request = client.get("/a").header("traceparent", &format!("00-{TRACE}-{SPAN}-03"));
    request.header("tracestate", "a=1").header("baggage", "tenant=7, bad member").send().await;

    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert_eq!(line["trace_id"], TRACE);
    assert_ne!(line["span_id"], SPAN, "a span of its own");
    let sent = origin.only_request();
    let parent = sent.header("traceparent").unwrap();
    let span = parent.split('-').nth(2).unwrap();
    assert_eq!(parent, format!("00-{TRACE}-{span}-03"));
    assert!(span != SPAN && line["span_id"] != span, "an attempt has a span of its own");
    assert_eq!(sent.header("tracestate"), Some("a=1"));
    assert_eq!(sent.header("baggage"), Some("tenant=7"));
    assert_eq!(
        sent.header("uber-trace-id"),
        Some(format!("{TRACE}:{}:0:1", span.trim_start_matches('0')).as_str())
    );
    assert_eq!(sent.header("uberctx-tenant"), Some("7"));
    let continued = [("format", "tracecontext"), ("result", "continued")];
    gateway.wait_metric("proxy_trace_contexts_total", &continued, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_that_speak_different_formats_are_one_trace() {
    let origin = Origin::saying("hello").await;
    let hop = |address: String, format: &str| {
        tracing(
            Gateway::before(address),
            &format!("{{ trust: always, accept: [{format}], also_send: [b3, b3multi, jaeger] }}"),
        )
    };
    let last = hop(origin.to_string(), "jaeger").start().await;
    let middle = hop(last.address().to_string(), "b3multi").start().await;
    let first = hop(middle.address().to_string(), "b3").start().await;
    let b3 = format!("{TRACE}-{SPAN}-1");
    assert_eq!(first.client().get("/a").header("b3", &b3).send().await.status, 200);
    for gateway in [&first, &middle, &last] {
        let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
        assert_eq!(line["trace_id"], TRACE);
    }
    let sent = origin.only_request();
    assert!(sent.header("traceparent").unwrap().starts_with(&format!("00-{TRACE}-")));
    assert!(sent.header("traceparent").unwrap().ends_with("-01"), "sampled all the way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_field_of_any_kind_begins_a_new_trace_and_goes_no_further() {
    let origin = Origin::saying("hello").await;
    let gateway =
        tracing(Gateway::before(&origin), "{ trust: always, sampling: { ratio: 0 } }").start().await;
    let bad = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", "tracecontext"),
        ("b3", "nonsense-1-2", "b3"),
        ("x-b3-traceid", "zzz", "b3multi"),
        ("uber-trace-id", "1:2:3", "jaeger"),
    ];
    for (name, value, format) in bad {
        let answer = gateway.client().get("/a").header(name, value).header("tracestate", "a=1").send().await;
        assert_eq!(answer.status, 200);
        let sent = origin.requests().pop().unwrap();
        assert!(sent.header("traceparent").unwrap().ends_with("-02"), "{sent:?}");
        assert_eq!(sent.header("tracestate"), None);
        assert!(sent.headers.iter().all(|(_, sent)| sent != value), "{sent:?}");
        let invalid = [("format", format), ("result", "invalid")];
        gateway.wait_metric("proxy_trace_contexts_total", &invalid, 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_trusted_unless_the_file_says_so() {
    let origin = Origin::saying("hello").await;
    let inside = Port::free();
    let gateway = tracing(Gateway::before(&origin), "{ sampling: { ratio: 0 } }")
        .process("listeners", r#"[{ address: "@listener@" }, { address: "@inside@", trace_trust: always }]"#)
        .set("inside", &inside)
        .start()
        .await;
    let parent = format!("00-{TRACE}-{SPAN}-01");
    gateway.client().get("/a").header("traceparent", &parent).header("baggage", "a=1").send().await;
    let sent = origin.only_request();
    assert!(!sent.header("traceparent").unwrap().contains(TRACE));
    assert!(sent.header("traceparent").unwrap().ends_with("-02"), "a stranger does not have us sample");
    assert_eq!(sent.header("baggage"), None);
    let untrusted = [("format", "tracecontext"), ("result", "untrusted")];
    gateway.wait_metric("proxy_trace_contexts_total", &untrusted, 1.0).await;
    Client::new(inside.address()).get("/a").header("traceparent", &parent).send().await;
    let sent = origin.requests().pop().unwrap();
    assert!(sent.header("traceparent").unwrap().starts_with(&parent[..36]), "the listener says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_sample_their_own_share_and_hits_have_ids_too() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=60")).await;
    let gateway = tracing(Gateway::before(&origin), "{ sampling: { ratio: 0 } }")
        .routes(
            "- { name: all, match: { path: /all }, upstream: origin, tracing: { ratio: 1, also_send: [b3] } }\n\
             - { name: kept, match: { path: /kept }, upstream: origin, cache: {} }",
        )
        .start()
        .await;
    gateway.get("/all").await;
    let sent = origin.only_request();
    assert!(sent.header("traceparent").unwrap().ends_with("-03"));
    assert!(sent.header("b3").unwrap().ends_with("-1"));
    gateway.get("/kept").await;
    gateway.get("/kept").await;
    let line = gateway.wait_for_log("the hit", |line| line["cache"] == "hit").await;
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tracing_fields_pass_as_they_come() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin).start().await;
    gateway.client().get("/a").header("b3", "0").header("traceparent", "x").send().await;
    let sent = origin.only_request();
    assert_eq!((sent.header("b3"), sent.header("traceparent")), (Some("0"), Some("x")));
    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert!(line["trace_id"].is_null());
}
