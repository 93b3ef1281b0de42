//! The trace of a request: begun with it, told to backends.

use pingora_core::Result;
use pingora_http::RequestHeader;

use super::context::RequestContext;
use crate::{
    runtime::resources::Resources,
    telemetry::trace::{RequestTrace, RouteTracing, is_trace_field},
};

/// Finds out which trace a request belongs to.
pub fn begin(request: &RequestHeader, ctx: &mut RequestContext, resources: &Resources) {
    let Some(tracing) = &resources.tracing else { return };
    let trusted = is_trusted(ctx);
    ctx.trace = Some(RequestTrace::begin(&tracing.accept, &request.headers, trusted));
}

/// Whether the caller's word on traces is believed.
fn is_trusted(ctx: &RequestContext) -> bool {
    let peer = ctx.client.as_ref().map(|client| client.peer);
    ctx.listener.as_ref().is_some_and(|listener| listener.trace_trust.covers(peer))
}

/// What holds for the request: its route's settings, or the common ones where it has no route.
fn settings<'a>(ctx: &'a RequestContext, resources: &'a Resources) -> Option<&'a RouteTracing> {
    let common = resources.tracing.as_ref().map(|tracing| &tracing.common);
    ctx.plan.as_ref().map_or(common, |plan| plan.route.tracing.as_ref())
}

/// Gives an attempt that begins a span of its own.
pub fn attempt(ctx: &mut RequestContext) {
    if let Some(trace) = &mut ctx.trace {
        trace.begin_attempt();
    }
}

/// Tells the backend which trace the attempt belongs to. What the client wrote of traces goes,
/// in whatever format.
///
/// # Errors
/// If the request would hold more fields than Pingora can.
pub fn to_upstream(upstream: &mut RequestHeader, ctx: &RequestContext, resources: &Resources) -> Result<()> {
    let (Some(trace), Some(settings)) = (&ctx.trace, settings(ctx, resources)) else { return Ok(()) };
    let stale: Vec<_> = upstream.headers.keys().filter(|name| is_trace_field(name)).cloned().collect();
    for name in &stale {
        upstream.remove_header(name);
    }
    trace.tell(trace.is_sampled(settings.threshold), &settings.also_send, |name, value| {
        upstream.insert_header(name, value)
    })
}

/// Counts the request by the trace it stated.
pub fn counted(ctx: &RequestContext, resources: &Resources) {
    if let Some(trace) = &ctx.trace {
        resources.metrics.traces().context(trace.format, trace.result);
    }
}
