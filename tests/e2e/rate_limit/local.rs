//! Limits of one node.

use super::{assert_refusals_cost_nothing, assert_refused, limited, statuses};
use crate::harness::{Gateway, Origin, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_passes_and_the_next_is_told_to_wait() {
    let origin = Origin::saying("hello").await;
    let gateway = limited(&origin, "[{ rate: 3/h, by: address }]").start().await;
    assert_eq!(statuses(&gateway, 4).await, [200, 200, 200, 429]);
    let refused = gateway.get("/").await;
    assert_refused(&refused);
    assert_refused(&gateway.client().http2().get("/").send().await);
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1_100..=1_200).contains(&wait), "a third of an hour: {wait}");
    assert_eq!(origin.requests().len(), 3, "nothing refused reaches the backend");

    let line = gateway.wait_for_log("a refusal", |line| line["status"] == 429).await;
    assert_eq!((&line["error"], &line["detail"]), (&"rate_limited".into(), &"rate_limited".into()));
    gateway.wait_metric("rate_limit_requests_total", &[("limit", "all#1"), ("result", "passed")], 3.0).await;
    gateway.wait_metric("rate_limit_requests_total", &[("limit", "all#1"), ("result", "refused")], 3.0).await;
    gateway.wait_metric("proxy_request_errors_total", &[("reason", "rate_limited")], 3.0).await;
    gateway.wait_metric("rate_limit_buckets", &[], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_back_with_time() {
    let origin = Origin::saying("hello").await;
    let gateway = limited(&origin, "[{ rate: 2/s, burst: 1, by: route }]").start().await;
    assert_eq!(statuses(&gateway, 2).await, [200, 429]);
    wait_until("the bucket to regain a request", async || gateway.get("/").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_value_has_a_bucket_and_who_has_none_is_known_by_address() {
    let origin = Origin::saying("hello").await;
    let limits = "[{ rate: 1/h, by: 'header:X-Tenant' }]";
    let gateway = limited(&origin, limits).also("forwarding: { trusted_peers: [127.0.0.0/8] }").start().await;
    let ask = async |tenants: &[&str], address: &str| {
        let client = gateway.client();
        let request = client.get("/").header("X-Forwarded-For", address);
        tenants.iter().fold(request, |request, tenant| request.header("X-Tenant", tenant)).send().await.status
    };
    assert_eq!(ask(&["a"], "10.0.0.1").await, 200);
    assert_eq!(ask(&["a"], "10.0.0.2").await, 429, "the tenant counts, wherever it asks from");
    assert_eq!(ask(&["b"], "10.0.0.1").await, 200);
    assert_eq!(ask(&[], "10.0.0.1").await, 200);
    assert_eq!(ask(&[], "10.0.0.1").await, 429);
    assert_eq!(ask(&["a", "c"], "10.0.0.1").await, 429, "two tenants are none");
    assert_eq!(ask(&[], "2001:db8::1").await, 200);
    assert_eq!(ask(&[], "2001:db8::2").await, 429, "one network");
    assert_eq!(ask(&[], "2001:db8:0:1::1").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_chooses_an_address() {
    let origin = Origin::saying("hello").await;
    let gateway = limited(&origin, "[{ rate: 1/h, by: address }]").start().await;
    let client = gateway.client();
    assert_eq!(client.get("/").header("X-Forwarded-For", "10.0.0.1").send().await.status, 200);
    assert_eq!(client.get("/").header("X-Forwarded-For", "10.0.0.2").send().await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_one_limit_costs_nothing_of_the_others() {
    let origin = Origin::saying("hello").await;
    let limits = "[{ rate: 3/h, by: route }, { rate: 1/h, by: 'header:X-Tenant' }]";
    let gateway = limited(&origin, limits).start().await;
    assert_refusals_cost_nothing(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_share_a_limit_by_its_name() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .routes(
            "- { name: a, match: { path: /a }, upstream: origin, rate_limit: [both, each] }\n\
             - { name: b, match: { path: /b }, upstream: origin, rate_limit: [both, each] }\n\
             - { name: c, match: { path: /c }, respond: { body: c }, rate_limit: [{ rate: 1/h, by: address, methods: POST }] }",
        )
        .also("rate_limits: { both: { rate: 3/h, by: address }, each: { rate: 2/h, by: route } }")
        .start()
        .await;
    let ask = async |path: &str| gateway.get(path).await.status;
    assert_eq!([ask("/a").await, ask("/a").await, ask("/a").await], [200, 200, 429], "two of this route");
    assert_eq!([ask("/b").await, ask("/b").await], [200, 429], "three of both");
    assert_eq!([ask("/c").await, ask("/c").await], [200, 200], "only POST counts");
    let post = async || gateway.client().post("/c", "").send().await.status;
    assert_eq!([post().await, post().await], [200, 429], "answers of the gateway are limited too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_refills_no_bucket() {
    let origin = Origin::saying("hello").await;
    let mut gateway = limited(&origin, "[{ rate: 2/h, by: address }]").start().await;
    assert_eq!(statuses(&gateway, 1).await, [200]);
    let traffic = |limit: &str, body: &str| {
        format!(
            "upstreams: {{ origin: {{ backends: ['{origin}'] }} }}\n\
             routes:\n  - {{ name: all, upstream: origin, rate_limit: [{limit}] }}\n  \
             - {{ name: other, match: {{ path: /other }}, respond: {{ body: {body} }} }}\n"
        )
    };
    gateway.write_traffic(&traffic("{ rate: 2/h, by: address }", "one"));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(statuses(&gateway, 2).await, [200, 429]);
    gateway.write_traffic(&traffic("{ rate: 5/h, by: address }", "one"));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(statuses(&gateway, 6).await, [200, 200, 200, 200, 200, 429], "another limit begins anew");
}
