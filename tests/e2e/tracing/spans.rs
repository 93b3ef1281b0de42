//! What spans tell of a request.

use super::{exporting, one_route_broken, tracing};
use crate::harness::{Answer, Client, Collector, Gateway, Origin, ports::Port, tls::Authority};

const ALL: &str = "sampling: { ratio: 1 }";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// Kinds of spans.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_server_span_above_a_client_span_without_names_of_patients() {
    let origin = Origin::saying("hello").await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, "trust: always")
        .routes(r#"- { name: patients, match: { path: "/patients/{id}" }, upstream: origin }"#)
        .start()
        .await;
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let client = gateway.client();
    let request = client.get("/patients/4711?token=s3cret").header("traceparent", &parent);
    request.header("User-Agent", "story/1").send().await;

    let spans = collector.wait_spans(2).await;
    let [server, client] = &spans[..] else { unreachable!() };
    assert_eq!((server.name.as_str(), server.kind), ("GET /patients/{id}", SERVER));
    assert_eq!((server.trace.as_str(), server.parent.as_str(), server.failed), (TRACE, SPAN, false));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/patients/{id}"),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
        ("url.path", "/patients/{id}"),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", "127.0.0.1"),
        ("client.address", "127.0.0.1"),
        ("server.address", "127.0.0.1"),
        ("user_agent.original", "story/1"),
        ("nilegate.route", "patients"),
        ("nilegate.upstream", "origin"),
    ] {
        assert_eq!(server.get(key), Some(value), "{key}");
    }
    assert_eq!((client.name.as_str(), client.kind), ("GET", CLIENT));
    assert_eq!((client.trace.as_str(), &client.parent), (TRACE, &server.id));
    assert_eq!(client.get("server.port"), Some(origin.address().port().to_string().as_str()));
    assert_eq!(client.get("url.full"), Some(format!("http://{origin}/patients/{{id}}").as_str()));
    assert_eq!(client.get("http.request.resend_count"), None);
    assert_eq!(client.get("nilegate.connection.reused"), Some("false"));
    let sent = origin.only_request();
    assert_eq!(sent.header("traceparent"), Some(format!("00-{TRACE}-{}-01", client.id).as_str()));
    assert!(server.start <= client.start && client.end <= server.end && client.start < client.end);
    assert_eq!(server.resource["service.name"], "nilegate");
    for secret in ["4711", "s3cret"] {
        assert!(!format!("{spans:?}").contains(secret), "{spans:#?}");
    }
    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert_eq!((&line["trace_id"], &line["span_id"]), (&TRACE.into(), &server.id.as_str().into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_siblings() {
    let bad = Origin::start(|_| Answer::status(503)).await;
    let good = Origin::saying("hello").await;
    let collector = Collector::grpc().await;
    let gateway = exporting(Gateway::before(&bad), &collector, ALL)
        .backend(&good)
        .upstream("retry: { attempts: 2, on: [gateway_error], budget: 1, min_per_second: 100 }")
        .start()
        .await;
    // One of two requests begins at the bad one.
    for _ in 0..2 {
        assert_eq!(gateway.get("/a").await.status, 200);
    }
    let spans = collector.wait_spans(5).await;
    let failed = spans.iter().find(|span| span.kind == CLIENT && span.failed).unwrap();
    assert_eq!(failed.get("error.type"), Some("bad_status"));
    assert_eq!(failed.get("http.response.status_code"), Some("503"));
    let second = spans.iter().find(|span| span.get("http.request.resend_count") == Some("1")).unwrap();
    assert_eq!((&second.parent, &second.trace), (&failed.parent, &failed.trace));
    let server = spans.iter().find(|span| span.id == failed.parent).unwrap();
    assert_eq!((server.kind, server.failed), (SERVER, false));
    let told = |origin: &Origin| origin.requests().pop().unwrap().header("traceparent").unwrap().to_owned();
    assert!(told(&bad).contains(&failed.id));
    let ids: Vec<_> = spans.iter().filter(|span| span.kind == CLIENT).map(|span| &span.id).collect();
    assert!(ids.iter().any(|id| told(&good).contains(*id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_kept_though_they_were_not_sampled() {
    let collector = Collector::http().await;
    let (gateway, _nobody) = one_route_broken(&collector).await;
    gateway.get("/fine").await;
    assert_eq!(gateway.get("/broken").await.status, 502);
    gateway.get("/nowhere").await;
    let server = collector.wait_span("the failure", |span| span.kind == SERVER).await;
    assert_eq!((server.name.as_str(), server.failed), ("GET /broken", true));
    assert_eq!(
        (server.get("nilegate.kept"), server.get("error.type")),
        (Some("error"), Some("connect_failed"))
    );
    let client = collector.wait_span("its attempt", |span| span.kind == CLIENT).await;
    assert_eq!((client.get("error.type"), client.failed), (Some("connect_failed"), true));
    gateway.wait_metric("proxy_trace_contexts_total", &[], 3.0).await;
    assert!(collector.spans().iter().all(|span| span.trace == server.trace), "nothing else is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_span_is_linked_to() {
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::new(), &collector, ALL)
        .traffic("routes: [{ name: all, respond: { body: ok } }]")
        .start()
        .await;
    gateway.client().get("/a").header("b3", &format!("{TRACE}-{SPAN}-1")).send().await;
    let spans = collector.wait_spans(1).await;
    assert_eq!((spans[0].parent.as_str(), spans[0].name.as_str()), ("", "GET /**"));
    assert_ne!(spans[0].trace, TRACE);
    assert_eq!(spans[0].links, [(TRACE.to_owned(), SPAN.to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_shows_where_it_looked() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=60")).await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, ALL)
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    gateway.get("/kept").await;
    let miss = collector.wait_spans(3).await;
    let lookup = miss.iter().find(|span| span.name == "cache.lookup").unwrap();
    assert_eq!((lookup.kind, lookup.get("cache.result")), (INTERNAL, Some("miss")));
    assert_eq!(lookup.get("cache.tier"), Some("memory"));
    assert_eq!(lookup.parent, miss[0].id);
    gateway.get("/kept").await;
    let hit = collector.wait_span("the hit", |span| span.get("nilegate.cache") == Some("hit")).await;
    assert_eq!(hit.events.len(), 1);
    let (name, told) = &hit.events[0];
    assert_eq!(
        (name.as_str(), told["cache.tier"].as_str(), told["cache.result"].as_str()),
        ("cache.lookup", "memory", "hit")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_the_old_names_are_told_when_asked_for() {
    let collector = Collector::http().await;
    let telemetry = format!(
        "{{ access_log: {{ path: full }}, tracing: {{ {ALL}, spans: {{ query: true, legacy_names: true }}, export: {{ {} }} }} }}",
        collector.export()
    );
    let gateway = Gateway::new()
        .process("telemetry", &telemetry)
        .traffic("routes: [{ name: all, respond: { body: ok } }]")
        .start()
        .await;
    gateway.get("/a/b?c=d").await;
    let spans = collector.wait_spans(1).await;
    let url = format!("http://{}/a/b?c=d", gateway.address());
    for (key, value) in [
        ("url.path", "/a/b"),
        ("url.query", "c=d"),
        ("http.method", "GET"),
        ("http.url", url.as_str()),
        ("http.status_code", "200"),
    ] {
        assert_eq!(spans[0].get(key), Some(value), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_in_the_background_is_below_the_request_that_caused_it() {
    let stale = "max-age=0, stale-while-revalidate=60";
    let origin = Origin::start(move |_| Answer::ok("hello").header("Cache-Control", stale)).await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, ALL)
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    gateway.get("/kept").await;
    gateway.get("/kept").await;
    let renewal = collector.wait_span("the renewal", |span| span.name == "revalidate").await;
    let cause = collector.wait_span("its cause", |span| span.id == renewal.parent).await;
    assert_eq!((cause.kind, renewal.kind, &cause.trace), (SERVER, INTERNAL, &renewal.trace));
    assert_eq!(cause.get("nilegate.cache"), Some("stale"));
    let attempt =
        collector.wait_span("its attempt", |span| span.parent == renewal.id && span.kind == CLIENT).await;
    assert!(origin.requests().iter().any(|sent| sent.header("traceparent").unwrap().contains(&attempt.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn mapped_bodies_are_spans_and_trusted_callers_see_where_time_went() {
    let origin = Origin::start(|_| {
        Answer::ok(r#"{"new":1}"#)
            .header("Content-Type", "application/json")
            .header("Server-Timing", "db;dur=1")
    })
    .await;
    let collector = Collector::http().await;
    let inside = Port::free();
    let gateway = exporting(Gateway::before(&origin), &collector, ALL)
        .process("listeners", r#"[{ address: "@listener@" }, { address: "@inside@", trace_trust: always }]"#)
        .set("inside", &inside)
        .also("api_versions: { versions: { v1: {}, v2: {} }, default: v1 }")
        .also("mappings: { one: { from: v1, to: v2, response: [{ rename: { new: old } }] } }")
        .routes(
            "- { name: a, match: { path: /a }, upstream: origin, versions: { v1: { map: one }, v2: {} } }",
        )
        .start()
        .await;
    let trusted = Client::new(inside.address());
    let answer = trusted.get("/a").header("X-Server-Timing", "1").send().await;
    assert_eq!(answer.text(), r#"{"old":1}"#);
    let timing = format!("{:?}", answer.headers.get_all("server-timing").iter().collect::<Vec<_>>());
    for part in ["db;dur=1", "upstream;dur=", "mapping;dur="] {
        assert!(timing.contains(part), "{timing}");
    }
    let mapping = collector.wait_span("the mapping", |span| span.name == "mapping").await;
    assert_eq!(mapping.get("nilegate.mapping.body"), Some("response"));
    for (client, wish) in [(&trusted, "0"), (&gateway.client(), "1")] {
        let answer = client.get("/a").header("X-Server-Timing", wish).send().await;
        assert_eq!(answer.header("server-timing"), Some("db;dur=1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_tells_its_timing_too() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=60")).await;
    let gateway = tracing(Gateway::before(&origin), "{ trust: always }")
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    for part in ["upstream;dur=", "cache;dur=0.000"] {
        let answer = gateway.client().get("/kept").header("X-Server-Timing", "1").send().await;
        assert!(answer.header("server-timing").unwrap().contains(part), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_behind_tls_is_told_as_such_on_a_connection_that_is_reused_too() {
    let authority = Authority::new();
    let backend = Gateway::new();
    authority.leaf(&["127.0.0.1"]).write(backend.directory(), "a");
    let certificates = r#"[{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }]"#;
    let backend = backend
        .process(
            "listeners",
            &format!(r#"[{{ address: "@listener@", tls: {{ certificates: {certificates} }} }}]"#),
        )
        .traffic("routes: [{ name: all, respond: { body: ok } }]")
        .start()
        .await;
    let collector = Collector::http().await;
    let front = Gateway::before(backend.address()).upstream("tls: { ca: '@dir@/ca.pem', sni: '127.0.0.1' }");
    authority.write(front.directory());
    let gateway = exporting(front, &collector, ALL).start().await;
    for reused in ["false", "true"] {
        assert_eq!(gateway.get("/a").await.status, 200);
        let attempt = collector
            .wait_span("the attempt", |span| span.get("nilegate.connection.reused") == Some(reused))
            .await;
        assert_eq!(attempt.get("url.scheme"), Some("https"));
        assert!(attempt.get("url.full").unwrap().starts_with("https://127.0.0.1:"), "{attempt:?}");
        assert_eq!(attempt.get("nilegate.tls_us").is_some(), reused == "false");
    }
}
