//! The first phase: who asks, under what id, and is the request fit to be passed on.

use std::{net::IpAddr, sync::Arc};

use http::HeaderMap;
use pingora_core::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::{context::RequestContext, inner, rejection::Rejection, trace};
use crate::{
    downstream::{DeadlineHandle, GatedStream, LimitedUpload},
    framing,
    headers::{self, Client},
    runtime::{
        resources::Resources,
        snapshot::{Snapshot, SnapshotCell},
    },
};

/// Finds out who asks, pins the snapshot, and sets the limits of the connection.
pub fn open(session: &mut Session, ctx: &mut RequestContext, resources: &Resources, cell: &SnapshotCell) {
    if inner::open(session, ctx) {
        return;
    }
    let digest = session.digest();
    let socket = digest.and_then(|d| d.socket_digest.as_ref());
    let peer = socket.and_then(|s| s.peer_addr()).and_then(|a| a.as_inet()).map(|a| a.ip());
    let local = socket.and_then(|s| s.local_addr()).and_then(|a| a.as_inet());
    ctx.listener = local.and_then(|local| resources.listener_at(local)).cloned();
    if session.req_header().version == http::Version::HTTP_2 {
        ctx.stream = ctx.listener.as_ref().map(|listener| listener.metrics.stream());
    }
    identify(ctx, peer, &session.req_header().headers, cell.load_full());
    trace::begin(session.req_header(), ctx, resources);
    ctx.deadline = deadline_of(session);
    if session.req_header().version == http::Version::HTTP_10 {
        super::headers::speak_http10(session);
    }
    session.set_read_timeout(Some(resources.limits.body_timeout.get()));
    session.set_write_timeout(Some(resources.limits.write_timeout.get()));
    end_when_draining(session, resources);
}

/// Finds out who asks, and pins the snapshot.
pub fn identify(ctx: &mut RequestContext, peer: Option<IpAddr>, fields: &HeaderMap, snapshot: Arc<Snapshot>) {
    let forwarding = &snapshot.forwarding;
    ctx.client = peer.map(|peer| Client::identify(peer, fields, forwarding.trusted()));
    ctx.request_id = ctx.client.as_ref().map(|client| forwarding.request_id(client, fields));
    ctx.snapshot = Some(snapshot);
}

/// What ends waits on the client's side, where there is a place for it.
fn deadline_of(session: &mut Session) -> Option<DeadlineHandle> {
    match session.as_downstream_mut() {
        http1 @ ServerSession::H1(_) => GatedStream::behind(http1).map(|gate| gate.deadline().clone()),
        other => LimitedUpload::limit(other),
    }
}

/// Makes this request the last one of its connection when the process is on its way out.
pub fn end_when_draining(session: &mut Session, resources: &Resources) {
    if resources.lifecycle.is_draining() {
        session.set_keepalive(None);
    }
}

/// Refuses a request whose head cannot be passed on safely.
///
/// # Errors
/// [`Rejection::BadRequest`] with the reason.
pub fn check(request: &RequestHeader, resources: &Resources) -> Result<(), Rejection> {
    // HTTP/1 heads were checked byte by byte before they were parsed.
    if request.version == http::Version::HTTP_2 {
        framing::check_h2(request, &framing::HeadLimits::from(&resources.limits))
            .map_err(Rejection::BadRequest)?;
    }
    Ok(())
}

/// Brings the fields of a sound request into the one form that later phases read.
///
/// # Errors
/// [`Rejection::Internal`] if a field cannot be set.
pub fn normalize(request: &mut RequestHeader) -> Result<(), Rejection> {
    if request.version == http::Version::HTTP_2 {
        headers::join_cookies(request).map_err(|_| Rejection::Internal)?;
    }
    Ok(())
}

/// Refuses a body that is announced to be larger than the route allows.
///
/// # Errors
/// [`Rejection::BodyTooLarge`].
pub fn announced_body(request: &RequestHeader, limit: u64) -> Result<(), Rejection> {
    let length = request.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    match length.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > limit => Err(Rejection::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Counts a piece of the body against the limit of the route. A tunnel has no body.
///
/// # Errors
/// [`Rejection::BodyTooLarge`] once the limit is passed.
pub fn count_body(ctx: &mut RequestContext, piece: usize) -> Result<(), Rejection> {
    if ctx.attempts.is_tunnel() {
        return Ok(());
    }
    ctx.body_received += piece as u64;
    let limit = ctx.planned()?.route.body_limit;
    if ctx.body_received > limit { Err(Rejection::BodyTooLarge) } else { Ok(()) }
}
