//! Upstreams that serve only so many requests at once.

use std::time::{Duration, Instant};

use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, Response, in_time};

/// An origin whose answers wait for the gate, except below `/quick`.
async fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |request| match request.target.starts_with("/quick") {
        true => Answer::ok("quick"),
        false => Answer::ok("slow").hold(&gate),
    })
    .await
}

async fn gateway(origin: &Origin, concurrency: &str) -> Gateway {
    Gateway::before(origin).upstream(&format!("concurrency: {{ {concurrency} }}")).start().await
}

/// A request that goes on by itself.
fn begin(gateway: &Gateway, path: &'static str) -> tokio::task::JoinHandle<Response> {
    let client = gateway.client();
    tokio::spawn(async move { client.get(path).send().await })
}

#[track_caller]
fn assert_overloaded(answer: &Response) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("overloaded")), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

const WAITS: &str = "queue: 1, queue_timeout: 60s";

#[tokio::test(flavor = "multi_thread")]
async fn two_are_served_one_waits_and_the_fourth_is_refused() {
    let gate = Gate::closed();
    let origin = gated(&gate).await;
    let gateway = gateway(&origin, &format!("limit: 2, {WAITS}")).await;
    let served = [begin(&gateway, "/a"), begin(&gateway, "/b")];
    in_time("two requests", origin.wait_begun(2)).await;
    let waiting = begin(&gateway, "/c");
    gateway.wait_metric("proxy_upstream_queue_length", &[], 1.0).await;

    let started = Instant::now();
    assert_overloaded(&gateway.get("/d").await);
    assert!(started.elapsed() < Duration::from_secs(10), "at once");
    assert_eq!(origin.requests().len(), 2);
    gateway.wait_metric("proxy_upstream_permits_taken", &[("upstream", "origin")], 2.0).await;
    gateway.wait_metric("proxy_upstream_permits", &[], 2.0).await;
    gateway.wait_metric("proxy_upstream_shed_total", &[("reason", "queue_full")], 1.0).await;
    let line = gateway.wait_for_log("a refusal", |line| line["status"] == 503).await;
    assert_eq!((&line["error"], &line["attempts"]), (&"overloaded".into(), &0.into()));

    gate.open();
    for request in served.into_iter().chain([waiting]) {
        assert_eq!(in_time("an answer", request).await.unwrap().status, 200);
    }
    gateway.wait_metric("proxy_upstream_permits_taken", &[], 0.0).await;
    gateway.wait_metric("proxy_upstream_queue_length", &[], 0.0).await;
    gateway.wait_metric("proxy_upstream_queue_wait_seconds_count", &[], 3.0).await;
    assert_eq!(gateway.get("/quick").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_than_the_queue_or_the_route_allows() {
    let gate = Gate::closed();
    let origin = gated(&gate).await;
    for (queue_timeout, timeouts) in [("50ms", "{}"), ("60s", "{ total: 200ms }")] {
        let gateway = Gateway::before(&origin)
            .upstream(&format!("concurrency: {{ limit: 1, queue: 9, queue_timeout: {queue_timeout} }}"))
            .routes(&format!(
                "- {{ name: all, upstream: origin }}\n\
                 - {{ name: short, match: {{ path: /short }}, upstream: origin, timeouts: {timeouts} }}"
            ))
            .start()
            .await;
        let first = begin(&gateway, "/");
        gateway.wait_metric("proxy_upstream_permits_taken", &[], 1.0).await;
        assert_overloaded(&gateway.get("/short").await);
        gateway.wait_metric("proxy_upstream_shed_total", &[("reason", "queue_timeout")], 1.0).await;
        first.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_give_their_permits_back() {
    let gate = Gate::closed();
    let origin = gated(&gate).await;
    let gateway = gateway(&origin, "limit: 2").await;
    let mut leaving = RawClient::connect(gateway.address()).await;
    leaving.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let http2 = gateway.client().http2();
    let resetting = tokio::spawn(async move { http2.get("/").send().await });
    in_time("two requests", origin.wait_begun(2)).await;
    assert_overloaded(&gateway.get("/quick").await);
    drop(leaving);
    resetting.abort();
    gateway.wait_metric("proxy_upstream_permits_taken", &[], 0.0).await;
    assert_eq!(gateway.get("/quick").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_attempts_give_their_permits_back() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/cut" => Answer::ok("x".repeat(1_000)).cut_after(500),
        _ => Answer::ok("fine"),
    })
    .await;
    let gateway = gateway(&origin, "limit: 1").await;
    for _ in 0..3 {
        drop(gateway.client().get("/cut").try_send().await);
        gateway.wait_metric("proxy_upstream_permits_taken", &[], 0.0).await;
    }
    assert_eq!(gateway.get("/").await.status, 200);
    let nobody = Gateway::before("127.0.0.1:1").upstream("concurrency: { limit: 1 }").start().await;
    for _ in 0..3 {
        assert_eq!(nobody.get("/").await.status, 502, "never 503");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_helps_out() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |request| match request.target.as_str() {
            "/fresh" => Answer::ok("fresh").header("Cache-Control", "max-age=3600"),
            "/stale" => Answer::ok("stale").header("Cache-Control", "max-age=0, stale-if-error=3600"),
            "/strict" => Answer::ok("strict").header("Cache-Control", "max-age=0, stale-if-error=0"),
            _ => Answer::ok("slow").hold(&gate),
        }
    })
    .await;
    let gateway = Gateway::before(&origin)
        .upstream("concurrency: { limit: 1 }")
        .routes("- { name: all, upstream: origin, cache: {} }")
        .start()
        .await;
    for path in ["/fresh", "/stale", "/strict"] {
        assert_eq!(gateway.get(path).await.status, 200);
        gateway.wait_metric("proxy_upstream_permits_taken", &[], 0.0).await;
    }
    let busy = begin(&gateway, "/");
    in_time("the slow request", origin.wait_begun(4)).await;
    assert_eq!(gateway.get("/fresh").await.text(), "fresh", "a hit needs no permit");
    let stale = gateway.get("/stale").await;
    assert_eq!((stale.status, stale.text()), (200, "stale"), "better than a refusal");
    assert_overloaded(&gateway.get("/strict").await);
    assert_eq!(origin.requests().len(), 4, "nobody else went to the origin");
    gateway.wait_metric("cache_stale_served_total", &[("reason", "if_error")], 1.0).await;
    gate.open();
    assert_eq!(in_time("the slow request", busy).await.unwrap().status, 200);
}
