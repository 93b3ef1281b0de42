//! After a successful unsafe request: what it has made void.
//!
//! It takes effect before the client learns of its success, so that nobody on this node
//! reads what was there before (RFC 9111 section 4.4).

use std::time::Duration;

use http::{HeaderName, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::{cache, context::RequestContext};
use crate::{
    cache::{
        invalidate,
        invalidation::{Mode, Record, Scope},
        tags::TagTemplates,
    },
    runtime::resources::Resources,
};

/// Longest time that the answer is held back so that other nodes may hear of it first.
const WAIT: Duration = Duration::from_millis(20);

/// Voids all variants of the request's URL and of those that the response says it is about,
/// and the tags its route names.
pub async fn after(
    session: &Session,
    response: &ResponseHeader,
    ctx: &RequestContext,
    resources: &Resources,
) {
    if !invalidate::is_unsafe(&session.req_header().method) || !invalidate::invalidates(response.status) {
        return;
    }
    let (Some(plan), Some(snapshot)) = (&ctx.plan, &ctx.snapshot) else { return };
    if !snapshot.caches {
        return;
    }
    let store = resources.cache;
    let named = cache::names(session.req_header(), ctx, &plan.route.on_write, store.keys());
    // Without a value for a template nothing more precise can be named than the URL.
    let nothing = TagTemplates::default();
    let named = named.or_else(|_| cache::names(session.req_header(), ctx, &nothing, store.keys()));
    let Ok((url, tags)) = named else { return };
    let named = |field: HeaderName| {
        let reference = str::from_utf8(response.headers.get(field)?.as_bytes()).ok()?;
        url.join(reference, ctx.is_tls())
    };
    let others = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(named);
    let urls = std::iter::once(url.clone()).chain(others).flat_map(|url| snapshot.purge_names(url));
    let urls = urls.map(|url| Scope::Url(url.tag(store.keys())));
    let scopes = urls.chain(tags.into_iter().map(Scope::Tag));
    let at = store.voided();
    let records: Vec<Record> = scopes.map(|scope| Record { scope, mode: Mode::Hard, at }).collect();
    store.invalidate(&records, WAIT).await;
}
