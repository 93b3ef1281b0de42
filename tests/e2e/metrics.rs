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
    promtool_accepts(gateway.admin("/metrics").await.text());
}

/// Fails with what `promtool` has to say of a scrape.
pub fn promtool_accepts(scrape: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: scripts/dev setup installs it");
    promtool.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
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

/// What a client makes up never becomes a label: 12,000 paths, methods, hosts, versions, callers
/// and user agents leave the number of series where a handful of each has brought it.
#[tokio::test(flavor = "multi_thread")]
async fn what_clients_make_up_makes_no_series() {
    const REQUESTS: usize = 12_500;
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .process("telemetry", "{ log: { format: text }, access_log: { enabled: false }, tracing: { trust: always } }")
        .process("rate_limits", "{ keys: 1000 }")
        .also(
            "api_versions: { versions: { v1: { deprecated: 2020-01-01, sunset: 2199-01-01 }, v2: {} },
               default: v1, sources: [path, header], consumer: header:X-Client-Id }
auth: { providers: { staff: { api_keys: { header: X-API-Key, keys: [{ id: lab-7,
  hash: 'sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7' }] } } } }",
        )
        .routes(
            "- { name: people, match: { path: '/api/people/{id}' }, versions: { v1: { upstream: origin }, v2: { upstream: origin } } }
- { name: guarded, match: { path: '/guarded/**' }, upstream: origin, auth: { with: staff } }
- { name: limited, match: { path: '/limited/**' }, upstream: origin, cache: {}, rate_limit: [{ rate: 10/s, by: 'header:X-Tenant' }] }",
        )
        .start()
        .await;
    flood(&gateway, 0..200).await;
    let before = series(&gateway).await;
    flood(&gateway, 200..REQUESTS).await;
    gateway.wait_metric("http_requests_total", &[], REQUESTS as f64).await;
    let after = series(&gateway).await;
    assert!(after < before + 50, "{before} series after 200 requests, {after} after {REQUESTS}");
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("http_requests_total", &[("method", "_OTHER")]) > 1000.0);
    assert!(metrics.sum("http_requests_total", &[("route", "_unmatched")]) > 1000.0);
    // Callers of versions that end are told apart, so many and no more.
    let callers = [("consumer", "_other")];
    assert!(metrics.sum("proxy_api_version_calls_total", &callers) > 500.0);
    let text = gateway.admin("/metrics").await;
    let callers = text.text().lines().filter(|line| line.starts_with(CALLS)).count();
    assert!(callers <= 4097, "{callers}");
    assert!(!gateway.admin("/metrics").await.text().contains("made-up"), "no label is of a client's making");
}

/// Requests of which each differs from all others in everything that a client decides.
async fn flood(gateway: &Gateway, numbers: std::ops::Range<usize>) {
    const AT_ONCE: usize = 16;
    let mut clients = tokio::task::JoinSet::new();
    for first in numbers.start..(numbers.start + AT_ONCE).min(numbers.end) {
        let (address, end) = (gateway.address(), numbers.end);
        clients.spawn(async move {
            let mut client = crate::harness::RawClient::connect(address).await;
            for n in (first..end).step_by(AT_ONCE) {
                client.send(made_up(n)).await;
                client.response().await.expect("an answer to each");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

fn made_up(n: usize) -> String {
    let path = match n % 8 {
        0 => format!("/api/v{n}/people/made-up-{n}"),
        1 | 5 => format!("/guarded/made-up-{n}"),
        3 => format!("/limited/made-up-{n}"),
        7 => format!("/made-up/{n}"),
        _ => format!("/api/people/made-up-{n}"),
    };
    // Half of them have a method that exists.
    let method = match n / 8 % 2 {
        0 => "GET".to_owned(),
        _ => format!("MADEUP{n}"),
    };
    format!(
        "{method} {path}?made-up={n} HTTP/1.1\r\nHost: made-up-{n}.test\r\nUser-Agent: made-up/{n}\r\n\
         X-Client-Id: Made-Up {n}\r\nX-Tenant: made-up-{n}\r\nX-API-Key: made-up-{n}\r\n\
         traceparent: made-up-{n}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Has a series for each caller, of which there are so many at most.
const CALLS: &str = "proxy_api_version_calls_total{";

async fn series(gateway: &Gateway) -> usize {
    let text = gateway.admin("/metrics").await;
    text.text().lines().filter(|line| !line.starts_with('#') && !line.starts_with(CALLS)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_backends_are_idle_or_in_use_until_they_are_closed() {
    let gate = crate::harness::Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/held" => crate::harness::Answer::ok("held").hold(&held),
        _ => crate::harness::Answer::ok("at once"),
    })
    .await;
    let gateway = Gateway::before(&origin).upstream("keepalive: { idle_timeout: 300ms }").start().await;
    let client = gateway.client();
    let waiting = tokio::spawn(async move { client.get("/held").send().await });
    origin.wait_begun(1).await;
    assert_eq!(gateway.get("/").await.status, 200);
    let of = |state| [("upstream", "origin"), ("state", state)];
    gateway.wait_metric("proxy_upstream_connections", &of("in_use"), 1.0).await;
    gateway.wait_metric("proxy_upstream_connections", &of("idle"), 1.0).await;
    gate.open();
    assert_eq!(waiting.await.unwrap().status, 200);
    gateway.wait_metric("proxy_upstream_connections", &of("in_use"), 0.0).await;
    gateway.wait_metric("proxy_upstream_connections_closed_total", &[("upstream", "origin")], 2.0).await;
    gateway.wait_metric("proxy_upstream_connections", &[], 0.0).await;
    assert!(
        gateway.metrics().await.sum("proxy_filter_duration_seconds_count", &[("filter", "route")]) >= 2.0
    );
}
