//! After the upstream's answer: whether it is kept, and in which form.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_cache::{CacheMeta, NoCacheReason, RespCacheable};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::names;
use crate::{
    cache::{
        fields::{self, Omitted},
        fill::Admission,
        freshness::Answer,
        key::Tag,
        policy::{NotStored, Storable},
        purge::UrlName,
        storage::Hit,
        store::Found,
        tags,
    },
    phases::{context::RequestContext, rejection::Rejection},
    runtime::{resources::Resources, route::RouteCache},
    telemetry::cache::RevalidationResult,
};

/// Keeps the fields of a 304 that confirms a stored response, before Pingora merges a few of them.
pub fn confirm(session: &Session, response: &ResponseHeader, ctx: &mut RequestContext) {
    let Some(cache) = ctx.cache.as_deref_mut() else { return };
    if !session.cache.enabled() || session.cache.maybe_cache_meta().is_none() {
        return;
    }
    if response.status == StatusCode::NOT_MODIFIED {
        cache.confirmation = Some(response.headers.clone());
        cache.revalidation = Some(RevalidationResult::Confirmed);
    } else if !response.status.is_informational() && !response.status.is_server_error() {
        cache.revalidation = Some(RevalidationResult::Replaced);
    }
}

/// Decides whether a response is kept.
///
/// # Errors
/// If a stored response has a field that Pingora does not take.
pub fn admit(
    session: &Session,
    response: &ResponseHeader,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Result<RespCacheable> {
    let route = ctx.planned()?.route.clone();
    let kept = route.cache.as_ref().ok_or(Rejection::OutOfOrder)?;
    let names = names(session.req_header(), ctx, kept.policy.tags(), resources.cache.keys());
    let cache = ctx.cache.as_deref_mut().ok_or(Rejection::OutOfOrder)?;
    let received = resources.cache.now();
    let confirmed = cache.confirmation.take().zip(session.cache.maybe_cache_meta().and_then(stored));
    let merged = confirmed
        .as_ref()
        .map(|(update, found)| fields::merge(found.fields(), update, kept.policy.keeps_cookies(), received));
    let confirmed = confirmed.map(|(_, found)| found);
    let (status, headers) = match (&confirmed, &merged) {
        (Some(found), Some(headers)) => (found.status(), headers),
        _ => (response.status, &response.headers),
    };
    let request = session.req_header();
    // What Pingora fetches for a HEAD is a GET.
    let method = if request.method == Method::HEAD && !kept.policy.keeps_head_apart() {
        &Method::GET
    } else {
        &request.method
    };
    let requested = cache.requested.unwrap_or(received);
    let answer = Answer { status, headers, requested, received };
    let admitted = kept.policy.judge(method, &request.headers, &answer).and_then(|storable| {
        let (url, tags) = names?;
        admission(kept, &url, tags, &answer, &storable, confirmed, resources)
    });
    match admitted {
        Ok((admission, head)) => {
            cache.stored = true;
            cache.times = Some(admission.times);
            Ok(RespCacheable::Cacheable(meta(admission, head, response, resources)?))
        }
        Err(reason) => {
            cache.not_stored = Some(reason);
            cache.stored = false;
            Ok(RespCacheable::Uncacheable(NoCacheReason::Custom(reason.as_str())))
        }
    }
}

/// The stored response that a revalidation is about.
fn stored(meta: &CacheMeta) -> Option<&Found> {
    meta.extensions().get::<Hit>().map(|Hit(found)| found)
}

fn admission(
    kept: &RouteCache,
    url: &UrlName,
    mut tags: Vec<Tag>,
    answer: &Answer<'_>,
    storable: &Storable,
    confirmed: Option<&Found>,
    resources: &Resources,
) -> std::result::Result<(Admission, HeaderMap), NotStored> {
    let store = resources.cache;
    let announced = answer.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let limit = kept
        .policy
        .max_object()
        .map_or(store.max_object(), |own| usize::try_from(own).unwrap_or(usize::MAX).min(store.max_object()));
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(NotStored::TooLarge);
    }
    let tags = match &confirmed {
        // A 304 without tags says nothing about them.
        Some(found) if !tags::are_stated(answer.headers) => found.tags(),
        _ => {
            names::complete(&mut tags, answer.headers, url, Some(kept), store.keys())?;
            tags
        }
    };
    let block = fields::write(answer.headers, &storable.omitted, answer.received)?;
    // What is left out is kept from those who come later, not from the one who asked.
    let head = match storable.omitted.is_in(answer.headers) {
        false => fields::to_headers(&block),
        true => fields::to_headers(&fields::write(answer.headers, &Omitted::default(), answer.received)?),
    };
    let admission = Admission {
        status: answer.status,
        fields: Bytes::from(block),
        target: Bytes::copy_from_slice(url.without_query().as_bytes()),
        tags: tags.into(),
        times: storable.times,
        variance: None,
        limit,
        announced,
    };
    Ok((admission, head))
}

/// The form Pingora passes on, with our facts beside it.
fn meta(
    admission: Admission,
    headers: HeaderMap,
    response: &ResponseHeader,
    resources: &Resources,
) -> Result<CacheMeta> {
    let mut head = ResponseHeader::build_no_case(admission.status, Some(headers.len()))?;
    for (name, value) in &headers {
        head.append_header(name, value)?;
    }
    head.set_version(response.version);
    let times = admission.times;
    let mut meta = CacheMeta::new(
        resources.cache.on_the_wall(times.fresh_until),
        times.created.into(),
        times.stale_while_revalidate,
        times.stale_if_error,
        head,
    );
    meta.set_epoch_override(resources.cache.on_the_wall(times.born));
    meta.extensions_mut().insert(admission);
    Ok(meta)
}
