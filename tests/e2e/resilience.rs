//! Backends that fail: tried elsewhere, left alone, given a pause, taken back.

use crate::harness::{
    Answer, Gateway, Load, Origin, gateway::Builder, h2_origin::BrokenH2Origin, refusing::RefusingH2Origin,
    wait_until,
};

/// A gateway that never leaves a backend alone.
fn without_ejection(broken: &Origin, sound: &Origin) -> Builder {
    Gateway::before_pair(broken, sound).upstream("ejection: { consecutive_failures: 0 }")
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_requests_are_repeated_on_another_backend() {
    let (broken, sound) = (Origin::start(|_| Answer::nothing()).await, Origin::saying("sound").await);
    let gateway = without_ejection(&broken, &sound).start().await;
    for script in [Answer::nothing(), Answer::garbage(), Answer::raw("HTTP/1.1 2")] {
        broken.script(move |_| script.clone());
        for _ in 0..2 {
            assert_eq!(gateway.get("/").await.text(), "sound");
        }
    }
    assert_eq!(broken.requests().len(), 3, "each was tried there once");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("proxy_upstream_retries_total", &[("upstream", "origin")]), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_repeated_only_with_an_idempotency_key() {
    let (broken, sound) = (Origin::start(|_| Answer::nothing()).await, Origin::saying("sound").await);
    let gateway = without_ejection(&broken, &sound).start().await;

    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(gateway.client().post("/plain", "order").send().await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    assert_eq!(broken.requests().len() + sound.requests().len(), 2, "no attempt was repeated");

    for _ in 0..2 {
        let answer = gateway.client().post("/keyed", "order").header("Idempotency-Key", "k1").send().await;
        assert_eq!(answer.text(), "sound");
    }
    let keyed: Vec<_> = sound.requests().into_iter().filter(|request| request.target == "/keyed").collect();
    assert_eq!(keyed.len(), 2);
    assert!(keyed.iter().all(|request| request.body == b"order"), "the body came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_body_counts_once_against_its_limit() {
    let (broken, sound) = (Origin::start(|_| Answer::nothing()).await, Origin::saying("sound").await);
    let gateway = without_ejection(&broken, &sound)
        .routes("- { name: all, upstream: origin, body_limit: 60KiB }")
        .start()
        .await;
    for _ in 0..2 {
        let body = vec![b'x'; 40 << 10];
        let answer = gateway.client().post("/", body).header("Idempotency-Key", "k1").send().await;
        assert_eq!((answer.status, answer.text()), (200, "sound"));
    }
    assert_eq!(broken.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_once_the_response_has_begun() {
    let origin = Origin::start(|_| Answer::ok("x".repeat(1000)).cut_after(500)).await;
    let spare = Origin::saying("spare").await;
    let gateway = Gateway::before_pair(&origin, &spare).upstream("retry: { attempts: 3 }").start().await;
    let client = gateway.client();
    let answers = [client.get("/").try_send().await, client.get("/").try_send().await];
    let cut = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(cut, 1, "a cut body must not look whole: {answers:?}");
    assert_eq!((origin.requests().len(), spare.requests().len()), (1, 1));
}

/// A POST was sent twice when its HTTP/2 answer was malformed (cloudflare/pingora issue 979).
#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_not_repeated_after_a_malformed_http2_answer() {
    let origin = BrokenH2Origin::start().await;
    let gateway = Gateway::before(&origin).upstream("protocol: http2, retry: { attempts: 3 }").start().await;
    let answer = gateway.client().post("/orders", "one order").send().await;
    assert_eq!(answer.status, 502);
    assert_eq!(origin.requests(), 1, "the order was placed once");
}

/// RFC 9113 section 8.7: a refused stream was not processed, so every method may be repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_an_http2_backend_refuses_as_unprocessed_is_repeated() {
    let origin = RefusingH2Origin::start().await;
    let gateway = Gateway::before(&origin).upstream("protocol: http2").start().await;
    for _ in 0..2 {
        let answer = gateway.client().post("/orders", "one order").send().await;
        assert_eq!((answer.status, answer.text()), (200, "one order"));
    }
    assert_eq!(origin.refused(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probed_backend_leaves_and_comes_back() {
    let mut sick = Origin::saying("sick").await;
    let well = Origin::saying("well").await;
    let gateway = Gateway::before_pair(&sick, &well)
        .upstream("health_check: { path: /health, interval: 50ms, timeout: 1s, healthy: 1, unhealthy: 1 }")
        .start()
        .await;
    let endpoint = sick.to_string();
    let up = [("upstream", "origin"), ("endpoint", endpoint.as_str())];
    gateway.wait_metric("proxy_upstream_endpoint_up", &up, 1.0).await;

    sick.script(|request| match request.target.as_str() {
        "/health" => Answer::status(500),
        _ => Answer::ok("sick"),
    });
    gateway.wait_metric("proxy_upstream_endpoint_up", &up, 0.0).await;
    for _ in 0..6 {
        assert_eq!(gateway.get("/").await.text(), "well");
    }

    sick.kill().await;
    sick.script(|_| Answer::ok("sick"));
    sick.revive().await;
    gateway.wait_metric("proxy_upstream_endpoint_up", &up, 1.0).await;
    let answers = [gateway.get("/").await, gateway.get("/").await];
    assert!(answers.iter().any(|answer| answer.text() == "sick"), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_backend_is_ejected() {
    let (failing, sound) = (Origin::start(|_| Answer::status(503)).await, Origin::saying("sound").await);
    let gateway = Gateway::before_pair(&failing, &sound)
        .upstream("ejection: { consecutive_failures: 3, period: 1h }")
        .start()
        .await;
    for _ in 0..20 {
        gateway.get("/").await;
    }
    assert_eq!(failing.requests().len(), 3);
    let ejected = [("upstream", "origin"), ("state", "ejected")];
    assert_eq!(gateway.metrics().await.sum("proxy_upstream_endpoints", &ejected), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_circuit_refuses_at_once_and_closes_after_good_trials() {
    let origin = Origin::start(|_| Answer::status(503)).await;
    let gateway = Gateway::before(&origin)
        .upstream("circuit_breaker: { min_requests: 5, open_for: 300ms, half_open_requests: 1 }")
        .start()
        .await;
    for _ in 0..5 {
        gateway.get("/").await;
    }
    let refused = gateway.get("/").await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"circuit_open".into()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(origin.requests().len(), 5);

    origin.script(|_| Answer::ok("well"));
    wait_until("the circuit to close", async || gateway.get("/").await.status == 200).await;
    gateway.wait_metric("proxy_circuit_breaker_state", &[("upstream", "origin")], 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_killed_and_revived_under_load_costs_no_request() {
    let mut mortal = Origin::saying("ok").await;
    let steady = Origin::saying("ok").await;
    let gateway = Gateway::before_pair(&mortal, &steady)
        .upstream("ejection: { consecutive_failures: 2, period: 200ms }")
        .start()
        .await;
    let load = Load::start(gateway.address(), "/", 4);
    load.wait_for_more(200).await;
    mortal.kill().await;
    load.wait_for_more(500).await;
    mortal.revive().await;
    let before = mortal.requests().len();
    wait_until("requests at the revived backend", async || mortal.requests().len() > before).await;
    load.wait_for_more(200).await;
    load.stop().await.assert_none_lost();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_answers_garbage_under_load_costs_no_request() {
    let (mad, sound) = (Origin::start(|_| Answer::garbage()).await, Origin::saying("ok").await);
    let gateway =
        Gateway::before_pair(&mad, &sound).upstream("ejection: { consecutive_failures: 2 }").start().await;
    let load = Load::start(gateway.address(), "/", 4);
    load.wait_for_more(500).await;
    load.stop().await.assert_none_lost();
    assert!(!mad.requests().is_empty());
}
