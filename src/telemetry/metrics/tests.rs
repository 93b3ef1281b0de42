use std::time::Duration;

use http::Method;

use super::*;
use crate::telemetry::{
    cache::*,
    graphql::{OperationResult, OperationType, SubrequestResult},
    label::*,
    reason::*,
};

fn metrics() -> Metrics {
    Metrics::new("1.2.3", "abc").unwrap()
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render()).unwrap()
}

/// The value of one series, by its name and labels as written.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    text(metrics).lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Metrics of which every family has at least one series.
fn filled() -> (Metrics, impl Sized) {
    let metrics = metrics();
    let route = metrics.route("patients");
    let upstream = metrics.upstream("origin");
    let listener = metrics.listener("public");
    route.answered(&Method::GET, 200, Duration::from_millis(3));
    upstream.set_endpoints([("127.0.0.1:1", EndpointState::Healthy)]);
    metrics.process().set_certificates([("example", 2_000_000_000)]);
    let provider = metrics.auth_provider("staff");
    upstream.set_endpoint_requests("127.0.0.1:1", 3);
    route.grpc(GrpcStatus::Ok);
    metrics.runtime().watch_current();
    metrics.runtime().observe();
    let cached = metrics.cache().route("patients");
    metrics.cache().tier(Tier::Memory);
    metrics.cache().tier(Tier::Redis);
    let versions = metrics.api_versions();
    let version = versions.route("patients", "v1");
    versions.called("v1", "patients", "lab", std::time::SystemTime::UNIX_EPOCH);
    versions.set_sunsets([("v1", std::time::SystemTime::UNIX_EPOCH)].into_iter());
    metrics.rate_limits().shared();
    let limit = metrics.rate_limits().limit("per-client");
    let graphql = metrics.graphql();
    let took = Duration::from_millis(3);
    graphql.executed(None, OperationType::Query, OperationResult::Ok, took, 7);
    graphql.called(1);
    graphql.subrequest("patients", SubrequestResult::Ok, took, 20);
    graphql.error("NOT_FOUND");
    graphql.rejected("QUERY_TOO_COMPLEX");
    (metrics, (version, route, upstream, listener, cached, limit, provider))
}

#[tokio::test]
async fn a_scrape_follows_the_rules_of_promtool() {
    let (metrics, _handles) = filled();
    let text = text(&metrics);
    let families: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(families.len() >= 90, "{} families", families.len());
    for (name, kind) in families {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for suffix in ["_count", "_sum", "_bucket", "_info_total"] {
            assert!(!name.ends_with(suffix), "{name} ends in {suffix}");
        }
        for unit in
            ["milliseconds", "days", "hours", "_ms", "_us", "minutes", "kilobytes", "_kb", "percent", "_mib"]
        {
            assert!(!name.contains(unit), "{name} is not in a base unit");
        }
        let amounts = [
            "proxy_requests_per_connection",
            "graphql_operation_subrequests",
            "graphql_batch_size",
            "graphql_query_complexity",
        ];
        let amount = amounts.contains(&name);
        let unit = name.ends_with("_seconds") || name.ends_with("_bytes") || amount;
        assert!(kind != "histogram" || unit, "{name} has no unit");
    }
}

#[tokio::test]
async fn all_families_of_this_step_are_there_under_their_names() {
    let (metrics, _handles) = filled();
    let text = text(&metrics);
    for name in FAMILIES.split_whitespace() {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is missing");
    }
    let known = FAMILIES.split_whitespace().count();
    let extra = text.lines().filter(|line| line.starts_with("# TYPE ")).count() - known;
    assert_eq!(extra, 0, "a family that the list does not know");
}

const FAMILIES: &str = "
    proxy_api_version_requests_total proxy_api_version_refusals_total proxy_api_version_calls_total
    proxy_api_version_sunset_timestamp_seconds
    proxy_tls_sessions_resumed_total proxy_upstream_connections
    proxy_upstream_connections_closed_total proxy_filter_duration_seconds proxy_explain_requests_total
    graphql_operations_total graphql_operation_duration_seconds graphql_operation_subrequests
    graphql_subrequests_total graphql_subrequest_duration_seconds graphql_batch_size
    graphql_query_complexity graphql_errors_total graphql_rejected_total
    http_requests_total http_request_duration_seconds active_connections
    process_cpu_seconds_total process_open_fds process_max_fds process_virtual_memory_bytes
    process_resident_memory_bytes process_start_time_seconds process_threads
    proxy_requests_in_flight proxy_connections proxy_connections_accepted_total
    proxy_connections_closed_total proxy_connections_rejected_total proxy_bad_requests_total
    proxy_request_errors_total proxy_client_aborts_total proxy_received_bytes_total
    proxy_sent_bytes_total proxy_requests_by_protocol_total proxy_time_to_first_byte_seconds
    proxy_label_overflow_total
    proxy_trace_contexts_total proxy_spans_total proxy_span_queue_length
    proxy_trace_parent_limited_total
    proxy_trace_export_duration_seconds
    proxy_upstream_requests_total proxy_upstream_request_duration_seconds
    proxy_upstream_connect_duration_seconds proxy_upstream_connections_opened_total
    proxy_upstream_connections_reused_total proxy_upstream_errors_total
    proxy_upstream_timeouts_total proxy_upstream_retries_total
    proxy_upstream_retry_budget_exhausted_total proxy_upstream_requests_in_flight
    proxy_upstream_endpoint_up proxy_upstream_endpoints proxy_health_checks_total
    proxy_circuit_breaker_state proxy_circuit_breaker_transitions_total
    proxy_circuit_breaker_rejected_total proxy_discovery_updates_total
    proxy_tls_certificate_expiry_timestamp_seconds proxy_tls_certificate_reloads_total
    proxy_access_log_dropped_total proxy_config_reloads_total
    proxy_config_last_reload_success_timestamp_seconds proxy_config_generation proxy_build_info
    proxy_draining proxy_runtime_workers proxy_metrics_scrape_duration_seconds
    cache_hits_total cache_misses_total cache_requests_total cache_lookup_duration_seconds
    cache_write_duration_seconds cache_writes_total cache_entries cache_size_bytes
    cache_capacity_bytes cache_evictions_total cache_purges_total cache_stale_served_total
    cache_revalidations_total cache_coalesced_requests_total cache_lock_wait_seconds
    cache_backend_errors_total cache_backend_up cache_breaker_state cache_corrupted_values_total
    cache_write_queue_entries cache_write_queue_bytes
    rate_limit_requests_total rate_limit_buckets rate_limit_buckets_capacity
    rate_limit_buckets_displaced_total rate_limit_script_duration_seconds
    rate_limit_fallbacks_total rate_limit_backend_connect_errors_total rate_limit_backend_up
    rate_limit_breaker_state
    proxy_upstream_permits proxy_upstream_permits_taken proxy_upstream_queue_length
    proxy_upstream_queue_wait_seconds proxy_upstream_shed_total
    proxy_auth_admissions_total proxy_auth_refusals_total proxy_auth_lookups_total
    proxy_auth_key_refreshes_total proxy_auth_keys_loaded_timestamp_seconds proxy_auth_keys
    proxy_auth_facts_dropped_total
    proxy_connections_limit proxy_connection_duration_seconds proxy_http2_streams
    proxy_requests_per_connection proxy_tls_handshakes_total proxy_tls_handshake_duration_seconds
    proxy_tls_handshake_errors_total proxy_request_size_bytes proxy_response_size_bytes
    proxy_websocket_connections proxy_grpc_responses_total
    proxy_upstream_tls_handshake_duration_seconds proxy_upstream_time_to_first_byte_seconds
    proxy_health_check_duration_seconds proxy_upstream_endpoint_requests_total
    proxy_access_log_lines_total proxy_access_log_skipped_total proxy_access_log_queue_length
    proxy_log_lines_total proxy_config_reload_duration_seconds proxy_config_routes
    proxy_config_upstreams proxy_memory_limit_bytes proxy_dns_lookup_duration_seconds
    proxy_compression_bytes_total proxy_runtime_alive_tasks proxy_runtime_queue_depth
    proxy_runtime_busy_seconds_total proxy_runtime_parks_total
";

#[tokio::test]
async fn counters_exist_before_their_first_event() {
    let (metrics, _handles) = filled();
    for series in [
        r#"proxy_request_errors_total{route="_unmatched",reason="no_route"}"#,
        r#"proxy_request_errors_total{route="patients",reason="circuit_open"}"#,
        r#"proxy_upstream_errors_total{upstream="origin",reason="connect_timeout"}"#,
        r#"proxy_upstream_requests_total{upstream="origin",status_class="5xx"}"#,
        r#"proxy_connections_rejected_total{listener="public",reason="connection_limit"}"#,
        r#"proxy_config_reloads_total{result="failure"}"#,
        r#"proxy_label_overflow_total{family="http_requests_total"}"#,
        r#"proxy_auth_refusals_total{provider="staff",reason="token_expired"}"#,
        r#"cache_requests_total{route="patients",result="stale"}"#,
        r#"cache_hits_total{tier="memory"}"#,
        r#"cache_backend_errors_total{tier="redis",operation="get",reason="timeout"}"#,
        r#"cache_corrupted_values_total{tier="redis",reason="checksum"}"#,
        r#"rate_limit_requests_total{limit="per-client",result="refused"}"#,
        "rate_limit_buckets_displaced_total",
        "proxy_access_log_dropped_total",
    ] {
        assert_eq!(value(&metrics, series), Some(0.0), "{series}");
    }
}

#[test]
fn requests_are_counted_by_method_and_exact_status() {
    let metrics = metrics();
    let route = metrics.route("r");
    let made_up = Method::from_bytes(b"BREW").unwrap();
    for (method, status) in [(&Method::GET, 200), (&Method::GET, 200), (&Method::GET, 418), (&made_up, 200)] {
        route.answered(method, status, Duration::from_millis(600));
    }
    assert_eq!(route.count(&Method::GET, 200), 2);
    assert_eq!(route.count(&Method::GET, 404), 0);
    let count = |method: &str, status: u16| {
        let labels = format!(r#"{{method="{method}",route="r",status_code="{status}"}}"#);
        value(&metrics, &format!("http_requests_total{labels}"))
    };
    assert_eq!(count("GET", 200), Some(2.0));
    assert_eq!(count("GET", 418), Some(1.0));
    assert_eq!(count("_OTHER", 200), Some(1.0));
    let bucket = |le: &str| {
        let labels = format!(r#"{{method="GET",route="r",status_code="200",le="{le}"}}"#);
        value(&metrics, &format!("http_request_duration_seconds_bucket{labels}"))
    };
    assert_eq!((bucket("0.5"), bucket("1"), bucket("+Inf")), (Some(0.0), Some(2.0), Some(2.0)));
}

#[test]
fn workers_that_meet_a_new_status_at_once_share_its_series() {
    let metrics = metrics();
    let route = metrics.route("r");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for status in 200..260 {
                    route.answered(&Method::GET, status, Duration::from_micros(10));
                }
            });
        }
    });
    assert!((200..260).all(|status| route.count(&Method::GET, status) == 8));
}

#[test]
fn what_is_in_flight_ends_with_its_guard() {
    let metrics = metrics();
    let route = metrics.route("r");
    let first = route.begin();
    let _second = route.begin();
    let series = r#"proxy_requests_in_flight{route="r"}"#;
    assert_eq!(value(&metrics, series), Some(2.0));
    drop(first);
    assert_eq!(value(&metrics, series), Some(1.0));
}

#[test]
fn a_connection_is_counted_from_accept_to_close() {
    let metrics = metrics();
    let listener = metrics.listener("public");
    let mut connection = listener.accepted();
    connection.set_protocol(ConnectionProtocol::Http2);
    assert_eq!(value(&metrics, "active_connections"), Some(1.0));
    assert_eq!(value(&metrics, r#"proxy_connections{listener="public",protocol="h2"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"proxy_connections{listener="public",protocol="_unknown"}"#), Some(0.0));
    assert_eq!(listener.open(), 1);
    connection.set_reason(CloseReason::IdleTimeout);
    drop(connection);
    let closed = r#"proxy_connections_closed_total{listener="public",reason="idle_timeout"}"#;
    assert_eq!(value(&metrics, closed), Some(1.0));
    assert_eq!(value(&metrics, "active_connections"), Some(0.0));
}

#[test]
fn a_route_keeps_its_counts_over_a_reload_and_loses_them_when_it_goes() {
    let metrics = metrics();
    let old = metrics.route("r");
    old.answered(&Method::GET, 200, Duration::ZERO);
    let new = metrics.route("r");
    drop(old);
    new.answered(&Method::GET, 200, Duration::ZERO);
    assert_eq!(new.count(&Method::GET, 200), 2);
    assert!(text(&metrics).contains(r#"route="r""#));
    drop(new);
    assert!(!text(&metrics).contains(r#"route="r""#), "series of a route that is gone");
    assert_eq!(metrics.route("r").count(&Method::GET, 200), 0);
}

#[tokio::test]
async fn an_upstream_that_goes_takes_its_series_along() {
    let (metrics, handles) = filled();
    assert!(text(&metrics).contains(r#"upstream="origin""#));
    drop(handles);
    assert!(!text(&metrics).contains(r#"upstream="origin""#));
}

#[test]
fn endpoints_that_vanish_lose_their_series() {
    let metrics = metrics();
    let (a, b) = (metrics.upstream("a"), metrics.upstream("b"));
    b.set_endpoints([("h:1", EndpointState::Healthy)]);
    a.set_endpoints([("h:1", EndpointState::Healthy), ("h:2", EndpointState::Ejected)]);
    let up = |upstream: &str, endpoint: &str| {
        let labels = format!(r#"{{upstream="{upstream}",endpoint="{endpoint}"}}"#);
        value(&metrics, &format!("proxy_upstream_endpoint_up{labels}"))
    };
    assert_eq!((up("a", "h:1"), up("a", "h:2")), (Some(1.0), Some(0.0)));
    a.set_endpoints([("h:2", EndpointState::Healthy)]);
    assert_eq!((up("a", "h:1"), up("a", "h:2"), up("b", "h:1")), (None, Some(1.0), Some(1.0)));
    assert_eq!(value(&metrics, r#"proxy_upstream_endpoints{upstream="a",state="ejected"}"#), Some(0.0));
}

#[test]
fn a_full_family_folds_new_series_and_counts_them() {
    let metrics = Metrics::with_limit("1", "a", 4).unwrap();
    let routes: Vec<_> = (0..10).map(|n| metrics.route(&format!("r{n}"))).collect();
    for route in &routes {
        route.answered(&Method::GET, 200, Duration::ZERO);
    }
    let all = r#"http_requests_total{method="_overflow",route="_overflow",status_code="_overflow"}"#;
    assert_eq!(value(&metrics, all), Some(6.0));
    let overflow = r#"proxy_label_overflow_total{family="http_requests_total"}"#;
    assert_eq!(value(&metrics, overflow), Some(6.0));
}

#[test]
fn states_and_the_process_show_their_numbers() {
    let metrics = metrics();
    let upstream = metrics.upstream("u");
    upstream.set_breaker(BreakerState::Open, |state| u64::from(state == BreakerState::Open));
    assert_eq!(value(&metrics, r#"proxy_circuit_breaker_state{upstream="u"}"#), Some(2.0));
    assert_eq!(
        value(&metrics, r#"proxy_circuit_breaker_transitions_total{upstream="u",to="open"}"#),
        Some(1.0)
    );
    let process = metrics.process();
    process.config_in_force(7);
    process.set_draining(true);
    process.set_workers(4);
    process.set_certificates([("old", 1), ("new", 2)]);
    process.set_certificates([("new", 3)]);
    process.access_log_counters().dropped.add(2);
    assert_eq!(value(&metrics, "proxy_config_generation"), Some(7.0));
    assert_eq!(value(&metrics, "proxy_draining"), Some(1.0));
    assert_eq!(value(&metrics, "proxy_runtime_workers"), Some(4.0));
    assert_eq!(value(&metrics, "proxy_access_log_dropped_total"), Some(2.0));
    assert_eq!(value(&metrics, r#"proxy_tls_certificate_expiry_timestamp_seconds{cert="new"}"#), Some(3.0));
    assert_eq!(value(&metrics, r#"proxy_tls_certificate_expiry_timestamp_seconds{cert="old"}"#), None);
    assert_eq!(value(&metrics, r#"proxy_build_info{version="1.2.3",revision="abc"}"#), Some(1.0));
    assert!(value(&metrics, "proxy_config_last_reload_success_timestamp_seconds") > Some(1.6e9));
}

#[test]
fn a_tier_that_is_not_in_use_shows_no_series() {
    let metrics = metrics();
    let memory = metrics.cache().tier(Tier::Memory);
    memory.looked_up(true, Duration::from_micros(3));
    memory.failed(BackendOperation::Get, BackendFailure::Timeout);
    memory.set_size(2, 300, 1_000);
    assert!(!text(&metrics).contains(r#"tier="redis""#), "an alert on cache_backend_up would fire");
    assert!(!text(&metrics).contains("cache_backend_errors_total{"));
    assert_eq!(value(&metrics, r#"cache_size_bytes{tier="memory"}"#), Some(300.0));
    let redis = metrics.cache().tier(Tier::Redis);
    redis.failed(BackendOperation::Get, BackendFailure::Timeout);
    redis.link().set_breaker(BreakerState::Open);
    assert_eq!(redis.failures(BackendOperation::Get, BackendFailure::Timeout), 1);
    assert_eq!(value(&metrics, r#"cache_breaker_state{tier="redis"}"#), Some(2.0));
    assert!(!text(&metrics).contains(r#"cache_entries{tier="redis"}"#), "Redis tells that itself");
}

#[test]
fn a_route_that_goes_takes_its_cache_along() {
    let metrics = metrics();
    let route = metrics.cache().route("r");
    route.request(CacheResult::Hit);
    route.coalesced();
    assert_eq!(value(&metrics, r#"cache_requests_total{route="r",result="hit"}"#), Some(1.0));
    assert_eq!(route.counts().map(|(_, count)| count).sum::<u64>(), 1);
    drop(route);
    assert!(!text(&metrics).contains(r#"route="r""#));
}

#[test]
fn the_scrape_time_is_told_by_the_next_scrape() {
    let metrics = metrics();
    metrics.render();
    metrics.render();
    assert_eq!(value(&metrics, "proxy_metrics_scrape_duration_seconds_count"), Some(2.0));
}
