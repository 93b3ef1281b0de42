//! A finished request as spans, if anybody wants them.

use std::time::{Instant, SystemTime};

use http::{HeaderValue, header};

use super::settings;
use crate::{
    phases::{
        context::{EndedAttempt, RequestContext, Telling},
        observe::Exchange,
        route,
    },
    runtime::resources::Resources,
    telemetry::{
        reason::ErrorReason,
        trace::{AttemptRecord, CacheRecord, Ending, KeepRule, Kept, RequestRecord, RequestTrace, Spans},
    },
};

/// Finds out whether the spans of a request that is over are told: it was sampled, or it is worth
/// keeping.
pub fn decide(
    status: Option<u16>,
    error: Option<ErrorReason>,
    ctx: &mut RequestContext,
    resources: &Resources,
    now: Instant,
) {
    if ctx.telling.is_some() {
        return;
    }
    super::sample(ctx, resources);
    let spans = resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref());
    let (Some(trace), Some(spans), Some(settings)) = (&ctx.trace, spans, settings(ctx, resources)) else {
        return;
    };
    let unanswered = status.is_none() && error.is_some_and(|error| error != ErrorReason::ClientAbort);
    let ending = || Ending {
        failed: status.is_some_and(|status| status >= 500) || unanswered,
        attempts: ctx.attempts.count,
        duration: now.saturating_duration_since(ctx.started_at),
    };
    ctx.telling = Some(telling(trace, spans, settings.keep, ending, now));
}

/// Whether spans are told: of what was sampled, and of what is worth keeping by how it ended.
pub(super) fn telling(
    trace: &RequestTrace,
    spans: &Spans,
    keep: KeepRule,
    ending: impl FnOnce() -> Ending,
    now: Instant,
) -> Telling {
    match trace.is_sampled() {
        true => Telling::Sampled,
        false => spans.keep.reason(keep, ending(), now).map_or(Telling::No, Telling::Kept),
    }
}

/// Counts the request by the trace it stated, and tells its spans if that was decided.
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
    let Some(spans) = resources.tracing.as_ref().and_then(|tracing| tracing.spans.as_ref()) else { return };
    if let Some(telling) = ctx.telling.filter(|telling| telling.told()) {
        tell(spans, trace, telling.kept(), exchange, error, ctx, now);
    }
}

/// Puts the spans of a request into the queue.
pub(super) fn push(spans: &Spans, record: &RequestRecord<'_>) {
    spans.queue.push(spans.detail.spans(record));
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
    let steps = ctx.cache_steps.as_ref().map(|steps| steps.list()).unwrap_or_default();
    let cache = exchange.cache.map(|result| CacheRecord {
        result,
        tier: exchange.lookup.tier,
        steps: &steps,
        waited: exchange.lookup.waited,
        revalidation: ctx.cache.as_deref().and_then(|cache| cache.revalidation),
    });
    let mapped = ctx.mapped.as_ref().map(|bodies| bodies.list()).unwrap_or_default();
    push(
        spans,
        &RequestRecord {
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
        },
    );
}

fn attempt(ended: &EndedAttempt) -> AttemptRecord<'_> {
    let [connect, handshake] = ended.connect;
    AttemptRecord {
        span: ended.span,
        started: ended.started,
        ended: ended.ended,
        backend: ended.backend.name(),
        address: ended.backend.address(),
        tls: ended.backend.is_tls(),
        reused: ended.reused,
        connect,
        handshake,
        first_byte: ended.first_byte,
        status: ended.status,
        failure: ended.failure,
    }
}
