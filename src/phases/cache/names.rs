//! The names by which a response is purged. Found out when something is stored or voided:
//! a hit needs none of them.

use std::sync::Arc;

use pingora_http::RequestHeader;

use crate::{
    cache::{
        key::{KeyMaker, Tag},
        purge::UrlName,
        tags::{MAX_TAGS, TagTemplates, Unkept},
    },
    phases::{context::RequestContext, route},
    routing::RequestParts,
};

/// The name of the request's URL, and the tags that templates of its route make of its path.
///
/// # Errors
/// [`Unkept`] if a template lacks its value.
pub fn names(
    request: &RequestHeader,
    ctx: &RequestContext,
    templates: &TagTemplates,
    keys: &KeyMaker,
) -> Result<(UrlName, Vec<Tag>), Unkept> {
    let snapshot = ctx.snapshot.as_ref().ok_or(Unkept)?;
    let sent = route::parts(request);
    let path = route::seen(request, ctx).map_err(|_| Unkept)?;
    let parts = RequestParts { path: &path, ..sent };
    let url = UrlName::of_request(parts.host, ctx.is_tls(), &route::joined(&path, parts.query));
    let mut tags = Vec::new();
    if !templates.is_empty() {
        // Captures borrow from the request, so the route is looked up again.
        let matched = snapshot.routes.find(&parts).ok_or(Unkept)?;
        let plan = ctx.plan.as_ref().ok_or(Unkept)?;
        if !Arc::ptr_eq(matched.value, &plan.route) {
            return Err(Unkept);
        }
        templates.expand(keys, |name| matched.captures.get(name), &mut tags)?;
    }
    // What is made of other answers is void with them.
    for target in ctx.graphql.iter().flat_map(|graphql| &graphql.asked) {
        let url = UrlName::of_request(parts.host, ctx.is_tls(), target);
        tags.extend(snapshot.unversioned_url(&url).map(|url| url.tag(keys)));
        tags.push(url.tag(keys));
    }
    if tags.len() > MAX_TAGS {
        return Err(Unkept);
    }
    Ok((url, tags))
}
