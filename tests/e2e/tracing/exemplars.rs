//! From a bucket of a histogram to a trace that is really there.

use super::{exporting, one_route_broken};
use crate::harness::{
    Answer, Client, Collector, Gateway, Origin, RawClient, gate::Gate, redis::RedisServer, wait_until,
};

/// A scrape in the form that has exemplars.
async fn scrape(gateway: &Gateway) -> String {
    let admin = Client::new(gateway.admin_address());
    let answer = admin.get("/metrics").header("Accept", "application/openmetrics-text").send().await;
    answer.text().to_owned()
}

/// The trace ids that the buckets of a family lead to, where their labels hold this.
async fn exemplars(gateway: &Gateway, family: &str, label: &str) -> Vec<String> {
    let buckets = format!("{family}_bucket{{");
    let id = |line: &str| line.split_once("trace_id=\"").map(|(_, rest)| rest[..32].to_owned());
    let text = scrape(gateway).await;
    text.lines().filter(|line| line.starts_with(&buckets) && line.contains(label)).filter_map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_lead_to_their_traces_also_those_that_memory_answers() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=60")).await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, "sampling: { ratio: 1 }")
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    gateway.get("/kept").await;
    let miss = collector.wait_span("the miss", |span| span.get("nilegate.cache") == Some("miss")).await;
    let of_route = exemplars(&gateway, "http_request_duration_seconds", "route=\"kept\"").await;
    assert_eq!(of_route, [miss.trace.as_str()]);
    gateway.get("/kept").await;
    let hit = collector.wait_span("the hit", |span| span.get("nilegate.cache") == Some("hit")).await;
    let of_route = exemplars(&gateway, "http_request_duration_seconds", "route=\"kept\"").await;
    assert!(of_route.contains(&hit.trace), "{of_route:?} without {}", hit.trace);
    // Refused before any route, and told of all the same.
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 400);
    let refused = collector.wait_span("the refusal", |span| span.name == "HTTP").await;
    let of_none = exemplars(&gateway, "http_request_duration_seconds", "status_code=\"400\"").await;
    assert_eq!(of_none, [refused.trace.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_a_trace_that_is_nowhere() {
    let collector = Collector::http().await;
    let (gateway, _nobody) = one_route_broken(&collector).await;
    assert_eq!(gateway.get("/fine").await.status, 200);
    assert_eq!(gateway.get("/broken").await.status, 502);
    let kept = collector.wait_span("the failure", |span| span.get("nilegate.kept").is_some()).await;
    assert_eq!(exemplars(&gateway, "http_request_duration_seconds", "").await, [kept.trace.as_str()]);
    // Sampled, but there is nobody to tell.
    let alone = super::tracing(Gateway::new(), "{ sampling: { ratio: 1 } }")
        .traffic("routes: [{ name: all, respond: { body: ok } }]")
        .start()
        .await;
    assert_eq!(alone.get("/a").await.status, 200);
    assert!(!scrape(&alone).await.contains("trace_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_another_request_shows_when_and_leads_to_its_trace() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin =
        Origin::start(move |_| Answer::ok("hello").header("Cache-Control", "max-age=60").hold(&held)).await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, "sampling: { ratio: 1 }")
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    let open = async {
        // Both have looked: one asks the origin, the other one waits.
        gateway.wait_metric("cache_misses_total", &[("tier", "memory")], 2.0).await;
        origin.wait_begun(1).await;
        gate.open();
    };
    let (one, other, ()) = tokio::join!(gateway.get("/kept"), gateway.get("/kept"), open);
    assert_eq!((one.status, other.status), (200, 200));
    let wait = collector.wait_span("the wait", |span| span.name == "cache.wait").await;
    let waited = collector.wait_span("who waited", |span| span.id == wait.parent).await;
    assert_eq!((waited.get("nilegate.cache"), wait.get("cache.collapsed")), (Some("hit"), Some("true")));
    let spans = collector.spans();
    let first = spans
        .iter()
        .filter(|span| span.parent == waited.id && span.name == "cache.lookup")
        .min_by_key(|span| span.start)
        .unwrap();
    assert_eq!((first.get("cache.tier"), first.get("cache.result")), (Some("memory"), Some("miss")));
    assert!(first.end <= wait.start && wait.start < wait.end && wait.end <= waited.end, "{spans:#?}");
    assert_eq!(exemplars(&gateway, "cache_lock_wait_seconds", "").await, [waited.trace.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tier_is_a_span_and_lookups_in_redis_lead_to_their_traces() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=60")).await;
    let redis = RedisServer::start().await;
    let collector = Collector::http().await;
    let gateway = exporting(Gateway::before(&origin), &collector, "sampling: { ratio: 1 }")
        .process("cache", &format!("{{ redis: {{ url: '{}', timeout: 2s }} }}", redis.url()))
        .routes("- { name: kept, match: { path: /kept }, upstream: origin, cache: {} }")
        .start()
        .await;
    wait_until("the node to be among those of Redis", async || {
        let stats = gateway.admin("/cache/stats").await.json();
        stats["data"]["tiers"]["redis"]["current"] == true
    })
    .await;
    assert_eq!(gateway.get("/kept").await.status, 200);
    let miss = collector.wait_span("the miss", |span| span.get("nilegate.cache") == Some("miss")).await;
    let mut steps: Vec<_> = collector.spans().into_iter().filter(|span| span.parent == miss.id).collect();
    steps.sort_by_key(|span| span.start);
    let told: Vec<_> = steps
        .iter()
        .filter(|span| span.name == "cache.lookup")
        .map(|span| (span.kind, span.get("cache.tier"), span.get("cache.result"), span.get("db.system.name")))
        .collect();
    assert_eq!(
        told,
        [(1, Some("memory"), Some("miss"), None), (3, Some("redis"), Some("miss"), Some("redis")),]
    );
    for step in &steps {
        assert!(miss.start <= step.start && step.start <= step.end && step.end <= miss.end, "{step:?}");
    }
    let of_redis = exemplars(&gateway, "cache_lookup_duration_seconds", "tier=\"redis\"").await;
    assert_eq!(of_redis, [miss.trace.as_str()]);
}
