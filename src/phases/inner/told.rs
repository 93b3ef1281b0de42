//! What a request of our own leaves for whoever asked, beside the answer: what the cache did, and
//! how a response that is made of the answer may be kept.
//!
//! The answer is judged as it came from its backend: what is said to this cache alone is taken
//! off before anybody else sees it.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::{
    cache::{
        freshness::Answer,
        key::Tag,
        policy::{CachePolicy, Lent},
        storage::Hit,
    },
    phases::{
        cache::{self, CacheUse},
        context::RequestContext,
        memory,
        rejection::Rejection,
    },
    runtime::{resources::Resources, route::Route},
    telemetry::{cache::CacheResult, reason::ErrorReason},
};

/// What is known of an answer beside its fields.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What the cache did, on routes that have one.
    pub cache: Option<CacheResult>,
    /// How what is made of it may be kept. `None`: not at all.
    pub lent: Option<Lent>,
    /// The tags that void it, and what is made of it.
    pub tags: Vec<Tag>,
    /// Why the gateway gave the answer itself. `None`: it did not, or not as a refusal.
    pub refused: Option<ErrorReason>,
}

/// What a request of our own leaves for whoever asked.
#[derive(Clone, Default)]
pub struct Inner {
    told: Arc<OnceLock<Told>>,
    field: Option<Arc<str>>,
    /// What the last answer of a backend allows.
    judged: Option<(Option<Lent>, Vec<Tag>)>,
}

impl Inner {
    /// Of a request that is made for the field with this path.
    pub(super) fn new(field: Option<Arc<str>>) -> Self {
        Self { field, ..Self::default() }
    }

    /// The path of the field that the request is made for.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What was left; nothing, if no answer came.
    pub(super) fn take(&self) -> Told {
        self.told.get().cloned().unwrap_or_default()
    }
}

/// Judges the answer of a backend, for what is made of it.
pub fn judge(session: &Session, response: &ResponseHeader, ctx: &mut RequestContext, resources: &Resources) {
    if ctx.inner.is_none() || response.status.is_informational() {
        return;
    }
    let (request, headers) = (session.req_header(), &response.headers);
    let received = resources.cache.now();
    let requested = ctx.cache.as_deref().and_then(|cache| cache.requested).unwrap_or(received);
    let answer = Answer { status: response.status, headers, requested, received };
    let lent = policy(ctx).lend(&request.headers, &answer).ok();
    // What cannot be voided is not kept.
    let judged = match cache::tags(request, headers, ctx, resources.cache.keys()) {
        Ok(tags) => (lent, tags),
        Err(_) => (None, Vec::new()),
    };
    if let Some(inner) = &mut ctx.inner {
        inner.judged = Some(judged);
    }
}

/// Tells whoever asked what is known of the answer, before it is sent.
pub fn tell(session: &Session, response: &ResponseHeader, ctx: &RequestContext, resources: &Resources) {
    let Some(inner) = &ctx.inner else { return };
    if response.status.is_informational() {
        return;
    }
    let result = cache::result(session, ctx);
    let was_found = result.is_some_and(is_found);
    let meta = session.cache.maybe_cache_meta().filter(|_| was_found);
    let found = meta.and_then(|meta| meta.extensions().get::<Hit>()).map(|Hit(found)| found.tags());
    let (lent, tags) = match (kept(was_found, ctx, resources), found, &inner.judged) {
        (Some(lent), Some(tags), _) => (Some(lent), tags),
        (Some(lent), None, Some((_, tags))) => (Some(lent), tags.clone()),
        (_, _, Some(judged)) => judged.clone(),
        // Made here: it says itself what may be done with it.
        (_, _, None) => (of_own(&session.req_header().headers, response, resources), Vec::new()),
    };
    let lent = lent.map(|lent| personal(lent, ctx));
    let _ = inner.told.set(Told { cache: result, lent, tags, refused: None });
}

/// Tells whoever asked that the answer is a refusal.
pub fn refuse(ctx: &RequestContext, rejection: &Rejection) {
    if let Some(inner) = &ctx.inner {
        let _ = inner.told.set(Told { refused: Some(rejection.reason()), ..Told::default() });
    }
}

/// What is known of an answer that memory had ready.
pub(super) fn from_memory(found: &mut memory::Found, ctx: &RequestContext, resources: &Resources) -> Told {
    Told {
        cache: Some(CacheResult::Hit),
        lent: kept(true, ctx, resources).map(|lent| personal(lent, ctx)),
        tags: std::mem::take(&mut found.tags),
        refused: None,
    }
}

fn is_found(result: CacheResult) -> bool {
    matches!(result, CacheResult::Hit | CacheResult::Stale | CacheResult::Revalidated)
}

/// What an answer allows that the cache keeps: `None` if it does not.
fn kept(was_found: bool, ctx: &RequestContext, resources: &Resources) -> Option<Lent> {
    let in_use = |cache: &&CacheUse| was_found || cache.stored;
    let times = ctx.cache.as_deref().filter(in_use)?.times?;
    Some(Lent { fresh_for: Some(times.fresh_until.since(resources.cache.now())), is_private: false })
}

fn of_own(request: &HeaderMap, response: &ResponseHeader, resources: &Resources) -> Option<Lent> {
    let received = resources.cache.now();
    let answer =
        Answer { status: response.status, headers: &response.headers, requested: received, received };
    CachePolicy::unstated().lend(request, &answer).ok()
}

/// The same for this caller alone, whatever the fields say, where the route asks who calls.
fn personal(lent: Lent, ctx: &RequestContext) -> Lent {
    let asks = |route: &Route| {
        route.auth.is_some() || route.cache.as_ref().is_some_and(|kept| kept.policy.is_partitioned())
    };
    let is_personal = ctx.plan.as_ref().is_some_and(|plan| asks(&plan.route));
    Lent { is_private: lent.is_private || is_personal, ..lent }
}

fn policy(ctx: &RequestContext) -> &CachePolicy {
    let kept = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref());
    match kept {
        Some(kept) => &kept.policy,
        None => CachePolicy::unstated(),
    }
}
