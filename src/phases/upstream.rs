//! Choosing a backend, recording what became of the attempt, deciding whether to repeat it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType, protocols::Digest, upstreams::peer::HttpPeer};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::{
    context::RequestContext,
    deadline::{self, Wait},
    rejection::Rejection,
};
use crate::{
    runtime::route::Target,
    telemetry::reason::{TimeoutPhase, UpstreamFailure},
    upstream::{Attempt, Failure, Outcome, Request, Stage, Unavailable},
};

/// Chooses the backend of the first attempt, before anything is sent.
///
/// # Errors
/// [`Rejection::CircuitOpen`] or [`Rejection::NoHealthyBackend`].
pub fn prepare(ctx: &mut RequestContext) -> Result<(), Rejection> {
    let attempt = choose(ctx)?;
    ctx.attempts.current = Some(attempt);
    ctx.attempts.prepared = true;
    if let Some(target) = ctx.target() {
        target.retry().deposit(Instant::now());
    }
    Ok(())
}

fn choose(ctx: &RequestContext) -> Result<Attempt, Rejection> {
    let plan = ctx.planned()?;
    let target = plan.target.as_ref().ok_or(Rejection::OutOfOrder)?;
    target.upstream.attempt(plan.hash, &ctx.attempts.tried, Instant::now()).map_err(|why| match why {
        Unavailable::BreakerOpen { .. } => {
            target.metrics.breaker_rejected();
            Rejection::CircuitOpen
        }
        Unavailable::NoBackend => Rejection::NoHealthyBackend,
    })
}

/// The peer of the next attempt.
///
/// # Errors
/// A refusal when no backend is usable or the time is up.
pub fn pick(session: &Session, ctx: &mut RequestContext) -> Result<Box<HttpPeer>, Rejection> {
    let left = deadline::time_left(ctx)?;
    if !std::mem::take(&mut ctx.attempts.prepared) {
        // The attempt before counts as in flight until here.
        ctx.attempts.current = None;
        ctx.attempts.current = Some(choose(ctx)?);
    }
    let target = ctx.target().cloned().ok_or(Rejection::OutOfOrder)?;
    let attempts = &mut ctx.attempts;
    let attempt = attempts.current.as_ref().ok_or(Rejection::OutOfOrder)?;
    let mut peer = attempt.backend().peer(&target.timeouts);
    attempts.tried.add(attempt.backend());
    attempts.count = attempts.count.saturating_add(1);
    attempts.first_byte = None;
    attempts.status = None;
    attempts.in_flight = Some(target.metrics.begin());
    if let Some(left) = left {
        shorten(&mut peer, left);
    }
    deadline::arm(session, ctx, Wait::FirstByte);
    Ok(peer)
}

/// No single wait may be longer than what is left of the whole.
fn shorten(peer: &mut HttpPeer, left: Duration) {
    let options = &mut peer.options;
    let limits =
        [&mut options.read_timeout, &mut options.write_timeout, &mut options.total_connection_timeout];
    for limit in limits {
        *limit = Some(limit.map_or(left, |limit| limit.min(left)));
    }
}

/// A connection to the backend stands.
pub fn connected(ctx: &mut RequestContext, reused: bool, digest: Option<&Digest>) {
    ctx.attempts.reused = reused;
    let Some(target) = ctx.target() else { return };
    if reused {
        target.metrics.reused();
        return;
    }
    // One duration for each layer: TCP, then TLS.
    let layers = digest.into_iter().flat_map(|digest| digest.timing_digest.iter().flatten());
    let took = layers.filter_map(|timing| timing.establishment_duration).sum();
    target.metrics.connected(took);
}

/// The head of the response is there.
///
/// # Errors
/// An error that makes Pingora try again, for a 502 to 504 that is worth another attempt.
pub fn responded(
    session: &Session,
    ctx: &mut RequestContext,
    response: &ResponseHeader,
) -> Result<(), Box<Error>> {
    if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    let Some(target) = ctx.target().cloned() else { return Ok(()) };
    let now = Instant::now();
    let attempts = &mut ctx.attempts;
    attempts.version = Some(response.version);
    attempts.status = Some(response.status.as_u16());
    attempts.first_byte = attempts.current.as_ref().map(|a| now.saturating_duration_since(a.started()));
    let failed = is_gateway_error(response.status);
    let outcome = if failed { Outcome::Failure(Failure::GatewayError) } else { Outcome::Success };
    if let Some(attempt) = &mut attempts.current {
        attempt.observe(outcome, now);
    }
    if failed {
        target.metrics.failure(UpstreamFailure::BadStatus);
        if may_retry(session, ctx, &target, Stage::Answered, Failure::GatewayError) {
            target.metrics.retry(UpstreamFailure::BadStatus);
            attempted(ctx);
            let code = response.status.as_u16();
            let mut error = Error::explain(ErrorType::HTTPStatus(code), "gateway error, trying again");
            error.esource = ErrorSource::Upstream;
            error.set_retry(true);
            return Err(error);
        }
    }
    if response.status == StatusCode::SWITCHING_PROTOCOLS
        && let Some(gate) = deadline::gate(session)
    {
        gate.set_tunnel();
    }
    deadline::arm(session, ctx, Wait::NextPiece);
    Ok(())
}

/// A piece of the response's body is there.
///
/// # Errors
/// [`Rejection::TotalTimeout`] once the request as a whole has taken too long.
pub fn body_arrived(session: &Session, ctx: &mut RequestContext, last: bool) -> Result<(), Rejection> {
    if last {
        deadline::disarm(session, ctx);
        return Ok(());
    }
    deadline::time_left(ctx)?;
    deadline::arm(session, ctx, Wait::NextPiece);
    Ok(())
}

/// The refusal that an error of Pingora amounts to.
pub fn refusal_of(ctx: &RequestContext, error: &Error) -> Rejection {
    deadline::expired(ctx).unwrap_or_else(|| Rejection::of(error))
}

fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// No connection came about: nothing has been sent, so every method may be repeated.
pub fn connect_failed(session: &Session, ctx: &mut RequestContext, mut error: Box<Error>) -> Box<Error> {
    let Some(target) = ctx.target().cloned() else { return error };
    let failure = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => UpstreamFailure::ConnectTimeout,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => {
            UpstreamFailure::TlsFailed
        }
        _ => UpstreamFailure::ConnectFailed,
    };
    if failure == UpstreamFailure::ConnectTimeout {
        target.metrics.timeout(TimeoutPhase::Connect);
    }
    let retry = fail(session, ctx, &target, failure, Failure::Connect, Stage::Connecting);
    error.set_retry(retry);
    error
}

/// An attempt failed after the connection stood.
///
/// This replaces Pingora's own rule, HTTP/2 included: an invalid answer to a
/// POST must not send it twice.
pub fn attempt_failed(session: &Session, ctx: &mut RequestContext, mut error: Box<Error>) -> Box<Error> {
    let expired = deadline::expired(ctx);
    if *error.esource() == ErrorSource::Downstream && expired.is_none() {
        // The client's fault or its leaving: no word against the backend.
        error.set_retry(false);
        return error;
    }
    if matches!(error.etype(), ErrorType::HTTPStatus(_)) {
        // Decided in `responded`, or a refusal of ours: retried only if marked so there.
        return error;
    }
    let Some(target) = ctx.target().cloned() else { return error };
    let begun = session.response_written().is_some_and(|r| !r.status.is_informational());
    let stage = match (begun, ctx.attempts.first_byte) {
        (true, _) => Stage::Responding,
        (false, Some(_)) => Stage::Answered,
        (false, None) => Stage::Sent,
    };
    let failure = classify(&error, expired.is_some(), ctx.attempts.reused && stage == Stage::Sent);
    let kind = if failure == UpstreamFailure::Timeout { Failure::Timeout } else { Failure::Reset };
    if failure == UpstreamFailure::Timeout {
        target.metrics.timeout(phase(&error, expired.as_ref(), stage));
    }
    let retry = fail(session, ctx, &target, failure, kind, stage);
    error.set_retry(retry);
    error
}

fn classify(error: &Error, expired: bool, maybe_stale: bool) -> UpstreamFailure {
    match error.etype() {
        _ if expired => UpstreamFailure::Timeout,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => UpstreamFailure::Timeout,
        ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H2Error | ErrorType::H2Downgrade => {
            UpstreamFailure::BadResponse
        }
        _ if maybe_stale => UpstreamFailure::StaleConnection,
        _ => UpstreamFailure::Reset,
    }
}

fn phase(error: &Error, expired: Option<&Rejection>, stage: Stage) -> TimeoutPhase {
    match (expired, error.etype(), stage) {
        (Some(Rejection::TotalTimeout), ..) => TimeoutPhase::Total,
        (_, ErrorType::WriteTimedout, _) => TimeoutPhase::Write,
        (_, _, Stage::Sent | Stage::Connecting) => TimeoutPhase::FirstByte,
        _ => TimeoutPhase::Read,
    }
}

/// Writes a failed attempt down and decides whether there is another.
fn fail(
    session: &Session,
    ctx: &mut RequestContext,
    target: &Arc<Target>,
    failure: UpstreamFailure,
    kind: Failure,
    stage: Stage,
) -> bool {
    target.metrics.failure(failure);
    // A kept-alive connection that the backend has closed meanwhile says nothing about it.
    if failure != UpstreamFailure::StaleConnection
        && let Some(attempt) = &mut ctx.attempts.current
    {
        attempt.observe(Outcome::Failure(kind), Instant::now());
    }
    attempted(ctx);
    let retry = may_retry(session, ctx, target, stage, kind);
    if retry {
        target.metrics.retry(failure);
    }
    retry
}

fn may_retry(session: &Session, ctx: &RequestContext, target: &Target, stage: Stage, kind: Failure) -> bool {
    let header = session.req_header();
    let request = Request {
        method: &header.method,
        has_idempotency_key: header.headers.contains_key("idempotency-key"),
        body_replayable: !session.as_downstream().retry_buffer_truncated(),
    };
    let policy = target.retry();
    if !policy.may_retry(request, stage, kind, ctx.attempts.count) || deadline::time_left(ctx).is_err() {
        return false;
    }
    let granted = policy.withdraw(Instant::now());
    if !granted {
        target.metrics.retry_budget_exhausted();
    }
    granted
}

/// Counts the attempt that has just ended.
pub fn attempted(ctx: &mut RequestContext) {
    if ctx.attempts.in_flight.take().is_none() {
        return;
    }
    let Some(target) = ctx.target() else { return };
    if let Some(attempt) = &ctx.attempts.current {
        target.metrics.attempted(ctx.attempts.status, attempt.started().elapsed());
    }
}
