//! A finished request as spans, if anybody wants them.

use std::time::{Instant, SystemTime};

use http::{HeaderValue, header};

use super::settings;
use crate::{
    phases::{
        context::{EndedAttempt, RequestContext},
        observe::Exchange,
        route,
    },
    runtime::resources::Resources,
    telemetry::{
        reason::ErrorReason,
        trace::{AttemptRecord, CacheRecord, Ending, Kept, RequestRecord, RequestTrace, Spans},
    },
};

/// Counts the request by the trace it stated, and tells its spans if it was sampled or is to be
/// kept.
pub fn finish(
    exchange: &Exchange<'_>,
    error: Option<ErrorReason>,
    ctx: &RequestContext,
    resources: &Resources,
    now: Instant,
) {
    let Some(trace) = &ctx.trace else { return };
    if ctx.inner.is_none() {
        resources.metrics.traces().context(trace.format, trace.result);
    }
    let spans = resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref());
    let (Some(spans), Some(settings)) = (spans, settings(ctx, resources)) else { return };
    if trace.is_sampled(settings.threshold) {
        tell(spans, trace, None, exchange, error, ctx, now);
        return;
    }
    let answered_badly = exchange.status.is_some_and(|status| status >= 500);
    let unanswered =
        exchange.status.is_none() && error.is_some_and(|error| error != ErrorReason::ClientAbort);
    let ending = Ending {
        failed: answered_badly || unanswered,
        attempts: ctx.attempts.count,
        duration: now.saturating_duration_since(ctx.started_at),
    };
    if let Some(kept) = spans.keep.reason(ending, now) {
        tell(spans, trace, Some(kept), exchange, error, ctx, now);
    }
}

fn tell(
    spans: &Spans,
    trace: &RequestTrace,
    kept: Option<Kept>,
    exchange: &Exchange<'_>,
    error: Option<ErrorReason>,
    ctx: &RequestContext,
    now: Instant,
) {
    let request = exchange.request;
    let parts = route::parts(request);
    let (plan, client, version) = (ctx.plan.as_ref(), ctx.client.as_ref(), ctx.version.as_ref());
    let user_agent =
        request.headers.get(header::USER_AGENT).and_then(|value| HeaderValue::to_str(value).ok());
    let operation = ctx.graphql.as_ref().and_then(|graphql| graphql.operation.as_ref());
    let ended = &ctx.attempts.ended;
    let attempts: Vec<_> = ended.earlier.iter().chain(&ended.last).map(attempt).collect();
    let cache = exchange.cache.map(|result| CacheRecord {
        result,
        tier: exchange.lookup.tier,
        asked: ctx.cache_asked,
        lookup: exchange.lookup.took,
        waited: exchange.lookup.waited,
        revalidation: ctx.cache.as_deref().and_then(|cache| cache.revalidation),
    });
    let mapped = ctx.mapped.as_ref().map(|bodies| bodies.list()).unwrap_or_default();
    spans.queue.push(spans.detail.spans(&RequestRecord {
        trace,
        kept,
        revalidation: ctx.revalidation,
        inner: ctx.inner.is_some(),
        started: ctx.started_at,
        ended: now,
        ended_at: SystemTime::now(),
        method: &request.method,
        tls: ctx.is_tls(),
        host: parts.host,
        path: parts.path,
        query: parts.query,
        pattern: plan.map(|plan| plan.pattern.as_str()),
        route: plan.map(|plan| plan.route.name.as_str()),
        port: ctx.listener.as_ref().map(|listener| listener.address.port()),
        version: request.version,
        peer: client.map(|client| client.peer),
        client: client.map(|client| client.address),
        request_id: ctx.id(),
        user_agent,
        status: exchange.status,
        error,
        upstream: ctx.target().map(|target| target.name()),
        graphql: operation.map(|operation| (operation.kind, operation.name.as_deref())),
        api_version: version.map(|version| version.versions.name(version.wish.version)),
        attempts: &attempts,
        cache,
        mapped: &mapped,
    }));
}

fn attempt(ended: &EndedAttempt) -> AttemptRecord<'_> {
    let [connect, handshake] = ended.connect;
    AttemptRecord {
        span: ended.span,
        started: ended.started,
        ended: ended.ended,
        backend: ended.backend.name(),
        address: ended.backend.address(),
        reused: ended.reused,
        connect,
        handshake,
        first_byte: ended.first_byte,
        status: ended.status,
        failure: ended.failure,
    }
}
