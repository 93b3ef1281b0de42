//! After a successful unsafe request: what it has made void.
//!
//! It takes effect before the client learns of its success, so that nobody on this node
//! reads what was there before (RFC 9111 section 4.4).

use http::{HeaderName, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::context::RequestContext;
use crate::{
    cache::{
        invalidate,
        invalidation::{Mode, Record, Scope},
    },
    runtime::resources::Resources,
};

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
    let Some(cache) = ctx.cache.as_deref() else { return };
    let store = resources.cache;
    let named = |field: HeaderName| {
        let reference = str::from_utf8(response.headers.get(field)?.as_bytes()).ok()?;
        cache.url.as_ref()?.join(reference, ctx.is_tls())
    };
    let others = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(named);
    let urls = cache.url.iter().cloned().chain(others).map(|url| Scope::Url(url.tag(store.keys())));
    let scopes = urls.chain(cache.tags.iter().copied().map(Scope::Tag));
    let at = store.now();
    let records: Vec<Record> = scopes.map(|scope| Record { scope, mode: Mode::Hard, at }).collect();
    store.invalidate(&records).await;
}
