//! The waits of a request for its backend.
//!
//! They are kept on the client's side: while Pingora waits for the backend it
//! reads from the client too, and the stream of an HTTP/1 connection, or the body of
//! an HTTP/2 request, ends the wait by failing that read. There it is known whether
//! the backend has the whole request, and whether the client takes what is sent.
//!
//! Pingora's own timer, one for whatever is waited for and made anew for every read,
//! serves only where nothing else does: for HTTP/2 requests without a body (the longer
//! of `first_byte` and `read` counts, and `total` is looked at whenever something
//! arrives), for backends on HTTP/2, and as a last resort during uploads and tunnels.

use std::time::{Duration, Instant};

use pingora_core::upstreams::peer::{ALPN, HttpPeer, Peer};
use pingora_proxy::Session;

use super::{context::RequestContext, rejection::Rejection};
use crate::{downstream::DeadlineHandle, upstream::ResolvedTimeouts};

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The head of the response.
    FirstByte,
    /// The next piece of the response.
    NextPiece,
}

/// Time left before the request's deadline. `None`: it has none.
///
/// # Errors
/// [`Rejection::TotalTimeout`] once it has passed.
pub fn time_left(ctx: &RequestContext) -> Result<Option<Duration>, Rejection> {
    match ctx.planned()?.deadline {
        None => Ok(None),
        Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(Rejection::TotalTimeout),
        },
    }
}

/// How long Pingora's own timer waits for the backend, whatever is waited for: so long
/// that it ends no wait that another limit allows. `None`: it is not needed, and would
/// cost thousands of instructions a request.
pub fn patience(
    session: &mut Session,
    ctx: &RequestContext,
    timeouts: &ResolvedTimeouts,
    peer: &HttpPeer,
) -> Option<Duration> {
    let wait = timeouts.wait();
    if session.is_upgrade_req() {
        return Some(wait.max(timeouts.tunnel));
    }
    if session.is_body_done() {
        let is_kept = ctx.deadline.is_some() && matches!(peer.options.alpn, ALPN::H1);
        return (!is_kept).then_some(wait);
    }
    // To an HTTP/2 backend the timer is not started anew with each piece of the request.
    if peer.get_alpn().is_some_and(|alpn| alpn.get_max_http_version() == 2) {
        return Some(wait.max(timeouts.tunnel));
    }
    Some(wait.max(session.get_read_timeout().unwrap_or_default()))
}

/// Begins a wait. While the backend does not have the whole request, only the request's
/// own deadline counts; a tunnel has a limit of its own, kept by Pingora's timers.
pub fn begin(ctx: &RequestContext, wait: Wait, now: Instant) {
    let (Some(deadline), Some(plan)) = (&ctx.deadline, &ctx.plan) else { return };
    let Some(target) = &plan.target else { return };
    if ctx.attempts.is_tunnel() {
        return deadline.end();
    }
    let length = match wait {
        Wait::FirstByte => target.timeouts.first_byte,
        Wait::NextPiece => target.timeouts.read,
    };
    match plan.deadline {
        total if ctx.attempts.sent => deadline.begin(now, length, total),
        Some(total) => deadline.begin(now, total.saturating_duration_since(now), Some(total)),
        None => deadline.end(),
    }
}

/// The wait begins anew.
pub fn restart(ctx: &RequestContext) {
    if let Some(deadline) = &ctx.deadline {
        deadline.restart();
    }
}

/// Nothing is waited for any more.
pub fn end(ctx: &RequestContext) {
    if let Some(deadline) = &ctx.deadline {
        deadline.end();
    }
}

/// The refusal of a request whose current wait has ended without result.
pub fn expired(ctx: &RequestContext) -> Option<Rejection> {
    let total = ctx.plan.as_ref()?.deadline.filter(|_| !ctx.attempts.is_tunnel());
    if total.is_some_and(|deadline| deadline <= Instant::now()) {
        return Some(Rejection::TotalTimeout);
    }
    let passed = ctx.deadline.as_ref().is_some_and(DeadlineHandle::has_passed);
    passed.then_some(Rejection::UpstreamTimeout)
}
