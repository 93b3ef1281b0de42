//! Choosing a backend, and following the attempt from the request to the response.

mod connections;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode};
use pingora_core::{Error, ErrorSource, ErrorType, protocols::Digest, upstreams::peer::HttpPeer};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::{
    answer::is_final,
    context::{Current, RequestContext},
    deadline::{self, Wait},
    failure, mapping,
    rejection::Rejection,
    trace,
};
use crate::{
    downstream::GatedStream,
    runtime::route::Target,
    telemetry::{label::GrpcStatus, reason::UpstreamFailure},
    upstream::{Attempt, Failure, Outcome, Stage, Unavailable},
};

/// Waits for the leave to go to the upstream, and chooses the backend of the first attempt,
/// before anything is sent.
///
/// # Errors
/// [`Rejection::Overloaded`], [`Rejection::CircuitOpen`] or [`Rejection::NoHealthyBackend`].
pub async fn prepare(ctx: &mut RequestContext) -> Result<(), Rejection> {
    let target = Arc::clone(ctx.target().ok_or(Rejection::OutOfOrder)?);
    if target.upstream.concurrency().is_some() {
        // Boxed: few upstreams have a limit, and every request would carry the future.
        Box::pin(admit(&target, ctx)).await?;
    }
    let now = Instant::now();
    let attempt = choose(ctx, now)?;
    ctx.attempts.current = Current::Chosen(attempt);
    target.retry().deposit(now);
    Ok(())
}

/// Waits for the leave to go to the upstream. It is held until the request is over.
async fn admit(target: &Target, ctx: &mut RequestContext) -> Result<(), Rejection> {
    let left = deadline::time_left(ctx)?;
    let began = Instant::now();
    match target.upstream.admit(left).await {
        Ok(permit) => {
            target.metrics.queue_waited(began.elapsed());
            ctx.attempts.permit = permit;
            Ok(())
        }
        Err(reason) => {
            target.metrics.shed(reason);
            ctx.attempts.is_shed = true;
            Err(Rejection::Overloaded)
        }
    }
}

fn choose(ctx: &RequestContext, now: Instant) -> Result<Attempt, Rejection> {
    let plan = ctx.planned()?;
    let target = plan.target.as_ref().ok_or(Rejection::OutOfOrder)?;
    target.upstream.attempt(plan.hash, &ctx.attempts.tried, now).map_err(|why| match why {
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
pub fn pick(session: &mut Session, ctx: &mut RequestContext) -> Result<Box<HttpPeer>, Rejection> {
    if ctx.attempts.is_shed {
        // There is a stale response, which Pingora serves when no peer can be picked.
        return Err(Rejection::Overloaded);
    }
    let left = deadline::time_left(ctx)?;
    let target = ctx.target().cloned().ok_or(Rejection::OutOfOrder)?;
    let attempt = match std::mem::take(&mut ctx.attempts.current) {
        Current::Chosen(attempt) => attempt,
        before => {
            if let Some(before) = before.attempt() {
                ctx.attempts.tried.add(before.backend());
            }
            // The attempt before counts as in flight until here.
            drop(before);
            choose(ctx, Instant::now())?
        }
    };
    let mut peer = attempt.backend().peer(&target.timeouts);
    peer.options.read_timeout = deadline::patience(session, ctx, &target.timeouts, &peer);
    // A repeated attempt gets the body from its beginning.
    ctx.body_received = 0;
    let attempts = &mut ctx.attempts;
    attempts.count = attempts.count.saturating_add(1);
    attempts.first_byte = None;
    attempts.status = None;
    attempts.sent = false;
    attempts.current = Current::Begun(attempt);
    attempts.in_flight = Some(target.metrics.begin());
    attempts.connection = None;
    peer.options.tracer = Some(connections::counted(target.metrics.connections().counter()));
    trace::attempt(ctx);
    if let Some(left) = left {
        shorten(&mut peer, left, session.is_upgrade_req());
    }
    mapping::direct(&mut peer, ctx);
    // Connecting has a limit of its own.
    deadline::end(ctx);
    Ok(peer)
}

/// No single wait may be longer than what is left of the whole. A tunnel is no part of it.
fn shorten(peer: &mut HttpPeer, left: Duration, may_be_tunnel: bool) {
    let options = &mut peer.options;
    let read = if may_be_tunnel { None } else { options.read_timeout.as_mut() };
    let others = [&mut options.write_timeout, &mut options.total_connection_timeout];
    for limit in others.into_iter().flatten().chain(read) {
        *limit = left.min(*limit);
    }
}

/// The head of the request is about to be handed over.
pub fn begun(ctx: &mut RequestContext, has_no_body: bool) {
    if has_no_body {
        sent(ctx);
    } else {
        deadline::begin(ctx, Wait::FirstByte, Instant::now());
    }
}

/// The whole request has been handed over: from now on the backend is waited for.
pub fn sent(ctx: &mut RequestContext) {
    if std::mem::replace(&mut ctx.attempts.sent, true) {
        return;
    }
    let wait = if ctx.attempts.first_byte.is_none() { Wait::FirstByte } else { Wait::NextPiece };
    deadline::begin(ctx, wait, Instant::now());
}

/// A connection to the backend stands.
pub fn connected(ctx: &mut RequestContext, reused: bool, digest: Option<&Digest>) {
    ctx.attempts.reused = reused;
    let Some(target) = ctx.target().cloned() else { return };
    ctx.attempts.connection = Some(target.metrics.connections().hold());
    if reused {
        target.metrics.reused();
        return;
    }
    // One duration for each layer: TCP, then TLS.
    let layers = digest.into_iter().flat_map(|digest| digest.timing_digest.iter().flatten());
    let mut layers = layers.map(|timing| timing.establishment_duration);
    let connect = [layers.next().flatten(), layers.next().flatten()];
    target.metrics.connected(connect.into_iter().chain(layers).flatten().sum());
    if let Some(handshake) = connect[1] {
        target.metrics.handshake(handshake);
    }
    ctx.attempts.connect = connect;
}

/// The head of the response is there.
///
/// # Errors
/// An error that makes Pingora try again, for a 502 to 504 that is worth another attempt.
/// One that ends the request, for a switch of protocols that nobody has asked for.
pub fn responded(
    session: &mut Session,
    ctx: &mut RequestContext,
    response: &ResponseHeader,
) -> Result<(), Box<Error>> {
    if !is_final(response.status) {
        deadline::restart(ctx);
        return Ok(());
    }
    let Some(target) = ctx.target().cloned() else { return Ok(()) };
    let now = Instant::now();
    let attempts = &mut ctx.attempts;
    attempts.version = Some(response.version);
    attempts.status = Some(response.status.as_u16());
    attempts.first_byte = attempts.current.attempt().map(|a| now.saturating_duration_since(a.started()));
    if let Some(first_byte) = attempts.first_byte {
        target.metrics.first_byte(first_byte);
    }
    if is_grpc(response) {
        ctx.grpc = Some(grpc_status(&response.headers).unwrap_or(GrpcStatus::Other));
    }
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        if !session.is_upgrade_req() {
            // RFC 9110 section 15.2.2: the client would take what follows for the answer.
            let error = Error::explain(ErrorType::InvalidHTTPHeader, "101 without a request for it");
            return Err(error.into_up());
        }
        session.set_read_timeout(Some(target.timeouts.tunnel));
        ctx.tunnel = ctx.plan.as_ref().map(|plan| plan.route.metrics.tunnel());
        if let Some(gate) = GatedStream::behind(session.as_downstream()) {
            gate.handle().set_tunnel();
        }
    }
    let failed = is_gateway_error(response.status);
    let outcome = if failed { Outcome::Failure(Failure::GatewayError) } else { Outcome::Success };
    if let Some(attempt) = attempts.current.begun() {
        attempt.observe(outcome, now);
    }
    if failed {
        attempts.failure = Some(UpstreamFailure::BadStatus);
        target.metrics.failure(UpstreamFailure::BadStatus);
        if failure::may_retry(session, ctx, &target, Stage::Answered, Failure::GatewayError) {
            target.metrics.retry(UpstreamFailure::BadStatus);
            attempted(ctx, now);
            let code = response.status.as_u16();
            let mut error = Error::explain(ErrorType::HTTPStatus(code), "gateway error, trying again");
            error.esource = ErrorSource::Upstream;
            error.set_retry(true);
            return Err(error);
        }
    }
    deadline::begin(ctx, Wait::NextPiece, now);
    Ok(())
}

fn is_grpc(response: &ResponseHeader) -> bool {
    let kind = response.headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn grpc_status(fields: &HeaderMap) -> Option<GrpcStatus> {
    fields.get("grpc-status").map(|status| GrpcStatus::of(status.as_bytes()))
}

/// The trailers of the response are there: the outcome of a gRPC call is in them.
pub fn trailers_arrived(trailers: &HeaderMap, ctx: &mut RequestContext) {
    if ctx.grpc.is_some()
        && let Some(status) = grpc_status(trailers)
    {
        ctx.grpc = Some(status);
    }
}

/// A piece of the response's body is there.
///
/// # Errors
/// [`Rejection::TotalTimeout`] once the request as a whole has taken too long.
pub fn body_arrived(ctx: &mut RequestContext, last: bool) -> Result<(), Rejection> {
    if last {
        deadline::end(ctx);
        return Ok(());
    }
    if !ctx.attempts.is_tunnel() {
        deadline::time_left(ctx)?;
    }
    deadline::begin(ctx, Wait::NextPiece, Instant::now());
    Ok(())
}

fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Counts the attempt that has just ended.
pub fn attempted(ctx: &mut RequestContext, now: Instant) {
    if ctx.attempts.in_flight.take().is_none() {
        return;
    }
    trace::attempted(ctx, now);
    let Some(target) = ctx.target() else { return };
    if let Some(attempt) = ctx.attempts.current.attempt() {
        target.metrics.attempted(ctx.attempts.status, now.saturating_duration_since(attempt.started()));
    }
}
