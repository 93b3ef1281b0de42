//! Who decides what is sampled and kept.

use super::exporting;
use crate::harness::{Collector, Gateway, Origin, RawClient, collector::Span, ports::Port};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn callers_drive_exports_only_up_to_a_limit() {
    let origin = Origin::saying("hello").await;
    let collector = Collector::http().await;
    let gateway = exporting(
        Gateway::before(&origin),
        &collector,
        "trust: always, sampling: { ratio: 0, parent_limit: 1 }",
    )
    .start()
    .await;
    let client = gateway.client();
    for _ in 0..40 {
        let request = client.get("/a").header("traceparent", &format!("00-{TRACE}-{SPAN}-01"));
        assert_eq!(request.send().await.status, 200);
    }
    let limited = gateway.metrics().await.sum("proxy_trace_parent_limited_total", &[]) as usize;
    assert!((1..40).contains(&limited), "{limited}");
    let sampled =
        origin.requests().iter().filter(|sent| sent.header("traceparent").unwrap().ends_with("-01")).count();
    assert_eq!(sampled, 40 - limited, "backends are told what was decided");
    let spans = collector.wait_spans(2 * sampled).await;
    assert!(spans.iter().all(|span| span.trace == TRACE));
    let trace_goes_on =
        origin.requests().iter().all(|sent| sent.header("traceparent").unwrap().contains(TRACE));
    assert!(trace_goes_on, "also where it is not sampled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_decide_alone() {
    let origin = Origin::saying("hello").await;
    let sampling = "trust: always, sampling: { ratio: 0, parent_based: false }";
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, sampling).start().await;
    gateway.client().get("/a").header("traceparent", &format!("00-{TRACE}-{SPAN}-01")).send().await;
    let sent = origin.only_request();
    let parent = sent.header("traceparent").unwrap();
    assert!(parent.contains(TRACE) && parent.ends_with("-00"), "{parent}");
    assert_eq!(gateway.metrics().await.sum("proxy_trace_parent_limited_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_say_what_is_worth_keeping() {
    let nobody = Port::free();
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&nobody), &collector, "sampling: { ratio: 0, keep: { errors: false, retries: false } }")
        .routes(
            "- { name: loud, match: { path: /loud }, upstream: origin, tracing: { keep: { errors: true } } }\n\
             - { name: slow, match: { path: /slow }, respond: { body: ok }, tracing: { keep: { slower_than: 1us } } }\n\
             - { name: quiet, match: { path: /quiet }, upstream: origin }",
        )
        .start()
        .await;
    assert_eq!(gateway.get("/quiet").await.status, 502);
    assert_eq!(gateway.get("/loud").await.status, 502);
    assert_eq!(gateway.get("/slow").await.status, 200);
    for (route, why) in [("loud", "error"), ("slow", "slow")] {
        let span = collector.wait_span(route, |span| span.get("nilegate.route") == Some(route)).await;
        assert_eq!(span.get("nilegate.kept"), Some(why));
    }
    // It came first, so it would have been told first.
    let is_quiet = |span: &Span| span.get("nilegate.route") == Some("quiet");
    assert!(!collector.spans().iter().any(is_quiet));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_before_routing_has_a_trace_and_a_line_too() {
    let origin = Origin::saying("hello").await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, "trust: always, sampling: { ratio: 1 }")
        .process("limits", "{ header_bytes: 4KiB }")
        .start()
        .await;
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(8192));
    for (request, status) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        (&large, "431"),
    ] {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send(request).await;
        assert_eq!(client.response().await.unwrap().status.to_string(), status);
        let code = "http.response.status_code";
        let span = collector.wait_span("the refusal", |span| span.get(code) == Some(status)).await;
        assert_eq!((span.name.as_str(), span.kind, span.parent.as_str()), ("HTTP", 2, ""));
        assert_eq!(span.get("http.request.method"), Some("_OTHER"));
        assert_eq!(span.get("network.peer.address"), Some("127.0.0.1"));
        let code: u16 = status.parse().unwrap();
        let line = gateway.wait_for_log("the refusal", |line| line["status"] == code).await;
        assert_eq!(
            (line["trace_id"].as_str(), line["span_id"].as_str()),
            (Some(span.trace.as_str()), Some(span.id.as_str()))
        );
        assert_eq!(line["error"].as_str(), span.get("error.type"));
        assert_eq!(line["request_id"].as_str(), span.get("nilegate.request_id"));
    }
    assert!(origin.requests().is_empty());
}
