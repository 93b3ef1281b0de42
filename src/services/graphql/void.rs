//! What a mutation has changed leaves the cache, on every node.

use std::time::Duration;

use crate::{
    cache::{
        invalidation::{Mode, Record, Scope},
        purge::UrlName,
    },
    phases::{graphql::Asked, route},
};

/// Longest time that the answer is held back so that other nodes may hear of it first.
const WAIT: Duration = Duration::from_millis(20);

/// Voids what is kept for these targets, in all variants, before the client learns of the
/// change. The calls have voided their own targets already, as any unsafe request does.
pub async fn void(targets: &[String], asked: &Asked<'_>) {
    let Some(snapshot) = asked.ctx.snapshot.as_ref().filter(|snapshot| snapshot.caches) else { return };
    let store = asked.resources.cache;
    let host = route::parts(&asked.request).host;
    let urls = targets.iter().map(|target| UrlName::of_request(host, asked.ctx.is_tls(), target));
    let at = store.voided();
    let scopes = urls.flat_map(|url| snapshot.purge_names(url)).map(|url| Scope::Url(url.tag(store.keys())));
    let records: Vec<Record> = scopes.map(|scope| Record { scope, mode: Mode::Hard, at }).collect();
    store.invalidate(&records, WAIT).await;
}
