//! Bodies that are mapped on their way to the backend and back.
//!
//! Which ones, the route says for the version of the request. The work is done by a session
//! of its own kind, which this phase asks for and instructs.

use std::sync::Arc;

use pingora_core::{Result, upstreams::peer::HttpPeer};
use pingora_http::RequestHeader;

use super::{context::RequestContext, rejection::Rejection};
use crate::mapping::exchange::{self, Orders, Refusal};

/// The orders, if this request has any. A request to switch protocols is one like any other
/// (RFC 9110 section 7.8 lets a server ignore it): otherwise a field would be enough to get
/// what the mapping leaves out.
fn orders(ctx: &RequestContext) -> Option<&Orders> {
    Some(&ctx.served()?.mapping.as_ref()?.orders)
}

/// Sends the attempt through a session that maps, if there is something to be mapped.
pub fn direct(peer: &mut HttpPeer, ctx: &RequestContext) {
    if orders(ctx).is_some() {
        exchange::map_over(peer);
    }
}

/// Instructs the session. To be called before anything else touches the request.
///
/// # Errors
/// If the client's `Connection` field names what it may not.
pub fn instruct(upstream: &mut RequestHeader, ctx: &mut RequestContext) -> Result<()> {
    let Some(orders) = orders(ctx) else { return Ok(()) };
    exchange::strip_connection(upstream)?;
    let mut orders = orders.clone();
    orders.times = Some(Arc::clone(ctx.mapped.get_or_insert_default()));
    if let Some(deadline) = ctx.deadline.clone() {
        // Pingora sees nothing of the response until all of it is there: each part of it
        // begins the wait anew, as it would otherwise.
        orders.progress = Some(Arc::new(move || deadline.restart()));
    }
    upstream.extensions_mut().insert(orders);
    Ok(())
}

impl From<&Refusal> for Rejection {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Request(_) => Self::MappingRequest,
            Refusal::RequestTooLarge => Self::BodyTooLarge,
            Refusal::RequestForm => Self::UnsupportedMedia,
            Refusal::Response(_)
            | Refusal::ResponseCoding
            | Refusal::ResponsePart
            | Refusal::ResponseTooLarge => Self::MappingResponse,
        }
    }
}
