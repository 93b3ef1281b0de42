//! After a successful unsafe request: what it has made void.
//!
//! It takes effect before the client learns of its success, so that nobody on this node
//! reads what was there before (RFC 9111 section 4.4).

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

/// Voids all variants of the request's URL, and the tags its route names.
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
    let url = cache.url.iter().map(|url| Scope::Url(url.tag(store.keys())));
    let scopes = url.chain(cache.tags.iter().copied().map(Scope::Tag));
    let at = store.now();
    let records: Vec<Record> = scopes.map(|scope| Record { scope, mode: Mode::Hard, at }).collect();
    store.invalidate(&records).await;
}
