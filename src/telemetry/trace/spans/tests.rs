use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::SystemTime,
};

use http::HeaderMap;
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{Span, span},
};

use super::*;
use crate::{
    config::trace::TracingConfig,
    telemetry::{
        cache::RevalidationResult,
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
        tls: false,
        reused: false,
        connect: Some(Duration::from_micros(300)),
        handshake: None,
        first_byte: Some(Duration::from_millis(1)),
        status: Some(200),
        failure: None,
    }
}

/// The spans as a collector reads them.
fn told(detail: &Detail, record: &RequestRecord<'_>) -> Vec<Span> {
    detail.spans(record).into_iter().map(Span::from).collect()
}

fn get(span: &Span, key: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key == key)?;
    Some(match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => panic!("{other:?}"),
    })
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

#[test]
fn times_are_those_of_the_wall() {
    let trace = trace();
    let span = told(&plain(), &record(&trace)).remove(0);
    assert_eq!(span.end_time_unix_nano, 1_000_000_000_000);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 5_000_000);
}

#[test]
fn hosts_ports_and_versions_are_told_apart() {
    let trace = trace();
    let span = told(&plain(), &record(&trace)).remove(0);
    let told = |key| get(&span, key).unwrap();
    assert_eq!((told("server.address"), told("server.port")), ("api.example".into(), "8443".into()));
    assert_eq!((told("url.scheme"), told("network.protocol.version")), ("https".into(), "2".into()));
    assert_eq!(split_port("[::1]:80"), ("[::1]", Some(80)));
    assert_eq!(split_port("[::1]"), ("[::1]", None), "no port");
}

#[test]
fn methods_that_nobody_knows_are_not_names() {
    let (trace, method) = (trace(), Method::from_bytes(b"BREW").unwrap());
    let span = told(&plain(), &RequestRecord { method: &method, ..record(&trace) }).remove(0);
    assert_eq!(span.name, "HTTP /patients/{id}");
    assert_eq!(get(&span, "http.request.method").unwrap(), "_OTHER");
    assert_eq!(get(&span, "http.request.method_original").unwrap(), "BREW");
}

#[test]
fn neither_path_nor_query_is_told_unless_asked_for() {
    let trace = trace();
    let attempts = [attempt(Instant::now())];
    let record = RequestRecord { attempts: &attempts, ..record(&trace) };
    let shown = format!("{:?}", told(&plain(), &record));
    assert!(!shown.contains("4711") && !shown.contains("token"), "{shown}");
    let all = detail(AccessLogPath::Full, SpansConfig { query: true, legacy_names: false });
    let spans = told(&all, &record);
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
            told(&plain(), &RequestRecord { status: Some(status), attempts: &attempts, ..record(&trace) });
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
        told(&plain(), &RequestRecord { status: Some(504), error, attempts: &attempts, ..record(&trace) });
    for span in &spans {
        assert!(failed(span));
        assert_eq!(get(span, "error.type").unwrap(), "upstream_timeout");
    }
    let error = Some(ErrorReason::ClientAbort);
    let span = told(&plain(), &RequestRecord { status: None, error, ..record(&trace) }).remove(0);
    assert_eq!((failed(&span), get(&span, "error.type").unwrap().as_str()), (false, "client_abort"));
}

#[test]
fn the_scheme_is_that_of_the_backend_also_where_no_handshake_was_needed() {
    let trace = trace();
    let attempts = [AttemptRecord { tls: true, reused: true, ..attempt(Instant::now()) }];
    let spans = told(&plain(), &RequestRecord { tls: false, attempts: &attempts, ..record(&trace) });
    assert_eq!(get(&spans[0], "url.scheme").unwrap(), "http");
    assert_eq!(get(&spans[1], "url.scheme").unwrap(), "https");
    assert_eq!(get(&spans[1], "url.full").unwrap(), "https://backend.internal:8000/patients/{id}");
}

fn step(what: Step, started: Instant, micros: u64) -> CacheStep {
    CacheStep { what, started, took: Duration::from_micros(micros) }
}

#[test]
fn each_tier_the_wait_and_mappings_are_spans_below_the_request() {
    let trace = trace();
    let started = Instant::now();
    let at = |millis| started + Duration::from_millis(millis);
    let steps = [
        step(Step::Lookup(Tier::Memory, LookupResult::Miss), at(0), 2),
        step(Step::Lookup(Tier::Redis, LookupResult::Failed), at(0), 800),
        step(Step::Lease, at(1), 100),
        // Waited for another request here.
        step(Step::Lookup(Tier::Memory, LookupResult::Hit), at(4), 3),
    ];
    let cache = CacheRecord {
        result: CacheResult::Hit,
        tier: Some(Tier::Memory),
        steps: &steps,
        waited: Some(Duration::from_micros(2_900)),
        revalidation: Some(RevalidationResult::Failed),
    };
    let mapped = [MappedBody { response: true, started, took: Duration::from_micros(50) }];
    let spans = told(
        &plain(),
        &RequestRecord { started, ended: at(9), cache: Some(cache), mapped: &mapped, ..record(&trace) },
    );
    let told: Vec<_> = spans
        .iter()
        .map(|span| (span.name.as_str(), get(span, "cache.tier"), get(span, "cache.result")))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ("GET /patients/{id}", None, None),
            ("cache.lookup", some("memory"), some("miss")),
            ("cache.lookup", some("redis"), some("failed")),
            ("cache.lease", None, None),
            ("cache.lookup", some("memory"), some("hit")),
            ("cache.wait", None, None),
            ("mapping", None, None),
        ]
    );
    assert_eq!(spans[1].kind(), span::SpanKind::Internal);
    assert_eq!((spans[2].kind(), failed(&spans[2])), (span::SpanKind::Client, true));
    assert_eq!(get(&spans[2], "db.system.name").unwrap(), "redis");
    assert_eq!(get(&spans[3], "db.operation.name").unwrap(), "EVAL");
    assert_eq!(spans[5].start_time_unix_nano, spans[3].end_time_unix_nano, "after the first lookups");
    assert_eq!(get(&spans[5], "cache.collapsed").unwrap(), "true");
    assert_eq!(get(&spans[6], "nilegate.mapping.body").unwrap(), "response");
    assert_eq!(get(&spans[0], "nilegate.cache.tier").unwrap(), "memory");
    let events: Vec<_> = spans[0].events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["cache.revalidation"], "lookups that are spans are no events");
    for span in &spans[1..] {
        assert_eq!((&span.parent_span_id, &span.trace_id), (&spans[0].span_id, &spans[0].trace_id));
    }
}

#[test]
fn what_memory_had_ready_is_an_event() {
    let trace = trace();
    let cache = CacheRecord {
        result: CacheResult::Hit,
        tier: Some(Tier::Memory),
        steps: &[],
        waited: None,
        revalidation: None,
    };
    let spans = told(&plain(), &RequestRecord { cache: Some(cache), ..record(&trace) });
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].events[0].name, "cache.lookup");
}

#[test]
fn addresses_fit_on_the_stack() {
    assert_eq!(Short::of(std::net::Ipv6Addr::from([0xffff; 8])).as_str().len(), 39);
    assert_eq!(Short::of(504).as_str(), "504");
    for ip in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "2001:db8::1"] {
        assert_eq!(Short::of_ip(ip.parse().unwrap()).as_str(), ip);
    }
    assert_eq!(Short::of("x".repeat(60)).as_str(), "", "cut off as a whole");
}
