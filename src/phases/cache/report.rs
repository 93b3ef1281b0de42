//! What is said of the cache: to the client, to the metrics, to the log.

use std::time::Duration;

use http::{HeaderValue, header};
use pingora_cache::CachePhase;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::CacheUse;
use crate::{
    cache::{
        directives::SURROGATE_CONTROL,
        entry::Stamp,
        policy::Bypass,
        status::{CacheStatus, Forward},
        storage::Hit,
        store::Found,
    },
    phases::context::RequestContext,
    runtime::resources::Resources,
    telemetry::{
        cache::{CacheResult, Tier},
        metrics::Filter,
        trace::Step,
    },
};

/// How this cache is called in `Cache-Status`.
const NAME: &str = "nilegate";

/// What the cache did for a request; `None` where the route has none.
pub fn result(session: &Session, ctx: &RequestContext) -> Option<CacheResult> {
    ctx.plan.as_ref()?.route.cache.as_ref()?;
    let cache = ctx.cache.as_deref()?;
    Some(of_phase(session.cache.phase(), cache))
}

fn of_phase(phase: CachePhase, cache: &CacheUse) -> CacheResult {
    match phase {
        CachePhase::Hit if cache.stale.is_some() => CacheResult::Stale,
        CachePhase::Hit => CacheResult::Hit,
        CachePhase::Stale | CachePhase::StaleUpdating => CacheResult::Stale,
        CachePhase::Revalidated | CachePhase::RevalidatedNoCache(_) => CacheResult::Revalidated,
        CachePhase::Expired => CacheResult::Expired,
        CachePhase::Miss => CacheResult::Miss,
        _ if cache.bypass.is_some() => CacheResult::Bypass,
        _ => CacheResult::Uncacheable,
    }
}

/// How the cache found out what it did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookup {
    /// Where a response was found.
    pub tier: Option<Tier>,
    /// Time to look in all tiers. `None`: it was not asked, or that took no time worth telling.
    pub took: Option<Duration>,
    /// Time spent waiting for another request's fetch.
    pub waited: Option<Duration>,
}

/// How the cache found out what it did for a request that went through Pingora.
pub fn lookup(session: &Session) -> Lookup {
    let cache = &session.cache;
    Lookup { tier: tier(session), took: cache.lookup_duration(), waited: cache.lock_duration() }
}

/// Where a hit was found.
fn tier(session: &Session) -> Option<Tier> {
    let Hit(found) = session.cache.maybe_cache_meta()?.extensions().get::<Hit>()?;
    match found {
        Found::Stored { tier, .. } => Some(*tier),
        Found::Filling(_) => Some(Tier::Memory),
    }
}

/// Whether a request met the fetch of another (RFC 9211 section 2.6), and if so, whether that
/// one's answer served it too.
fn collapsed(session: &Session, result: CacheResult) -> Option<bool> {
    let waited = session.cache.lock_duration().is_some();
    match result {
        CacheResult::Hit => (waited || follows(session)).then_some(true),
        CacheResult::Bypass => None,
        _ => waited.then_some(false),
    }
}

/// Whether the response is still arriving for another request.
fn follows(session: &Session) -> bool {
    let meta = session.cache.maybe_cache_meta();
    let hit = meta.and_then(|meta| meta.extensions().get::<Hit>());
    hit.is_some_and(|Hit(found)| matches!(found, Found::Filling(_)))
}

/// Completes a response that went through Pingora: its age, if it was not made just now, and
/// what the cache says of itself.
///
/// # Errors
/// If a field cannot be set.
pub fn to_downstream(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
    resources: &Resources,
) -> Result<()> {
    // What is done for a request is said in its answer, not ahead of it.
    if response.status.is_informational() || ctx.plan.as_ref().is_none_or(|plan| plan.route.cache.is_none()) {
        return Ok(());
    }
    response.remove_header("surrogate-key");
    response.remove_header("cache-tag");
    let Some(cache) = ctx.cache.as_deref() else { return Ok(()) };
    let (result, now) = (of_phase(session.cache.phase(), cache), resources.cache.now());
    if matches!(result, CacheResult::Miss | CacheResult::Expired | CacheResult::Revalidated)
        && let Some(times) = &cache.times
    {
        match times.age(now) {
            0 => drop(response.remove_header(&header::AGE)),
            age => response.insert_header(header::AGE, age)?,
        }
    }
    describe(result, tier(session), collapsed(session, result), response, ctx, now)
}

/// Adds `Cache-Status` and `X-Cache`, as the route wants, and drops what was said to us alone.
///
/// # Errors
/// If a field cannot be set.
pub fn describe(
    result: CacheResult,
    tier: Option<Tier>,
    collapsed: Option<bool>,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
    now: Stamp,
) -> Result<()> {
    let route = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref());
    let (Some(route), Some(cache)) = (route, ctx.cache.as_deref()) else { return Ok(()) };
    if route.policy.heeds_surrogate_control() {
        response.remove_header(SURROGATE_CONTROL);
    }
    if route.policy.cache_status() {
        let mut text = Vec::with_capacity(64);
        let mut status = status(result, tier, response, cache, now);
        status.collapsed = collapsed;
        if result == CacheResult::Hit && collapsed.is_some() {
            // Answered by a fetch, though that of another: no hit (RFC 9211 section 2.1).
            status.forward = Some(if cache.outdated { Forward::Stale } else { Forward::Miss });
        }
        status.render(NAME, &mut text);
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            // Caches on the way append; the one nearest to the client comes last (RFC 9211 section 2).
            response.append_header("cache-status", value)?;
        }
    }
    if route.policy.x_cache() {
        response.insert_header("x-cache", x_cache(result))?;
    }
    Ok(())
}

/// The usual four words.
pub fn x_cache(result: CacheResult) -> &'static str {
    match result {
        CacheResult::Hit | CacheResult::Revalidated => "HIT",
        CacheResult::Stale => "STALE",
        CacheResult::Miss | CacheResult::Expired => "MISS",
        CacheResult::Bypass | CacheResult::Uncacheable => "BYPASS",
    }
}

fn status(
    result: CacheResult,
    tier: Option<Tier>,
    response: &ResponseHeader,
    cache: &CacheUse,
    now: Stamp,
) -> CacheStatus {
    let ttl = cache.times.map(|times| {
        let left = times.fresh_until.since(now).as_secs();
        let over = now.since(times.fresh_until).as_secs();
        i64::try_from(left).unwrap_or(i64::MAX) - i64::try_from(over).unwrap_or(i64::MAX)
    });
    let forward_status = response.status.as_u16();
    let not_stored = cache.not_stored.map(|reason| reason.as_str());
    match result {
        CacheResult::Hit | CacheResult::Stale => {
            CacheStatus { ttl, detail: tier.map(Tier::as_str), ..CacheStatus::default() }
        }
        CacheResult::Revalidated => CacheStatus {
            forward: Some(Forward::Stale),
            forward_status: Some(304),
            ttl,
            stored: cache.stored,
            ..CacheStatus::default()
        },
        CacheResult::Expired | CacheResult::Miss => CacheStatus {
            forward: Some(forward(result, cache)),
            forward_status: Some(forward_status),
            ttl,
            stored: cache.stored,
            detail: not_stored,
            ..CacheStatus::default()
        },
        CacheResult::Bypass => CacheStatus {
            forward: Some(match cache.bypass {
                Some(Bypass::Method) => Forward::Method,
                _ => Forward::Bypass,
            }),
            forward_status: Some(forward_status),
            detail: cache.bypass.map(Bypass::as_str),
            ..CacheStatus::default()
        },
        CacheResult::Uncacheable => CacheStatus {
            forward: Some(forward(result, cache)),
            forward_status: Some(forward_status),
            detail: not_stored,
            ..CacheStatus::default()
        },
    }
}

fn forward(result: CacheResult, cache: &CacheUse) -> Forward {
    match result {
        CacheResult::Expired if cache.wishes.no_cache => Forward::Request,
        CacheResult::Expired => Forward::Stale,
        _ if cache.varies => Forward::VaryMiss,
        _ => Forward::UriMiss,
    }
}

/// Counts what the cache did, and gives back the leave to fetch if nothing came of it.
pub fn close(session: &Session, ctx: &RequestContext, resources: &Resources) {
    let (Some(cache), Some(result)) = (ctx.cache.as_deref(), result(session, ctx)) else { return };
    if let Some(route) = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref()) {
        route.metrics.request(result);
        if collapsed(session, result) == Some(true) {
            route.metrics.coalesced();
        }
    }
    if let Some(coding) = &cache.coding {
        coding.count(resources);
    }
    let metrics = resources.cache.metrics();
    if let Some(took) = session.cache.lookup_duration() {
        resources.metrics.filters().took(Filter::Cache, took);
    }
    if let Some(waited) = session.cache.lock_duration() {
        metrics.lock_waited(waited, ctx.told_trace());
    }
    if let (Some(trace), Some(steps)) = (ctx.told_trace(), &ctx.cache_steps) {
        for step in steps.list() {
            if let Step::Lookup(Tier::Redis, _) = step.what {
                metrics.tier(Tier::Redis).lookup_example(step.took, trace);
            }
        }
    }
    if let (CacheResult::Stale, Some(reason)) = (result, cache.stale) {
        metrics.stale_served(reason);
    }
    if let Some(outcome) = cache.revalidation {
        metrics.revalidated(outcome);
    }
    // Whoever was refused before any attempt gives it back too: others may have a backend.
    let was_to_fetch = ctx.attempts.count > 0 || matches!(result, CacheResult::Miss | CacheResult::Expired);
    let fetched_nothing = was_to_fetch && !cache.stored;
    if fetched_nothing || cache.wishes.only_if_cached {
        for slot in cache.slot.iter().chain(&cache.variant) {
            resources.cache.end_lease(slot, cache.not_stored.is_some());
        }
    }
}
