//! What is counted, and how it is told.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::harness::{Client, Gateway, Origin};

/// A gateway that has served something, and refused something.
async fn busy(origin: &Origin) -> Gateway {
    let gateway = Gateway::before(origin)
        .upstream("health_check: { interval: 50ms }")
        .routes("- { name: a, match: { path: /a }, upstream: origin, cache: { ttl: { 200: 1m } } }")
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/a").await.status, 200);
    }
    gateway.client().post("/a", vec![b'x'; 2000]).send().await;
    gateway.get("/nowhere").await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_say_of_a_scrape() {
    let origin = Origin::saying("hello").await;
    let gateway = busy(&origin).await;
    let scrape = gateway.admin("/metrics").await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: scripts/dev setup installs it");
    promtool.stdin.take().unwrap().write_all(scrape.text().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn open_metrics_are_told_to_those_who_prefer_them() {
    let origin = Origin::saying("hello").await;
    let gateway = busy(&origin).await;
    let admin = Client::new(gateway.admin_address());
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let open = admin.get("/metrics").header("Accept", accept).send().await;
    let kind = open.header("content-type").unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("# EOF\n"));
    let series = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<String> = lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        names.sort_unstable();
        names
    };
    let plain = admin.get("/metrics").send().await;
    assert!(plain.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert_eq!(series(open.text()), series(plain.text()), "the same series under the same names");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_ages_and_the_process_are_counted() {
    let origin = Origin::saying("hello").await;
    let gateway = busy(&origin).await;
    let route = [("route", "a")];
    gateway.wait_metric("proxy_request_size_bytes_sum", &route, 2000.0).await;
    gateway.wait_metric("proxy_response_size_bytes_count", &route, 4.0).await;
    gateway.wait_metric("proxy_response_size_bytes_bucket", &[("route", "a"), ("le", "256")], 4.0).await;
    gateway.wait_metric("proxy_upstream_endpoint_requests_total", &[("upstream", "origin")], 2.0).await;
    gateway.wait_metric("proxy_upstream_time_to_first_byte_seconds_count", &[], 2.0).await;
    gateway.wait_metric("proxy_connection_duration_seconds_count", &[], 6.0).await;
    gateway.wait_metric("proxy_requests_per_connection_count", &[], 5.0).await;
    gateway.wait_metric("proxy_requests_per_connection_sum", &[("protocol", "http/1")], 5.0).await;
    gateway.wait_metric("proxy_config_routes", &[], 1.0).await;
    gateway.wait_metric("proxy_config_upstreams", &[], 1.0).await;
    let metrics = gateway.metrics().await;
    for name in [
        "proxy_runtime_busy_seconds_total",
        "proxy_runtime_parks_total",
        "proxy_memory_limit_bytes",
        "proxy_log_lines_total",
        "proxy_access_log_lines_total",
        "proxy_connections_limit",
        "proxy_health_check_duration_seconds_count",
    ] {
        assert!(metrics.sum(name, &[]) > 0.0, "{name}");
    }
    assert!(metrics.has("proxy_runtime_alive_tasks", &[]));
    gateway.reload().await;
    gateway.wait_metric("proxy_config_reload_duration_seconds_count", &[], 1.0).await;
}
