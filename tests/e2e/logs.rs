//! What the process writes down, and how that is changed while it runs.

use crate::harness::{Client, Gateway, Origin};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_is_changed_while_it_runs() {
    let gateway = Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]").start().await;
    let admin = Client::new(gateway.admin_address());
    let log = async |method: &str, filter: &str| {
        let method = method.parse().unwrap();
        admin.request(method, "/log").body(filter.to_owned()).send().await
    };
    let level = async || admin.get("/log").send().await.json()["level"].as_str().unwrap().to_owned();
    let configured = level().await;

    assert_eq!(log("PUT", "warn,nilegate::runtime=debug\n").await.status, 200);
    assert_eq!(level().await, "warn,nilegate::runtime=debug");

    let refused = log("PUT", "loud").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("log_filter")));
    assert!(refused.text().contains("`loud` is not a level"), "{}", refused.text());
    assert_eq!(level().await, "warn,nilegate::runtime=debug", "a mistake changes nothing");

    assert_eq!(log("PUT", "error").await.status, 200);
    let before = gateway.stderr().len();
    assert_eq!(Client::new(gateway.admin_address()).post("/reload", "").send().await.status, 200);
    assert!(!gateway.stderr()[before..].contains("configuration unchanged"), "it is held back");

    assert_eq!(log("DELETE", "").await.status, 200);
    assert_eq!(level().await, configured);
    assert_eq!(Client::new(gateway.admin_address()).post("/reload", "").send().await.status, 200);
    assert!(gateway.stderr()[before..].contains("configuration unchanged"), "{}", gateway.stderr());
    assert_eq!(log("PATCH", "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn sampling_leaves_out_what_went_well_and_keeps_errors() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .process("telemetry", "{ log: { format: text }, access_log: { format: json, sample: 0 } }")
        .routes("- { name: a, match: { path: /a }, upstream: origin }")
        .start()
        .await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/a").await.status, 200);
    }
    assert_eq!(gateway.get("/nowhere").await.status, 404);
    gateway.wait_for_log("the request that failed", |line| line["error"] == "no_route").await;
    assert_eq!(gateway.access_log().len(), 1);
    gateway.wait_metric("proxy_access_log_skipped_total", &[], 5.0).await;
    gateway.wait_metric("proxy_access_log_lines_total", &[], 1.0).await;
}
