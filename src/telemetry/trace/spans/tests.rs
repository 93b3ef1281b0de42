use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use http::HeaderMap;

use super::*;
use crate::{
    config::trace::TracingConfig,
    telemetry::{
        reason::UpstreamFailure,
        trace::{MappedBody, RequestTrace},
    },
};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn detail(path: AccessLogPath, spans: SpansConfig) -> Detail {
    Detail { path, spans }
}

fn plain() -> Detail {
    detail(AccessLogPath::Pattern, SpansConfig::default())
}

fn trace() -> RequestTrace {
    RequestTrace::begin(&TracingConfig::default().accept, &HeaderMap::new(), true)
}

fn record(trace: &RequestTrace) -> RequestRecord<'_> {
    let started = Instant::now();
    RequestRecord {
        trace,
        kept: None,
        revalidation: false,
        inner: false,
        started,
        ended: started + Duration::from_millis(5),
        ended_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        method: &Method::GET,
        tls: true,
        host: "api.example:8443",
        path: "/patients/4711",
        query: Some("token=x"),
        pattern: Some("/patients/{id}"),
        route: Some("patients"),
        port: Some(443),
        version: Version::HTTP_2,
        peer: Some(ADDRESS),
        client: None,
        request_id: "r1",
        user_agent: None,
        graphql: None,
        status: Some(200),
        error: None,
        upstream: Some("origin"),
        api_version: None,
        attempts: &[],
        cache: None,
        mapped: &[],
    }
}

fn attempt(started: Instant) -> AttemptRecord<'static> {
    AttemptRecord {
        span: SpanId::random(),
        started,
        ended: started + Duration::from_millis(2),
        backend: "backend.internal:8000",
        address: SocketAddr::new(ADDRESS, 8000),
        reused: false,
        connect: Some(Duration::from_micros(300)),
        handshake: None,
        first_byte: Some(Duration::from_millis(1)),
        status: Some(200),
        failure: None,
    }
}

fn get(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.as_str().into_owned())
}

fn failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

#[test]
fn times_are_those_of_the_wall() {
    let trace = trace();
    let span = plain().spans(&record(&trace)).remove(0);
    assert_eq!(span.end_time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_millis(5));
}

#[test]
fn hosts_ports_and_versions_are_told_apart() {
    let trace = trace();
    let span = plain().spans(&record(&trace)).remove(0);
    let told = |key| get(&span, key).unwrap();
    assert_eq!((told("server.address"), told("server.port")), ("api.example".into(), "8443".into()));
    assert_eq!((told("url.scheme"), told("network.protocol.version")), ("https".into(), "2".into()));
    assert_eq!(split_port("[::1]:80"), ("[::1]", Some(80)));
    assert_eq!(split_port("[::1]"), ("[::1]", None), "no port");
}

#[test]
fn methods_that_nobody_knows_are_not_names() {
    let (trace, method) = (trace(), Method::from_bytes(b"BREW").unwrap());
    let span = plain().spans(&RequestRecord { method: &method, ..record(&trace) }).remove(0);
    assert_eq!(span.name, "HTTP /patients/{id}");
    assert_eq!(get(&span, "http.request.method").unwrap(), "_OTHER");
    assert_eq!(get(&span, "http.request.method_original").unwrap(), "BREW");
}

#[test]
fn neither_path_nor_query_is_told_unless_asked_for() {
    let trace = trace();
    let attempts = [attempt(Instant::now())];
    let record = RequestRecord { attempts: &attempts, ..record(&trace) };
    let shown = format!("{:?}", plain().spans(&record));
    assert!(!shown.contains("4711") && !shown.contains("token"), "{shown}");
    let all = detail(AccessLogPath::Full, SpansConfig { query: true, legacy_names: false });
    let spans = all.spans(&record);
    assert_eq!(get(&spans[0], "url.path").unwrap(), "/patients/4711");
    assert_eq!(get(&spans[0], "url.query").unwrap(), "token=x");
    assert_eq!(get(&spans[1], "url.full").unwrap(), "http://backend.internal:8000/patients/4711?token=x");
    assert_eq!(get(&spans[1], "http.url"), None);
}

#[test]
fn a_server_fails_by_5xx_and_a_client_by_4xx_too() {
    let trace = trace();
    let status = |status| {
        let attempts = [AttemptRecord { status: Some(status), ..attempt(Instant::now()) }];
        let spans =
            plain().spans(&RequestRecord { status: Some(status), attempts: &attempts, ..record(&trace) });
        (failed(&spans[0]), failed(&spans[1]), get(&spans[1], "error.type"))
    };
    assert_eq!(status(200), (false, false, None));
    assert_eq!(status(404), (false, true, Some("404".into())));
    assert_eq!(status(500), (true, true, Some("500".into())));
}

#[test]
fn reasons_come_before_codes_and_a_client_that_left_is_no_failure() {
    let trace = trace();
    let attempts =
        [AttemptRecord { status: None, failure: Some(UpstreamFailure::Timeout), ..attempt(Instant::now()) }];
    let error = Some(ErrorReason::UpstreamTimeout);
    let spans =
        plain().spans(&RequestRecord { status: Some(504), error, attempts: &attempts, ..record(&trace) });
    for span in &spans {
        assert!(failed(span));
        assert_eq!(get(span, "error.type").unwrap(), "upstream_timeout");
    }
    let error = Some(ErrorReason::ClientAbort);
    let span = plain().spans(&RequestRecord { status: None, error, ..record(&trace) }).remove(0);
    assert_eq!((failed(&span), get(&span, "error.type").unwrap().as_str()), (false, "client_abort"));
}

#[test]
fn lookups_waits_and_mappings_are_spans_below_the_request() {
    let trace = trace();
    let started = Instant::now();
    let cache = CacheRecord {
        result: CacheResult::Hit,
        tier: Some(Tier::Redis),
        asked: Some(started),
        lookup: Some(Duration::from_micros(800)),
        waited: Some(Duration::from_millis(2)),
        revalidation: Some(RevalidationResult::Failed),
    };
    let mapped = [MappedBody { response: true, started, took: Duration::from_micros(50) }];
    let spans =
        plain().spans(&RequestRecord { started, cache: Some(cache), mapped: &mapped, ..record(&trace) });
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["GET /patients/{id}", "cache.lookup", "cache.wait", "mapping"]);
    assert_eq!(spans[1].span_kind, SpanKind::Client);
    assert_eq!(get(&spans[1], "db.system.name").unwrap(), "redis");
    assert_eq!(spans[2].start_time, spans[1].end_time);
    assert_eq!(get(&spans[2], "cache.collapsed").unwrap(), "true");
    assert_eq!(get(&spans[3], "nilegate.mapping.body").unwrap(), "response");
    assert_eq!(spans[0].events[0].name, "cache.revalidation");
    for span in &spans[1..] {
        assert_eq!(span.parent_span_id, spans[0].span_context.span_id());
        assert_eq!(span.span_context.trace_id(), spans[0].span_context.trace_id());
    }
}
