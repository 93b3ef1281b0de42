//! The trace of a request: begun with it, told to backends, made into spans when it is over.

mod finish;
mod refused;
mod timing;

use std::{sync::Arc, time::Instant};

use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

pub use self::{
    finish::{decide, finish},
    refused::{Refused, unknown_method},
    timing::to_downstream,
};
use super::{
    context::{EndedAttempt, RequestContext},
    inner,
};
use crate::{
    runtime::resources::Resources,
    telemetry::trace::{CacheSteps, RequestTrace, RouteTracing, is_trace_field},
};

/// Finds out which trace a request belongs to.
pub fn begin(request: &RequestHeader, ctx: &mut RequestContext, resources: &Resources) {
    let Some(tracing) = resources.tracing.as_ref().filter(|_| ctx.inner.is_none()) else { return };
    let trusted = is_trusted(ctx);
    ctx.trace = Some(RequestTrace::begin(&tracing.accept, &request.headers, trusted));
}

/// Whether the caller's word on traces is believed.
fn is_trusted(ctx: &RequestContext) -> bool {
    let peer = ctx.client.as_ref().map(|client| client.peer);
    ctx.listener.as_ref().is_some_and(|listener| listener.trace_trust.covers(peer))
}

/// The trace of a request as it is continued by those that the gateway makes for it: sampled
/// as it is itself, whatever their routes say.
pub fn for_inner(ctx: &RequestContext, resources: &Resources) -> Option<RequestTrace> {
    settings(ctx, resources)?;
    ctx.trace.clone()
}

/// What holds for the request: its route's settings, or the common ones where it has no route.
fn settings<'a>(ctx: &'a RequestContext, resources: &'a Resources) -> Option<&'a RouteTracing> {
    let common = resources.tracing.as_ref().map(|tracing| &tracing.common);
    ctx.plan.as_ref().map_or(common, |plan| plan.route.tracing.as_ref())
}

/// Decides whether the trace is sampled, now that the route is known. Whoever asks later is told
/// the same.
pub fn sample(ctx: &mut RequestContext, resources: &Resources) {
    let Some(tracing) = &resources.tracing else { return };
    let Some(threshold) = settings(ctx, resources).map(|settings| settings.threshold) else { return };
    let Some(trace) = &mut ctx.trace else { return };
    if trace.sample(threshold, &tracing.parents, ctx.started_at).is_err() {
        resources.metrics.traces().parent_limited();
    }
}

/// Leaves the trace for the request that Pingora is about to make in the background, to renew
/// the stale response that this one gets.
pub fn hand_over(session: &Session, ctx: &RequestContext, resources: &Resources) {
    if let (Some(tracing), Some(trace), Some(slot)) = (&resources.tracing, &ctx.trace, slot(ctx))
        && session.cache.is_cache_lock_writer()
    {
        tracing.handover.leave(slot, trace);
    }
}

/// Puts a request made in the background below the one it is made for.
pub fn take_over(session: &Session, ctx: &mut RequestContext, resources: &Resources) {
    let Some(tracing) = resources.tracing.as_ref().filter(|_| inner::is_refresh(session, ctx)) else {
        return;
    };
    ctx.revalidation = true;
    if let Some(trace) = slot(ctx).and_then(|slot| tracing.handover.take(slot)) {
        ctx.trace = Some(trace);
    }
}

fn slot(ctx: &RequestContext) -> Option<[u8; 16]> {
    ctx.cache.as_deref()?.slot.map(|slot| slot.0)
}

/// Where the cache is to write down what it does for the request; `None` if nobody will read it.
pub fn cache_steps(ctx: &mut RequestContext, resources: &Resources) -> Option<Arc<CacheSteps>> {
    let told = ctx.trace.is_some() && resources.tracing.as_ref().is_some_and(|it| it.spans.is_some());
    told.then(|| Arc::clone(ctx.cache_steps.get_or_insert_default()))
}

/// Gives an attempt that begins a span of its own.
pub fn attempt(ctx: &mut RequestContext) {
    if let Some(trace) = &mut ctx.trace {
        trace.begin_attempt();
        ctx.attempts.failure = None;
        ctx.attempts.connect = [None; 2];
        ctx.attempts.reused = false;
    }
}

/// Tells the backend which trace the attempt belongs to. What the client wrote of traces goes,
/// in whatever format.
///
/// # Errors
/// If the request would hold more fields than Pingora can.
pub fn to_upstream(upstream: &mut RequestHeader, ctx: &RequestContext, resources: &Resources) -> Result<()> {
    let (Some(trace), Some(settings)) = (&ctx.trace, settings(ctx, resources)) else { return Ok(()) };
    if trace.is_stated() {
        let stale: Vec<_> = upstream.headers.keys().filter(|name| is_trace_field(name)).cloned().collect();
        for name in &stale {
            upstream.remove_header(name);
        }
    }
    trace.tell(&settings.also_send, |name, value| upstream.insert_header(name, value))
}

/// Notes an attempt that has just ended.
pub fn attempted(ctx: &mut RequestContext, now: Instant) {
    let (Some(trace), Some(attempt)) = (&ctx.trace, ctx.attempts.current.attempt()) else { return };
    let attempts = &ctx.attempts;
    let ended = EndedAttempt {
        span: trace.attempt,
        backend: attempt.backend().clone(),
        started: attempt.started(),
        ended: now,
        reused: attempts.reused,
        connect: attempts.connect,
        first_byte: attempts.first_byte,
        status: attempts.status,
        failure: attempts.failure,
    };
    let earlier = ctx.attempts.ended.last.replace(ended);
    ctx.attempts.ended.earlier.extend(earlier);
}
