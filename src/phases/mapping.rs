//! Bodies that are mapped between the version of the client and that of the service.

use std::sync::Arc;

use pingora_core::{Error, upstreams::peer::HttpPeer};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::{context::RequestContext, rejection::Rejection};
use crate::{
    mapping::exchange::{Orders, Refusal, map_over},
    runtime::route::BodyMapping,
};

/// What is to be mapped, if anything is: never a tunnel.
fn wanted<'a>(session: &Session, ctx: &'a RequestContext) -> Option<&'a BodyMapping> {
    ctx.served()?.mapping.as_ref().filter(|_| !session.is_upgrade_req())
}

/// Sends the next attempt through a session that maps bodies, if there is something to map.
pub fn choose_session(session: &Session, ctx: &RequestContext, peer: &mut HttpPeer) {
    if wanted(session, ctx).is_some() {
        map_over(peer);
    }
}

/// Gives that session its orders.
pub fn order(session: &Session, peer_request: &mut RequestHeader, ctx: &RequestContext) {
    let Some(mapping) = wanted(session, ctx) else { return };
    let mut orders: Orders = mapping.orders.clone();
    if let Some(deadline) = ctx.deadline.clone() {
        // Pingora learns of nothing until all is there: the wait goes by what really comes.
        orders.progress = Some(Arc::new(move || deadline.restart()));
    }
    peer_request.extensions_mut().insert(orders);
}

/// The refusal behind an error of such a session.
pub fn refusal_of(error: &Error) -> Option<Rejection> {
    Refusal::of(error).map(|refusal| Rejection::Mapping(refusal.clone()))
}

/// Whether it is the client whose body cannot be mapped.
pub fn is_clients(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Request(_) | Refusal::RequestTooLarge | Refusal::RequestForm)
}
