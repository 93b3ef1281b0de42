//! Before the answer: whether the cache is asked, under which key, and whether what it has fits.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use pingora_cache::{
    CacheKey, CacheMeta, CacheOptionOverrides, ForcedFreshness, lock::CacheKeyLockImpl,
    predictor::CacheablePredictor,
};
use pingora_core::{Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::coding::Coding;
use crate::{
    cache::{
        conditional::{self, Validators},
        directives::RequestDirectives,
        entry::{Stamp, Times},
        key::EntryKey,
        policy::{Bypass, NotStored, Target},
        reuse::{self, Reuse},
        storage::Hit,
        vary::Vary,
    },
    phases::{auth, context::RequestContext, failure, graphql, rejection::Rejection, route},
    runtime::{resources::Resources, route::RouteCache},
    telemetry::{
        cache::{RevalidationResult, StaleReason},
        trace::CacheSteps,
    },
};

/// What the cache has to do with a request.
#[derive(Default)]
pub struct CacheUse {
    /// Why the request leaves the cache alone; `None` if it does not.
    pub bypass: Option<Bypass>,
    /// The slot of the request, without its variant.
    pub slot: Option<EntryKey>,
    /// The slot of its variant, once a response told what it varies by.
    pub variant: Option<EntryKey>,
    /// Whether a variant was looked for: the resource has one, fit or not.
    pub varies: bool,
    /// Whether something was found that could not be served without asking.
    pub outdated: bool,
    /// What the request wishes, where requests are obeyed.
    pub wishes: RequestDirectives,
    /// Why the response was not stored.
    pub not_stored: Option<NotStored>,
    /// Whether the response is being stored.
    pub stored: bool,
    /// The fields of the answer that confirmed a stored response.
    pub confirmation: Option<HeaderMap>,
    /// When the request was sent to the upstream.
    pub requested: Option<Stamp>,
    /// How the revalidation of a stored response ended.
    pub revalidation: Option<RevalidationResult>,
    /// Why a stale response was served.
    pub stale: Option<StaleReason>,
    /// The moments of the response that was found or stored.
    pub times: Option<Times>,
    /// How the response is being compressed.
    pub coding: Option<Coding>,
}

/// Finds out what the cache has to do with a request, once it is known who asks.
pub fn begin(request: &RequestHeader, ctx: &mut RequestContext, resources: &Resources) {
    ctx.cache = use_of(request, ctx, resources);
}

fn use_of(request: &RequestHeader, ctx: &RequestContext, resources: &Resources) -> Option<Box<CacheUse>> {
    let plan = ctx.plan.as_ref()?;
    let RouteCache { policy, scope, .. } = plan.route.cache.as_ref()?;
    let parts = route::parts(request);
    let by = policy.partition_by_identity();
    let caller = by.and_then(|by| auth::partition(by, ctx.identity.as_deref()?));
    let caller = caller.as_deref();
    let mut cache = CacheUse::default();
    match policy.request(parts.method, parts.headers, parts.query, caller) {
        Ok(wishes) => cache.wishes = wishes,
        Err(bypass) => cache.bypass = Some(bypass),
    }
    if cache.bypass.is_none() {
        let path = route::seen(request, ctx).ok()?;
        // What GraphQL asks for has many forms: the one that counts stands in the path.
        let (path, query) = match &ctx.graphql {
            None => (path, parts.query),
            Some(graphql) => match graphql::kept_as(&path, graphql) {
                Some(kept_as) => (Cow::Owned(kept_as), None),
                None => {
                    cache.bypass = Some(Bypass::Content);
                    return Some(Box::new(cache));
                }
            },
        };
        let target = Target {
            scope,
            version: ctx.served().map(|served| &*served.kept_as),
            tls: ctx.is_tls(),
            method: parts.method,
            host: parts.host,
            path: &path,
            query,
        };
        cache.slot = policy.key(resources.cache.keys(), &target, parts.headers, caller);
        cache.bypass = cache.slot.is_none().then_some(Bypass::Partition);
    }
    Some(Box::new(cache))
}

/// Turns Pingora's cache on for a request that may use it.
pub fn enable(session: &mut Session, ctx: &RequestContext, resources: &Resources) {
    let Some(cache) = ctx.cache.as_deref().filter(|cache| cache.slot.is_some()) else { return };
    let Some(RouteCache { policy, .. }) = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref()) else {
        return;
    };
    let wait = policy.coalesce();
    let overrides = wait.map(|wait| {
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(wait);
        overrides
    });
    let lock: Option<&'static CacheKeyLockImpl> = match wait {
        Some(_) => Some(resources.cache_lock),
        None => None,
    };
    // Whoever takes nothing but a stored response is not sent past the cache.
    let predictor: Option<&'static (dyn CacheablePredictor + Sync)> = match cache.wishes.only_if_cached {
        true => None,
        false => Some(resources.cache_predictor),
    };
    session.cache.enable(resources.cache, None, predictor, lock, overrides);
}

/// The key of the request, with a place for notes on the lookups made with it.
///
/// # Errors
/// If the cache is not used.
pub fn key(ctx: &RequestContext, steps: Option<Arc<CacheSteps>>) -> pingora_core::Result<CacheKey> {
    let slot = ctx.cache.as_deref().and_then(|cache| cache.slot).ok_or(Rejection::OutOfOrder)?;
    let mut key = CacheKey::new(slot.0, "");
    key.set_primary_bin_override(slot.0);
    if let Some(steps) = steps {
        key.extensions.insert(steps);
    }
    Ok(key)
}

/// The variant that a request asks for of a resource with this stored response.
pub fn vary(
    meta: &CacheMeta,
    request: &RequestHeader,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Option<[u8; 16]> {
    let route = ctx.plan.as_ref()?.route.cache.as_ref()?;
    if !route.policy.varies() {
        return None;
    }
    let keys = resources.cache.keys();
    let variance = Vary::of_headers(meta.headers()).ok()?.variance(keys, &request.headers)?;
    let cache = ctx.cache.as_deref_mut()?;
    cache.variant = cache.slot.map(|slot| keys.variant(slot, variance));
    // Afterwards it is the answer of the upstream that varies.
    cache.varies |= cache.requested.is_none();
    Some(variance)
}

/// Whether what was found answers this request, beyond being fresh.
pub fn judge_hit(
    meta: &CacheMeta,
    fresh: bool,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Option<ForcedFreshness> {
    let cache = ctx.cache.as_deref_mut()?;
    let Hit(found) = meta.extensions().get::<Hit>()?;
    let times = found.times();
    cache.times = Some(times);
    cache.outdated |= !fresh;
    if cache.wishes == RequestDirectives::default() {
        return None;
    }
    match reuse::reuse(&times, &cache.wishes, resources.cache.now()) {
        Reuse::Fresh | Reuse::StaleWhileRevalidate => None,
        Reuse::Stale => {
            cache.stale = Some(StaleReason::MaxStale);
            Some(ForcedFreshness::ForceFresh)
        }
        Reuse::Revalidate => {
            cache.outdated = true;
            Some(ForcedFreshness::ForceExpired)
        }
    }
}

/// Whether the client has this response already: the same answer as for what memory has ready.
pub fn is_not_modified(request: &RequestHeader, response: &ResponseHeader) -> bool {
    let headers = &response.headers;
    let validators = Validators::of_headers(headers).unwrap_or_else(|| Validators {
        date: headers.get(header::DATE).map(HeaderValue::as_bytes),
        ..Validators::default()
    });
    conditional::is_not_modified(
        &request.method,
        &request.headers,
        response.status,
        &validators,
        Stamp::now(),
    )
}

/// Whether a stale response is served: while it is refreshed (`None`), or instead of an error.
pub fn may_serve_stale(session: &mut Session, ctx: &mut RequestContext, error: Option<&Error>) -> bool {
    let Some(cache) = ctx.cache.as_deref() else { return false };
    if cache.wishes.no_cache || cache.wishes.max_age == Some(0) {
        return false;
    }
    let Some(error) = error else {
        note(ctx, StaleReason::WhileRevalidate, None);
        return true;
    };
    // What the upstream said, as far as it says that it cannot serve (RFC 5861 section 4).
    let answered = matches!(error.etype(), ErrorType::HTTPStatus(500 | 502 | 503 | 504));
    let failed = match error.etype() {
        ErrorType::HTTPStatus(_) => answered,
        _ => failure::refusal_of(ctx, error).is_upstreams(),
    };
    if failed && session.response_written().is_none() {
        if !answered {
            // As after a refusal: Pingora closes the connection.
            session.set_keepalive(None);
        }
        note(ctx, StaleReason::IfError, Some(RevalidationResult::Failed));
        return true;
    }
    false
}

fn note(ctx: &mut RequestContext, reason: StaleReason, outcome: Option<RevalidationResult>) {
    if let Some(cache) = ctx.cache.as_deref_mut() {
        cache.stale = Some(reason);
        cache.revalidation = outcome.or(cache.revalidation);
    }
}

/// Refuses a request that wants a stored response or none, and found none.
///
/// # Errors
/// [`Rejection::OnlyIfCached`].
pub fn only_if_cached(ctx: &RequestContext) -> Result<(), Rejection> {
    match &ctx.cache {
        Some(cache) if cache.wishes.only_if_cached => Err(Rejection::OnlyIfCached),
        _ => Ok(()),
    }
}

/// Notes when the request goes to the upstream: what is void from then on is not its answer.
pub fn sent(ctx: &mut RequestContext, resources: &Resources) {
    if let Some(cache) = ctx.cache.as_deref_mut() {
        cache.requested = Some(resources.cache.requested());
    }
}
