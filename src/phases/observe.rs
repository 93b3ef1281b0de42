//! The one place where a finished request becomes metrics and an access log line.

use std::time::{Duration, Instant, SystemTime};

use pingora_core::Error;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::cache;
use super::{
    context::{Current, RequestContext},
    failure,
    rejection::Rejection,
    trace, upstream,
};
use crate::{
    auth::Identity,
    downstream::GatedStream,
    runtime::resources::Resources,
    telemetry::{
        access_log::{AccessLog, AccessRecord},
        cache::{CacheResult, Tier},
        label::{MethodLabel, Protocol, TlsVersion},
        metrics::Filter,
        reason::{AbortPhase, BadRequestReason, CloseReason, ErrorReason},
        recent::RecentError,
    },
};

/// What is known of an exchange when it is over, whoever carried it out.
pub struct Exchange<'a> {
    /// The request.
    pub request: &'a RequestHeader,
    /// The status the client got; `None`: it left before.
    pub status: Option<u16>,
    /// The TLS version of the connection, as rustls spells it.
    pub tls_version: Option<&'a str>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// What the cache did, on routes that have one.
    pub cache: Option<CacheResult>,
    /// How that was found out.
    pub lookup: cache::Lookup,
}

/// Writes down what became of a request that went through Pingora.
pub fn close(session: &mut Session, error: Option<&Error>, ctx: &mut RequestContext, resources: &Resources) {
    // An error after the refusal was answered changes nothing about the cause.
    let reason = ctx.rejection.as_ref().map(Rejection::reason);
    let reason = reason.or_else(|| error.map(|error| failure::refusal_of(ctx, error).reason()));
    let status = session.response_written().map(|response| response.status.as_u16());
    if reason == Some(ErrorReason::ClientAbort) {
        let phase = abort_phase(session, status);
        let unmatched = resources.metrics.unmatched();
        ctx.plan.as_ref().map_or(unmatched, |plan| &plan.route.metrics).client_abort(phase);
    }
    if let Some(reason) = close_reason(session, ctx, reason)
        && let Some(gate) = GatedStream::behind(session.as_downstream())
    {
        gate.handle().set_close_reason(reason);
    }
    trace::decide(status, reason, ctx, resources, Instant::now());
    cache::close(session, ctx, resources);
    let exchange = Exchange {
        status,
        tls_version: session.digest().and_then(|digest| Some(&*digest.ssl_digest.as_ref()?.version)),
        bytes_in: session.body_bytes_read() as u64,
        bytes_out: session.body_bytes_sent() as u64,
        cache: cache::result(session, ctx),
        lookup: cache::lookup(session),
        request: session.req_header(),
    };
    finish(&exchange, reason, ctx, resources);
}

/// Writes down what became of a request.
pub fn finish(
    exchange: &Exchange<'_>,
    error: Option<ErrorReason>,
    ctx: &mut RequestContext,
    resources: &Resources,
) {
    // Others may wait for the place at the backends.
    ctx.attempts.permit = None;
    let now = Instant::now();
    let duration = now.saturating_duration_since(ctx.started_at);
    upstream::attempted(ctx, now);
    ctx.attempts.connection = None;
    trace::decide(exchange.status, error, ctx, resources, now);
    let unmatched = resources.metrics.unmatched();
    let metrics = ctx.plan.as_ref().map_or(unmatched, |plan| &plan.route.metrics);
    // 499 is nginx's: the client left before it got an answer.
    let status = exchange.status.unwrap_or(499);
    metrics.answered_in(&exchange.request.method, status, duration, ctx.told_trace());
    metrics.sizes(exchange.bytes_in, exchange.bytes_out);
    if let Some(status) = ctx.grpc {
        metrics.grpc(status);
    }
    if let Some(first_byte) = ctx.attempts.first_byte {
        metrics.first_byte(first_byte);
    }
    if let Some(reason) = error {
        metrics.error(reason);
    }
    // What the gateway asks itself came through no listener.
    if let Some(listener) = ctx.listener.as_ref().filter(|_| ctx.inner.is_none()) {
        listener.metrics.request(Protocol::from(exchange.request.version));
        listener.metrics.bytes(exchange.bytes_in, exchange.bytes_out);
        match &ctx.rejection {
            Some(Rejection::BadRequest(reason)) => listener.metrics.bad_request(*reason),
            Some(Rejection::BodyTooLarge) => listener.metrics.bad_request(BadRequestReason::BodyTooLarge),
            _ => {}
        }
    }
    if let Some(bodies) = &ctx.mapped {
        let filters = resources.metrics.filters();
        bodies.list().iter().for_each(|body| filters.took(Filter::Mapping, body.took));
    }
    if error != Some(ErrorReason::ClientAbort) && exchange.status.is_none_or(|status| status >= 500) {
        resources.recent_errors.keep(|| failed(exchange, error, ctx, duration));
    }
    trace::finish(exchange, error, ctx, resources, now);
    if let Some(log) = &resources.access_log {
        write(log, exchange, ctx, duration, error);
    }
    // Dropped here and not with the session, which a kept-alive connection holds longer.
    ctx.attempts.current = Current::None;
    ctx.stream = None;
    ctx.tunnel = None;
    ctx.plan = None;
}

/// What is told of a request that failed.
fn failed(
    exchange: &Exchange<'_>,
    error: Option<ErrorReason>,
    ctx: &RequestContext,
    duration: Duration,
) -> RecentError {
    let (plan, attempts) = (ctx.plan.as_ref(), &ctx.attempts);
    RecentError {
        time: SystemTime::now(),
        status: exchange.status,
        reason: error,
        detail: ctx.rejection.as_ref().map(Rejection::code),
        method: MethodLabel::from(&exchange.request.method).as_str(),
        pattern: plan.map(|plan| plan.pattern.clone()),
        route: plan.map(|plan| plan.route.name.clone()),
        upstream: ctx.target().map(|target| target.name().to_owned()),
        backend: attempts.current.attempt().map(|attempt| attempt.backend().name().to_owned()),
        attempts: attempts.count,
        duration,
        request_id: ctx.id().to_owned(),
        trace_id: ctx.trace.as_ref().map(|trace| trace.trace.hex().as_str().to_owned()),
    }
}

/// Why the connection will not see another request, where the request shows it.
fn close_reason(session: &Session, ctx: &RequestContext, error: Option<ErrorReason>) -> Option<CloseReason> {
    let http1 = session.as_downstream().as_http1()?;
    if error == Some(ErrorReason::ClientAbort) {
        return Some(CloseReason::Reset);
    }
    if http1.will_keepalive() {
        return None;
    }
    if ctx.rejection == Some(Rejection::BadRequest(BadRequestReason::InvalidChunk)) {
        return Some(CloseReason::ProtocolError);
    }
    asked_to_close(session.req_header()).then_some(CloseReason::Client)
}

/// Whether the client wants the connection closed after its request (RFC 9112 section 9.3).
fn asked_to_close(request: &RequestHeader) -> bool {
    let fields = request.headers.get_all(http::header::CONNECTION).iter();
    let mut options =
        fields.flat_map(|field| field.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    match request.version {
        http::Version::HTTP_11 => options.any(|option| option.eq_ignore_ascii_case(b"close")),
        _ => !options.any(|option| option.eq_ignore_ascii_case(b"keep-alive")),
    }
}

fn abort_phase(session: &mut Session, status: Option<u16>) -> AbortPhase {
    match status {
        Some(_) => AbortPhase::ResponseBody,
        None if session.is_body_done() => AbortPhase::Waiting,
        None => AbortPhase::RequestBody,
    }
}

fn write(
    log: &AccessLog,
    exchange: &Exchange<'_>,
    ctx: &RequestContext,
    duration: Duration,
    error: Option<ErrorReason>,
) {
    let request = exchange.request;
    let header = |name: http::HeaderName| request.headers.get(name).map(http::HeaderValue::as_bytes);
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let plan = ctx.plan.as_ref();
    let attempts = &ctx.attempts;
    let version = ctx.version.as_ref();
    let operation = ctx.graphql.as_ref().and_then(|graphql| graphql.operation.as_ref());
    let ids = ctx.trace.as_ref().map(|trace| (trace.trace.hex(), trace.span.hex()));
    log.write(&AccessRecord {
        time: SystemTime::now(),
        request_id: ctx.id(),
        trace_id: ids.as_ref().map(|(trace, _)| trace.as_bytes()),
        span_id: ids.as_ref().map(|(_, span)| span.as_bytes()),
        client: ctx.client.as_ref().map(|client| client.address),
        listener: ctx.listener.as_ref().map_or("", |listener| &listener.name),
        protocol: Protocol::from(request.version),
        tls_version: exchange.tls_version.map(|version| TlsVersion::named(version).as_str()),
        method: request.method.as_str(),
        host: authority.or_else(|| header(http::header::HOST)).unwrap_or_default(),
        path: request.uri.path().as_bytes(),
        pattern: plan.map(|plan| plan.pattern.as_str()),
        route: plan.map(|plan| plan.route.name.as_str()),
        status: exchange.status,
        bytes_in: exchange.bytes_in,
        bytes_out: exchange.bytes_out,
        duration,
        upstream: ctx.target().map(|target| target.name()),
        backend: attempts.current.attempt().map(|attempt| attempt.backend().name()),
        attempts: attempts.count.into(),
        upstream_first_byte: attempts.first_byte,
        upstream_reused: (attempts.count > 0).then_some(attempts.reused),
        error,
        detail: ctx.rejection.as_ref().map(Rejection::code),
        cache: exchange.cache.map(CacheResult::as_str),
        cache_tier: exchange.lookup.tier.map(Tier::as_str),
        api_version: version.map(|version| version.versions.name(version.wish.version)),
        api_version_source: version.map(|version| version.wish.origin.as_str()),
        internal: ctx.inner.is_some(),
        graphql: operation.map(|operation| operation.kind),
        graphql_operation: operation.and_then(|operation| operation.name.as_deref()),
        identity: ctx.identity.as_deref().map(Identity::tag),
        user_agent: header(http::header::USER_AGENT),
    });
}
