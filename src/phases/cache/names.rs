//! The names by which a response is purged. Found out when something is stored or voided:
//! a hit needs none of them.

use std::sync::Arc;

use http::HeaderMap;
use pingora_http::RequestHeader;

use crate::{
    cache::{
        key::{KeyMaker, Tag},
        purge::UrlName,
        tags::{self, MAX_TAGS, TagTemplates, Unkept},
    },
    phases::{context::RequestContext, route},
    routing::RequestParts,
    runtime::route::RouteCache,
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
    tags.extend(ctx.graphql.iter().flat_map(|graphql| &graphql.made_of));
    if tags.len() > MAX_TAGS {
        return Err(Unkept);
    }
    Ok((url, tags))
}

/// Adds to the tags of a response those that it states itself, and those of its URL and its route.
///
/// # Errors
/// [`Unkept`] if it states too many, or one that is too long.
pub fn complete(
    tags: &mut Vec<Tag>,
    response: &HeaderMap,
    url: &UrlName,
    kept: Option<&RouteCache>,
    keys: &KeyMaker,
) -> Result<(), Unkept> {
    tags::of_response(keys, response, tags)?;
    tags.push(url.tag(keys));
    if let Some(kept) = kept {
        tags.push(kept.tag);
        tags.extend(kept.policy.shared_name(url).map(|name| name.tag(keys)));
    }
    Ok(())
}

/// All tags by which the answer to a request is voided, whether it is kept or not.
///
/// # Errors
/// [`Unkept`] if there are too many, or one lacks its value.
pub fn tags(
    request: &RequestHeader,
    response: &HeaderMap,
    ctx: &RequestContext,
    keys: &KeyMaker,
) -> Result<Vec<Tag>, Unkept> {
    let none = TagTemplates::default();
    let kept = ctx.plan.as_ref().and_then(|plan| plan.route.cache.as_ref());
    let templates = kept.map_or(&none, |kept| kept.policy.tags());
    let (url, mut tags) = names(request, ctx, templates, keys)?;
    complete(&mut tags, response, &url, kept, keys)?;
    Ok(tags)
}
