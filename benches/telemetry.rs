//! What it costs to count and log one request, in nanoseconds.
//!
//! `cargo bench --bench telemetry`. The goal: metrics of one request well under
//! 300 ns, its access line under 1 µs.

use std::{
    hint::black_box,
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use nilegate::{
    config::telemetry::{AccessLogConfig, AccessLogPath, LogFormat},
    telemetry::{
        access_log::{AccessLog, AccessRecord},
        label::{EndpointState, Protocol},
        metrics::{ListenerMetrics, Metrics, RouteMetrics, UpstreamMetrics},
    },
};

struct Handles {
    route: Arc<RouteMetrics>,
    upstream: Arc<UpstreamMetrics>,
    listener: Arc<ListenerMetrics>,
}

impl Handles {
    fn new(metrics: &Metrics) -> Self {
        let (route, upstream) = (metrics.route("patients"), metrics.upstream("origin"));
        Self { route, upstream, listener: metrics.listener("public") }
    }

    /// All that is counted for a request that was answered at the first attempt.
    fn count(&self, status: u16, duration: Duration) {
        let _request = self.route.begin();
        let _attempt = self.upstream.begin();
        self.listener.request(Protocol::Http11);
        self.upstream.reused();
        self.upstream.attempted(Some(status), duration);
        self.route.first_byte(duration);
        self.route.answered(&Method::GET, status, duration);
        self.listener.bytes(0, 1024);
    }
}

fn record() -> AccessRecord<'static> {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_millis(1_709_210_096_007),
        request_id: "01975a3c-77a2-7d5b-9f3e-0f5b8f0c1a2b",
        trace_id: Some(b"4bf92f3577b34da6a3ce929d0e0e4736"),
        span_id: Some(b"00f067aa0ba902b7"),
        client: Some([203, 0, 113, 9].into()),
        listener: "public",
        protocol: Protocol::Http11,
        tls_version: Some("TLSv1.3"),
        method: "GET",
        host: b"api.nilecare.example",
        path: b"/api/v2/patients/42?include=appointments",
        pattern: Some("/api/{version}/patients/{id}"),
        route: Some("patients"),
        status: Some(200),
        bytes_in: 0,
        bytes_out: 1_024,
        duration: Duration::from_micros(1_234),
        upstream: Some("origin"),
        backend: Some("127.0.0.1:8000"),
        attempts: 1,
        upstream_first_byte: Some(Duration::from_micros(800)),
        upstream_reused: Some(true),
        error: None,
        detail: None,
        cache: None,
        cache_tier: None,
        api_version: None,
        api_version_source: None,
        internal: false,
        graphql: None,
        graphql_operation: None,
        identity: None,
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    }
}

fn metrics(c: &mut Criterion) {
    let metrics = Metrics::new("bench", "bench").expect("metrics");
    let handles = Handles::new(&metrics);
    let request = || black_box(&handles).count(black_box(200), black_box(Duration::from_micros(1_234)));
    c.bench_function("metrics/request", |b| b.iter(request));

    // A route that answers with many statuses: the last of 20 is found by walking.
    for status in 200..220 {
        handles.route.answered(&Method::GET, status, Duration::ZERO);
    }
    c.bench_function("metrics/request_20th_status", |b| {
        b.iter(|| handles.count(black_box(219), Duration::ZERO))
    });

    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                handles.count(200, Duration::from_micros(1_234));
            }
        });
        c.bench_function("metrics/request_beside_another_worker", |b| b.iter(request));
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });

    let routes: Vec<_> = (0..50).map(|n| metrics.route(&format!("route-{n}"))).collect();
    for route in &routes {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            (200..206).for_each(|status| route.answered(&method, status, Duration::ZERO));
        }
    }
    handles.upstream.set_endpoints([("127.0.0.1:8000", EndpointState::Healthy)]);
    c.bench_function("metrics/render_50_routes", |b| b.iter(|| metrics.render().len()));
}

fn access_log(c: &mut Criterion) {
    let metrics = Metrics::new("bench", "bench").expect("metrics");
    for (name, format, path) in [
        ("access_log/json", LogFormat::Json, AccessLogPath::Pattern),
        ("access_log/json_full_path", LogFormat::Json, AccessLogPath::Full),
        ("access_log/text", LogFormat::Text, AccessLogPath::Pattern),
    ] {
        let config = AccessLogConfig { format, path, queue: 1_000_000, ..AccessLogConfig::default() };
        let log = AccessLog::from_config(&config, metrics.process().access_log_counters()).expect("enabled");
        let record = record();
        let mut waiting = 0;
        c.bench_function(name, |b| {
            b.iter(|| {
                log.write(black_box(&record));
                waiting += 1;
                // What a flush every 50 ms would see at 80,000 requests a second.
                if waiting == 4_000 {
                    waiting = 0;
                    log.flush_to(&mut io::sink()).expect("a sink takes everything");
                }
            });
        });
        assert_eq!(log.dropped(), 0, "dropping is cheaper than logging");
    }
}

criterion_group!(benches, metrics, access_log);
criterion_main!(benches);
