//! Requests that the gateway makes of itself, for one of a client's.
//!
//! They go the way of any other request: the same routes, limits, stored responses and
//! backends. They stand for the client of the request they are made for: its address, its
//! listener, its id, its snapshot, a span below its own. Who calls is found out anew, from the
//! credentials they carry, by the rule of their own route: that of the client's route may ask
//! for less. What was verified once is remembered, so that costs a look.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingora_core::protocols::{Digest, SocketDigest};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use tokio::time::timeout_at;

use super::{context::RequestContext, memory, rejection::Rejection, trace};
use crate::{
    downstream::{DeadlineHandle, InnerFailure, InnerRequest},
    headers::{Client, RequestId},
    runtime::{listener::Listener, resources::Resources, snapshot::Snapshot},
    telemetry::{cache::CacheResult, reason::ErrorReason, trace::RequestTrace},
};

/// What requests of the gateway's own take over from the one they are made for.
#[derive(Clone)]
pub struct Origin {
    snapshot: Arc<Snapshot>,
    client: Option<Client>,
    listener: Option<Arc<Listener>>,
    request_id: Option<RequestId>,
    trace: Option<RequestTrace>,
    socket: Option<Arc<SocketDigest>>,
}

/// What is known of an answer beside its fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// What the cache did, on routes that have one.
    pub cache: Option<CacheResult>,
    /// For how long it stays fresh, if it is stored or was. `None`: it is not.
    pub fresh_for: Option<Duration>,
    /// Whether it is for this caller alone, whatever its fields say: the route asks who calls.
    pub personal: bool,
    /// Why the gateway gave the answer itself. `None`: it did not, or not as a refusal.
    pub refused: Option<ErrorReason>,
}

/// What a request of our own leaves for whoever asked.
#[derive(Clone, Default)]
pub struct Inner(Arc<OnceLock<Told>>);

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its head.
    pub head: ResponseHeader,
    /// Its body.
    pub body: Bytes,
    /// What is known of it beside.
    pub told: Told,
}

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The body is longer than was allowed for.
    TooLarge,
    /// It did not come in time.
    Timeout,
    /// It broke off.
    Broken,
}

/// A request to be made.
pub struct Call {
    /// Its head. The target is a path with a query, the host that of the client's request.
    pub request: RequestHeader,
    /// Its body.
    pub body: Bytes,
    /// Most bytes of the answer's body.
    pub body_max: usize,
    /// When the answer is of no use any more.
    pub deadline: Instant,
}

/// What goes along with a session, unseen by Pingora.
struct Companion {
    origin: Origin,
    deadline: DeadlineHandle,
    inner: Inner,
}

impl Origin {
    /// What requests made for this one take over. `None`: it has not been admitted yet.
    /// `socket` is the connection of its client.
    pub fn of(
        ctx: &RequestContext,
        socket: Option<Arc<SocketDigest>>,
        resources: &Resources,
    ) -> Option<Self> {
        Some(Self {
            snapshot: Arc::clone(ctx.snapshot.as_ref()?),
            client: ctx.client,
            listener: ctx.listener.clone(),
            request_id: ctx.request_id,
            trace: trace::for_inner(ctx, resources),
            socket,
        })
    }

    /// The context of a request made for it.
    fn enter(&self, ctx: &mut RequestContext) {
        ctx.snapshot = Some(Arc::clone(&self.snapshot));
        ctx.client = self.client;
        ctx.listener = self.listener.clone();
        ctx.request_id = self.request_id;
        ctx.trace = self.trace.as_ref().map(RequestTrace::child);
    }
}

/// Makes a request.
///
/// A fresh response in memory is taken from there at once. Everything else goes through
/// Pingora, in a task of its own.
///
/// # Errors
/// Why there is no whole answer. A refusal is an answer.
pub async fn ask(origin: &Origin, call: Call, resources: &Resources) -> Result<Answer, Failure> {
    let Call { mut request, body, body_max, deadline } = call;
    if body.is_empty() {
        let mut ctx = RequestContext::new();
        origin.enter(&mut ctx);
        ctx.inner = Some(Inner::default());
        if let Some(mut found) = memory::find(&mut request, &mut ctx, resources).await {
            if found.body.len() > body_max {
                return Err(Failure::TooLarge);
            }
            let mut told = told(Some(CacheResult::Hit), &ctx, resources);
            told.refused = found.refused();
            let sent = found.body.len() as u64;
            found.close(&request, None, sent, &mut ctx, resources);
            return Ok(Answer { head: found.response, body: found.body, told });
        }
    }
    let (waits, inner) = (DeadlineHandle::default(), Inner::default());
    let digest = Digest { socket_digest: origin.socket.clone(), ..Digest::default() };
    let (session, awaited) = InnerRequest::session(request, body, body_max, digest, waits.clone());
    let companion = Companion { origin: origin.clone(), deadline: waits, inner: inner.clone() };
    if !resources.pipeline.run(session, Box::new(companion)) {
        return Err(Failure::Broken);
    }
    let response = timeout_at(deadline.into(), awaited.response()).await;
    let response = response.map_err(|_| Failure::Timeout)?.map_err(Failure::from)?;
    let told = inner.0.get().copied().unwrap_or_default();
    Ok(Answer { head: response.head, body: response.body, told })
}

/// The beginning of a request of our own. `false`: it is a client's.
pub fn open(session: &Session, ctx: &mut RequestContext) -> bool {
    let companion = session.subrequest_ctx.as_ref().and_then(|context| context.user_ctx());
    let Some(companion) = companion.and_then(|companion| companion.downcast_ref::<Companion>()) else {
        return false;
    };
    companion.origin.enter(ctx);
    ctx.deadline = Some(companion.deadline.clone());
    ctx.inner = Some(companion.inner.clone());
    true
}

/// Whether Pingora makes the request in the background, to renew a stored response.
pub fn is_refresh(session: &Session, ctx: &RequestContext) -> bool {
    session.subrequest_ctx.is_some() && ctx.inner.is_none()
}

/// Tells whoever asked what is known of the answer, before it is sent.
pub fn tell(session: &Session, ctx: &RequestContext, resources: &Resources) {
    let Some(inner) = &ctx.inner else { return };
    let _ = inner.0.set(told(super::cache::result(session, ctx), ctx, resources));
}

/// Tells whoever asked that the answer is a refusal.
pub fn refuse(ctx: &RequestContext, rejection: &Rejection) {
    if let Some(inner) = &ctx.inner {
        let _ = inner.0.set(Told { refused: Some(rejection.reason()), ..Told::default() });
    }
}

fn told(result: Option<CacheResult>, ctx: &RequestContext, resources: &Resources) -> Told {
    let found = matches!(result, Some(CacheResult::Hit | CacheResult::Stale | CacheResult::Revalidated));
    let times = ctx.cache.as_deref().and_then(|cache| cache.times.filter(|_| found || cache.stored));
    let route = ctx.plan.as_ref().map(|plan| &plan.route);
    Told {
        cache: result,
        fresh_for: times.map(|times| times.fresh_until.since(resources.cache.now())),
        personal: route.is_some_and(|route| route.auth.is_some()),
        refused: None,
    }
}

impl From<InnerFailure> for Failure {
    fn from(failure: InnerFailure) -> Self {
        match failure {
            InnerFailure::TooLarge => Self::TooLarge,
            InnerFailure::Broken => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests;
