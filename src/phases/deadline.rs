//! The waits of a request for its backend.
//!
//! They are kept on the client's side: while Pingora waits for the backend it
//! reads from the client too, and the gate ends the wait by failing that read.
//! Pingora's own timer, one for whatever is waited for and made anew for every
//! read, serves only where there is no gate (clients on HTTP/2: the longer of
//! `first_byte` and `read` counts, and `total` is looked at whenever something
//! arrives) and for backends on HTTP/2.

use std::time::{Duration, Instant};

use pingora_core::{
    protocols::http::ServerSession,
    upstreams::peer::{ALPN, HttpPeer},
};
use pingora_proxy::Session;

use super::{context::RequestContext, rejection::Rejection};
use crate::downstream::{DeadlineHandle, GatedStream};

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

/// Whether the client's side keeps the time of waits for this backend, so that
/// Pingora needs no timer of its own for each read: it would cost thousands of
/// instructions a request.
pub fn is_kept(session: &Session, peer: &HttpPeer) -> bool {
    matches!(peer.options.alpn, ALPN::H1) && gate(session).is_some()
}

/// Begins a wait.
pub fn begin(session: &Session, ctx: &mut RequestContext, wait: Wait, now: Instant) {
    let Some(gate) = gate(session) else { return };
    let total = ctx.plan.as_ref().and_then(|plan| plan.deadline);
    let Some(target) = ctx.target() else { return };
    let length = match wait {
        Wait::FirstByte => target.timeouts.first_byte,
        Wait::NextPiece => target.timeouts.read,
    };
    let deadline = gate.deadline();
    deadline.begin(now, length, total);
    if ctx.attempts.wait.is_none() {
        ctx.attempts.wait = Some(deadline.clone());
    }
}

/// The wait begins anew: the client is still sending what the backend is to answer.
pub fn restart(ctx: &RequestContext) {
    if let Some(wait) = &ctx.attempts.wait {
        wait.restart();
    }
}

/// Nothing is waited for any more.
pub fn end(ctx: &RequestContext) {
    if let Some(wait) = &ctx.attempts.wait {
        wait.end();
    }
}

fn gate(session: &Session) -> Option<&GatedStream> {
    match session.as_downstream() {
        ServerSession::H1(session) => GatedStream::of(session.stream()),
        _ => None,
    }
}

/// The refusal of a request whose current wait has ended without result.
pub fn expired(ctx: &RequestContext) -> Option<Rejection> {
    let now = Instant::now();
    if ctx.plan.as_ref()?.deadline.is_some_and(|deadline| deadline <= now) {
        return Some(Rejection::TotalTimeout);
    }
    ctx.attempts
        .wait
        .as_ref()
        .and_then(DeadlineHandle::ends)
        .is_some_and(|ends| ends <= now)
        .then_some(Rejection::UpstreamTimeout)
}
