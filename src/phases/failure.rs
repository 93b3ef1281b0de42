//! What a failed attempt says of the backend, and whether there is another one.

use std::{sync::Arc, time::Instant};

use http::Method;
use pingora_core::{Error, ErrorSource, ErrorType, RetryType};
use pingora_proxy::Session;

use super::{answer::is_final, context::RequestContext, deadline, rejection::Rejection, upstream::attempted};
use crate::{
    mapping::exchange::Refusal,
    runtime::route::Target,
    telemetry::reason::{TimeoutPhase, UpstreamFailure},
    upstream::{Failure, Outcome, Request, Stage},
};

/// The refusal that an error of Pingora amounts to.
pub fn refusal_of(ctx: &RequestContext, error: &Error) -> Rejection {
    deadline::expired(ctx).unwrap_or_else(|| Rejection::of(error))
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
    if let Some(refusal) = Refusal::of(&error) {
        // The backend has answered, or was never asked.
        tracing::debug!("mapping: {refusal}");
        return Rejection::from(refusal).into_error();
    }
    if matches!(error.etype(), ErrorType::HTTPStatus(_)) {
        // Decided in `responded`, or a refusal of ours: retried only if marked so there.
        return error;
    }
    let is_wait = expired.is_some() || *error.etype() == ErrorType::ReadTimedout;
    if is_wait && (!ctx.attempts.sent || ctx.attempts.is_tunnel()) {
        // The backend could not answer what it had not been sent, and in a tunnel nobody
        // has to say anything: the attempt ends without an outcome.
        return expired.unwrap_or(Rejection::ClientTimeout).into_error();
    }
    let Some(target) = ctx.target().cloned() else { return error };
    let begun = session.response_written().is_some_and(|response| is_final(response.status));
    let stage = match (begun, ctx.attempts.first_byte) {
        (true, _) => Stage::Responding,
        (false, Some(_)) => Stage::Answered,
        (false, None) if is_unprocessed(&error) => Stage::Unprocessed,
        (false, None) => Stage::Sent,
    };
    let maybe_stale = ctx.attempts.reused && matches!(stage, Stage::Sent | Stage::Unprocessed);
    let failure = classify(&error, expired.is_some(), stage, maybe_stale);
    let kind = if failure == UpstreamFailure::Timeout { Failure::Timeout } else { Failure::Reset };
    if failure == UpstreamFailure::Timeout {
        target.metrics.timeout(phase(&error, expired.as_ref(), stage));
    }
    let retry = fail(session, ctx, &target, failure, kind, stage);
    error.set_retry(retry);
    error
}

/// Whether an HTTP/2 backend declares that it has not processed the request, by
/// REFUSED_STREAM or by a GOAWAY without an error (RFC 9113 section 8.7).
///
/// Pingora marks just these. It marks answers that break HTTP/2 as well, under another type.
fn is_unprocessed(error: &Error) -> bool {
    *error.etype() == ErrorType::H2Error && matches!(error.retry, RetryType::Decided(true))
}

fn classify(error: &Error, expired: bool, stage: Stage, maybe_stale: bool) -> UpstreamFailure {
    match error.etype() {
        _ if expired => UpstreamFailure::Timeout,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => UpstreamFailure::Timeout,
        ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H2Error | ErrorType::H2Downgrade
            if stage != Stage::Unprocessed =>
        {
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
    ctx.attempts.failure = Some(failure);
    let now = Instant::now();
    // A kept-alive connection that the backend has closed meanwhile says nothing about it.
    if failure != UpstreamFailure::StaleConnection
        && let Some(attempt) = ctx.attempts.current.begun()
    {
        attempt.observe(Outcome::Failure(kind), now);
    }
    attempted(ctx, now);
    let retry = may_retry(session, ctx, target, stage, kind);
    if retry {
        target.metrics.retry(failure);
    }
    retry
}

/// Whether the policy, the time and the budget allow another attempt.
pub fn may_retry(
    session: &Session,
    ctx: &RequestContext,
    target: &Target,
    stage: Stage,
    kind: Failure,
) -> bool {
    let header = session.req_header();
    // What a mutation does is done once, whatever the method of its call would allow.
    let once = ctx.inner.is_some() && !header.method.is_safe();
    let request = Request {
        method: if once { &Method::POST } else { &header.method },
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
