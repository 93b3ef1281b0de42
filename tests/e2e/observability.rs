//! What the process says about itself: probes, metrics, access log, refusals.

use crate::harness::{Gateway, Origin, ports::Port, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_one_line_without_secrets() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .routes(r#"- { name: patients, match: { path: "/patients/{id}" }, upstream: origin }"#)
        .start()
        .await;
    let answer = gateway
        .client()
        .post("/patients/4711?token=s3cret", "12345")
        .header("Authorization", "Bearer s3cret")
        .header("Cookie", "session=s3cret")
        .header("User-Agent", "story/1 \"quoted\"")
        .send()
        .await;
    let line = gateway.wait_for_log("the request", |line| line["route"] == "patients").await;

    assert_eq!(line["status"], 200);
    assert_eq!(line["method"], "POST");
    assert_eq!(line["path"], "/patients/{id}", "no identifier of a patient");
    assert_eq!(line["upstream"], "origin");
    assert_eq!(line["backend"], origin.to_string());
    assert_eq!(line["attempts"], 1);
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&5.into(), &5.into()));
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id"));
    assert_eq!(line["user_agent"], "story/1 \"quoted\"");
    assert!(line["duration_us"].as_u64().unwrap() > 0);
    for secret in ["s3cret", "4711"] {
        assert!(!line.to_string().contains(secret), "{line}");
        assert!(!gateway.stderr().contains(secret), "{}", gateway.stderr());
    }
    assert_eq!(gateway.access_log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_method_and_status() {
    let origin = Origin::saying("hello").await;
    let gateway =
        Gateway::before(&origin).routes("- { name: a, match: { path: /a }, upstream: origin }").start().await;
    for _ in 0..3 {
        gateway.get("/a").await;
    }
    gateway.client().post("/a", "").send().await;
    gateway.get("/nowhere").await;

    let get = [("route", "a"), ("method", "GET"), ("status_code", "200")];
    gateway.wait_metric("http_requests_total", &get, 3.0).await;
    gateway.wait_metric("http_request_duration_seconds_count", &get, 3.0).await;
    gateway.wait_metric("http_requests_total", &[("route", "a"), ("method", "POST")], 1.0).await;
    gateway.wait_metric("http_requests_total", &[("route", "_unmatched"), ("status_code", "404")], 1.0).await;
    gateway.wait_metric("proxy_request_errors_total", &[("reason", "no_route")], 1.0).await;
    let upstream = [("upstream", "origin"), ("status_class", "2xx")];
    gateway.wait_metric("proxy_upstream_requests_total", &upstream, 4.0).await;
    gateway.wait_metric("proxy_requests_in_flight", &[], 0.0).await;
    assert!(gateway.metrics().await.has("process_resident_memory_bytes", &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_required_upstreams() {
    let mut origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .upstream("required: true, health_check: { interval: 50ms, healthy: 1, unhealthy: 1 }")
        .start()
        .await;
    origin.kill().await;
    wait_until("/readyz to say no", async || gateway.admin_status("/readyz").await == Some(503)).await;
    assert!(gateway.admin("/readyz").await.text().contains("origin"));
    assert_eq!(gateway.admin_status("/livez").await, Some(200));
    origin.revive().await;
    wait_until("/readyz to say yes", async || gateway.admin_status("/readyz").await == Some(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_its_code_and_hides_the_inside() {
    let nobody = Port::free();
    let gateway = Gateway::new()
        .set("nobody", &nobody)
        .traffic(
            r#"
            upstreams: { hidden: { backends: ["@nobody@"] } }
            routes: [{ name: all, upstream: hidden }]
            "#,
        )
        .start()
        .await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["code"]), (&502.into(), &"connect_failed".into()));
    assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));
    for inside in [nobody.to_string().as_str(), "hidden", "127.0.0.1"] {
        assert!(!answer.text().contains(inside), "{}", answer.text());
    }
    let line = gateway.wait_for_log("the refusal", |line| line["status"] == 502).await;
    assert_eq!(line["error"], "connect_failed");
    assert_eq!(line["backend"], nobody.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_shows_the_running_configuration_and_keeps_to_its_methods() {
    let gateway = Gateway::new().traffic("routes: [{ name: shown, respond: { body: ok } }]").start().await;
    let config = gateway.admin("/config").await;
    assert_eq!(config.status, 200);
    assert!(config.text().contains("shown"), "{}", config.text());
    assert_eq!(gateway.admin_status("/reload").await, Some(405));
    assert_eq!(gateway.admin_status("/elsewhere").await, Some(404));
    // The admin port is not reachable through the listener.
    assert_eq!(gateway.get("/metrics").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_one_document_that_may_load_nothing_else() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .process("admin", r#"{ address: "@admin@", token: open-sesame }"#)
        .start()
        .await;
    let page = gateway.admin("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text();
    for outside in ["src=", "href=", "http://", "@import", "url("] {
        let allowed = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!allowed.contains(outside), "{outside}");
    }
    assert_eq!(gateway.admin("/errors").await.status, 401, "what failed is for those who have the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_failed_are_listed_with_their_traces_and_without_their_paths() {
    let mut origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .process(
            "telemetry",
            "{ log: { format: text }, access_log: { format: json }, tracing: { trust: always } }",
        )
        .routes(r#"- { name: patients, match: { path: "/patients/{id}" }, upstream: origin }"#)
        .start()
        .await;
    assert_eq!(gateway.get("/patients/4711").await.status, 200);
    assert_eq!(gateway.get("/nowhere").await.status, 404);
    origin.kill().await;
    let failed = gateway.get("/patients/4711").await;
    assert_eq!(failed.status, 502);
    let line = gateway.wait_for_log("the failure", |line| line["status"] == 502).await;
    wait_until("the list to have it", async || {
        gateway.admin("/errors").await.json()["errors"].as_array().unwrap().len() == 1
    })
    .await;
    let list = gateway.admin("/errors").await;
    let error = &list.json()["errors"][0];
    assert_eq!((&error["status"], &error["reason"]), (&502.into(), &line["error"]));
    assert_eq!((&error["route"], &error["pattern"]), (&"patients".into(), &"/patients/{id}".into()));
    assert_eq!((&error["trace_id"], &error["request_id"]), (&line["trace_id"], &line["request_id"]));
    assert!(error["trace_id"].as_str().unwrap().len() == 32 && !list.text().contains("4711"), "{error}");
}
