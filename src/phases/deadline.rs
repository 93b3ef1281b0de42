//! The waits of a request that Pingora's own timers do not tell apart.
//!
//! Pingora waits for a backend with one timer, whatever it waits for. Where a
//! route sets `first_byte` and `read` apart, or a `total`, the shorter wait is
//! kept on the client's side: the gate ends it by failing its read. Over
//! HTTP/2 there is no gate, so there the longer of the two counts, and `total`
//! is looked at whenever something arrives.

use std::time::{Duration, Instant};

use pingora_core::protocols::http::ServerSession;
use pingora_proxy::Session;

use super::{context::RequestContext, rejection::Rejection};
use crate::{
    downstream::{GateHandle, GatedStream},
    runtime::route::Target,
};

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

/// Begins a wait, if Pingora's timer alone would not end it in time.
pub fn arm(session: &Session, ctx: &mut RequestContext, wait: Wait) {
    let total = ctx.plan.as_ref().and_then(|plan| plan.deadline);
    let own = ctx.target().and_then(|target| limit(target, wait)).map(|limit| Instant::now() + limit);
    let ends = own.into_iter().chain(total).min();
    if ends == ctx.attempts.wait_ends {
        return;
    }
    ctx.attempts.wait_ends = ends;
    if let Some(gate) = gate(session) {
        gate.set_deadline(ends);
    }
}

/// The wait's own limit where it is shorter than Pingora's timer.
fn limit(target: &Target, wait: Wait) -> Option<Duration> {
    let timeouts = &target.timeouts;
    let (own, other) = match wait {
        Wait::FirstByte => (timeouts.first_byte, timeouts.read),
        Wait::NextPiece => (timeouts.read, timeouts.first_byte),
    };
    (own < other).then_some(own)
}

/// The gate of an HTTP/1 connection.
pub fn gate(session: &Session) -> Option<&GateHandle> {
    match session.as_downstream() {
        ServerSession::H1(session) => GatedStream::of(session.stream()).map(GatedStream::handle),
        _ => None,
    }
}

/// The response is complete: nothing is waited for any more.
pub fn disarm(session: &Session, ctx: &mut RequestContext) {
    if ctx.attempts.wait_ends.take().is_some()
        && let Some(gate) = gate(session)
    {
        gate.set_deadline(None);
    }
}

/// The refusal of a request whose current wait has ended without result.
pub fn expired(ctx: &RequestContext) -> Option<Rejection> {
    let now = Instant::now();
    if ctx.plan.as_ref()?.deadline.is_some_and(|deadline| deadline <= now) {
        return Some(Rejection::TotalTimeout);
    }
    ctx.attempts.wait_ends.is_some_and(|ends| ends <= now).then_some(Rejection::UpstreamTimeout)
}
