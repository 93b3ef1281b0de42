//! Answers that memory has ready, for requests that never become a session of Pingora's.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora_http::{RequestHeader, ResponseHeader};

use super::{coding, report};
use crate::{
    cache::{
        conditional::{self, Validators},
        entry::{Stamp, StoredEntry},
        fields,
        key::Tag,
        reuse::{self, Reuse},
        vary::Vary,
    },
    phases::context::RequestContext,
    runtime::resources::Resources,
    telemetry::cache::{CacheResult, Tier},
};

/// A response as it goes to the client, but for what every response gets.
pub struct Ready {
    /// Its head.
    pub response: ResponseHeader,
    /// Its body; empty if the client has it already.
    pub body: Bytes,
    /// The tags that void it, if it is for a request of our own.
    pub tags: Vec<Tag>,
}

/// The answer, if memory has a fresh one that fits the request.
pub fn ready(request: &mut RequestHeader, ctx: &mut RequestContext, resources: &Resources) -> Option<Ready> {
    coding::choose(request, ctx).ok()?;
    let now = resources.cache.now();
    let plan = ctx.plan.as_ref()?;
    let route = plan.route.cache.as_ref()?;
    let cache = ctx.cache.as_deref()?;
    let slot = cache.slot?;
    let store = resources.cache;
    let mut entry = store.fresh(&slot, now)?;
    if route.policy.varies() {
        let variance = Vary::of_fields(entry.fields()).ok()?.variance(store.keys(), &request.headers);
        if entry.variance() != variance {
            // Another variant stands in the primary slot.
            let created = entry.times().provenance;
            entry = store.fresh(&store.keys().variant(slot, variance?), now)?;
            if entry.variance() != variance || entry.times().created < created {
                return None;
            }
        }
    }
    if reuse::reuse(&entry.times(), &cache.wishes, now) != Reuse::Fresh {
        return None;
    }
    let validators = Validators::of_fields(entry.fields());
    let unchanged =
        conditional::is_not_modified(&request.method, &request.headers, entry.status(), &validators, now);
    let mut response = head(&entry, unchanged, now)?;
    let times = entry.times();
    let cache = ctx.cache.as_deref_mut()?;
    cache.times = Some(times);
    report::describe(CacheResult::Hit, Some(Tier::Memory), None, &mut response, ctx, now).ok()?;
    let body = if unchanged { Bytes::new() } else { entry.body() };
    let tags = if ctx.inner.is_some() { entry.tags().collect() } else { Vec::new() };
    Some(Ready { response, body, tags })
}

fn head(entry: &StoredEntry, unchanged: bool, now: Stamp) -> Option<ResponseHeader> {
    let status = if unchanged { StatusCode::NOT_MODIFIED } else { entry.status() };
    let mut response = ResponseHeader::build_no_case(status, Some(16)).ok()?;
    for (name, value) in fields::lines(entry.fields()) {
        if name == b"content-length" || unchanged && !conditional::belongs_in_304(name) {
            continue;
        }
        let name = HeaderName::from_bytes(name).ok()?;
        response.append_header(name, HeaderValue::from_bytes(value).ok()?).ok()?;
    }
    if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.insert_header(header::CONTENT_LENGTH, entry.body_len()).ok()?;
    }
    response.insert_header(header::AGE, entry.times().age(now)).ok()?;
    Some(response)
}

/// Counts a response that memory had ready.
pub fn served(ctx: &RequestContext, resources: &Resources) {
    resources.cache.served_from_memory();
    if let Some(route) = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref()) {
        route.metrics.request(CacheResult::Hit);
    }
}
