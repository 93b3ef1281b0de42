//! Requests that memory can answer: no upstream, no retries, no timers, no session of Pingora's.
//!
//! They go through the same phases as any other: which route, who asks, what is stored.

use bytes::Bytes;
use pingora_http::{RequestHeader, ResponseHeader};

use super::{
    answer, api_version,
    auth::{self, Judgement},
    cache::{self, Lookup},
    context::RequestContext,
    explain::{self, Cached},
    headers,
    observe::{self, Exchange},
    rate_limit,
    rejection::Rejection,
    route, trace,
};
use crate::{
    runtime::resources::Resources,
    telemetry::{
        cache::{CacheResult, Tier},
        reason::ErrorReason,
    },
};

/// How an answer was found: reading the clock would be most of its time.
const FOUND: Lookup = Lookup { tier: Some(Tier::Memory), took: None, waited: None };
/// What is told of it.
const HIT: Cached = Cached { result: Some(CacheResult::Hit), lookup: FOUND };

/// An answer, ready to be sent.
pub struct Found {
    /// Its head.
    pub response: ResponseHeader,
    /// Its body, also where the request is for the head alone.
    pub body: Bytes,
    /// Why it is a refusal instead: memory has the answer, but a limit forbids it.
    refusal: Option<Rejection>,
}

/// The answer to a request of which it is known who asks, if memory has it.
///
/// `None`: nothing has happened. The request is charged, counted and logged by whoever serves
/// it then.
pub async fn find(
    request: &mut RequestHeader,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Option<Found> {
    auth::strip(request, ctx);
    if cache::manage::concerns(request, resources) || route::select(request, ctx).is_err() {
        return None;
    }
    // Who calls comes before what is stored.
    let keeps = ctx.plan.as_ref().is_some_and(|plan| plan.route.cache.is_some());
    if !keeps || !matches!(auth::judge(request, ctx), Ok(Judgement::Admitted)) {
        return None;
    }
    cache::begin(request, ctx, resources);
    let cache::Ready { mut response, body } = cache::ready(request, ctx, resources)?;
    trace::begin(request, ctx, resources);
    explain::begin(request, ctx, resources);
    trace::sample(ctx, resources);
    // Only now: what is passed on is charged by Pingora's side.
    let completed = match rate_limit::charge(request, ctx).await {
        Ok(()) => headers::to_downstream(&mut response, ctx)
            .and_then(|()| trace::to_downstream(request, &mut response, &FOUND, ctx, resources))
            .and_then(|()| explain::to_downstream(&mut response, HIT, None, ctx))
            .map_err(|_| Rejection::Internal),
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = completed else { return Some(Found { response, body, refusal: None }) };
    let (response, body) = answer::response(ctx, &refusal, refusal.status()).ok()?;
    Some(Found { response, body, refusal: Some(refusal) })
}

impl Found {
    /// Why it is a refusal, if it is one.
    pub fn refused(&self) -> Option<ErrorReason> {
        self.refusal.as_ref().map(Rejection::reason)
    }

    /// Writes down what became of the request.
    pub fn close(
        &mut self,
        request: &RequestHeader,
        tls_version: Option<&str>,
        bytes_out: u64,
        ctx: &mut RequestContext,
        resources: &Resources,
    ) {
        let refusal = self.refusal.take();
        let exchange = Exchange {
            request,
            status: Some(self.response.status.as_u16()),
            tls_version,
            bytes_in: 0,
            bytes_out,
            cache: refusal.is_none().then_some(CacheResult::Hit),
            lookup: FOUND,
        };
        api_version::count(request, ctx, None, resources);
        if refusal.is_none() {
            auth::count(ctx);
            api_version::called(request, ctx, resources);
            cache::served(ctx, resources);
        }
        let reason = refusal.as_ref().map(Rejection::reason);
        ctx.rejection = refusal;
        observe::finish(&exchange, reason, ctx, resources);
    }
}
