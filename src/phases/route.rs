//! From the request and the snapshot to a plan; answers that need no upstream.

use std::{borrow::Cow, sync::Arc};

use http::header;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::{
    answer::answer,
    api_version,
    cache::manage,
    context::{Plan, RequestContext},
    explain, graphql,
    headers::to_downstream,
    rejection::Rejection,
};
use crate::{
    config::route::ServeConfig,
    routing::{Captures, RequestParts},
    runtime::{
        resources::Resources,
        route::{Action, Served},
        snapshot::{Located, Snapshot},
    },
    telemetry::reason::BadRequestReason,
};

/// Matches the request and resolves everything later phases need.
///
/// # Errors
/// [`Rejection::NoRoute`] when no route takes it, [`Rejection::BadRequest`] when its path is
/// not fit to be routed, [`Rejection::ApiVersion`] when it cannot have the version it is for.
pub fn select(request: &RequestHeader, ctx: &mut RequestContext) -> Result<(), Rejection> {
    let snapshot = Arc::clone(ctx.snapshot.as_ref().ok_or(Rejection::OutOfOrder)?);
    let own = ctx.listener.as_ref().is_some_and(|listener| listener.graphql_only);
    if own && ctx.inner.is_none() {
        return select_graphql(request, ctx, &snapshot);
    }
    let sent = parts(request);
    let path = snapshot.paths.apply(sent.path);
    let path = path.map_err(|_| Rejection::BadRequest(BadRequestReason::SuspiciousPath))?;
    let literal = RequestParts { path: &path, ..sent };
    let unversioned = snapshot.unversioned(&path);
    let located = snapshot.locate(&literal, unversioned.as_ref()).ok_or(Rejection::NoRoute)?;
    let Located { parts, matched, stated } = located;
    let route = matched.value.clone();
    let resolved = api_version::resolve(&route, &parts, stated, ctx);
    let served = ctx.version.as_ref().and_then(|version| route.served(version.wish.version));
    let split = match (&route.action, served) {
        (_, Some(served)) => Some(&served.upstreams),
        (Action::Proxy(split), None) => Some(split),
        _ => None,
    };
    let target = split.map(|split| split.pick(rand::random()).clone());
    // Now, because captures borrow from the request.
    let location = match &route.action {
        Action::Redirect(redirect) => redirect.location(&parts, &matched.captures),
        _ => None,
    };
    let rewritten = match (served, &route.rewrite) {
        (Some(served), _) => Some(versioned(served, &parts, &matched.captures, &snapshot)),
        (None, Some(rewrite)) => rewrite.apply(parts.path, parts.query, &matched.captures),
        (None, None) => None,
    };
    let rewritten = rewritten.or_else(|| normalised(&sent, &parts));
    let hash = target.as_ref().and_then(|target| {
        let client = ctx.client.as_ref()?;
        target.upstream.hash_key()?.of(parts.headers, parts.path, client.address)
    });
    let deadline = target.as_ref().and_then(|t| t.timeouts.total).map(|total| ctx.started_at + total);
    let pattern = matched.pattern.to_owned();
    let in_flight = route.metrics.begin();
    if ctx.inner.is_some() && matches!(route.action, Action::Graphql(_)) {
        return Err(Rejection::Recursion);
    }
    ctx.graphql = graphql::begin(request, &route);
    ctx.plan = Some(Plan { route, pattern, target, location, rewritten, deadline, hash, in_flight });
    resolved
}

/// On GraphQL's own listener there is one route, for whatever path.
fn select_graphql(
    request: &RequestHeader,
    ctx: &mut RequestContext,
    snapshot: &Snapshot,
) -> Result<(), Rejection> {
    let route = snapshot.graphql.clone().ok_or(Rejection::NoRoute)?;
    ctx.graphql = graphql::begin(request, &route);
    let in_flight = route.metrics.begin();
    ctx.plan = Some(Plan {
        route,
        pattern: "/**".to_owned(),
        target: None,
        location: None,
        rewritten: None,
        deadline: None,
        hash: None,
        in_flight,
    });
    Ok(())
}

/// The target for the service that speaks the version, as that version writes it.
pub fn versioned(
    served: &Served,
    parts: &RequestParts<'_>,
    captures: &Captures<'_, '_>,
    snapshot: &Snapshot,
) -> String {
    let versions = snapshot.versions.as_ref();
    let query = parts.query.map(|query| match versions {
        Some(versions) => versions.query_for(query, served.spoken),
        None => Cow::Borrowed(query),
    });
    let query = query.as_deref();
    let path = served.path.as_ref().and_then(|path| path.apply(parts.path, query, captures));
    path.unwrap_or_else(|| {
        let path = versions.map(|versions| versions.insert(parts.path, served.spoken));
        joined(path.as_deref().unwrap_or(parts.path), query)
    })
}

/// The path of a request as its route sees it, or as it is matched while there is none.
///
/// # Errors
/// [`Rejection::BadRequest`] if it is not fit to be routed.
pub fn seen<'r>(request: &'r RequestHeader, ctx: &'r RequestContext) -> Result<Cow<'r, str>, Rejection> {
    if let Some(version) = &ctx.version {
        return Ok(Cow::Borrowed(&version.path));
    }
    let snapshot = ctx.snapshot.as_ref().ok_or(Rejection::OutOfOrder)?;
    let path = snapshot.paths.apply(request.uri.path());
    path.map_err(|_| Rejection::BadRequest(BadRequestReason::SuspiciousPath))
}

/// A path and a query as one target.
pub fn joined(path: &str, query: Option<&str>) -> String {
    match query {
        None => path.to_owned(),
        Some(query) => format!("{path}?{query}"),
    }
}

/// The target for the backend, if its path is no longer the one that was sent.
pub fn normalised(sent: &RequestParts<'_>, seen: &RequestParts<'_>) -> Option<String> {
    (sent.path != seen.path).then(|| joined(seen.path, seen.query))
}

/// The parts of a request that routing looks at, with its path as sent.
pub fn parts(request: &RequestHeader) -> RequestParts<'_> {
    let host = request
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| request.headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    RequestParts {
        host: host.unwrap_or(""),
        path: request.uri.path(),
        query: request.uri.query(),
        method: &request.method,
        headers: &request.headers,
    }
}

/// Answers routes that need no upstream. `false`: the request goes on.
///
/// # Errors
/// A refusal if a redirect needs a host that the request does not name, and when
/// the answer cannot be written.
pub async fn answer_locally(
    session: &mut Session,
    ctx: &RequestContext,
    resources: &Resources,
) -> pingora_core::Result<bool> {
    let plan = ctx.planned()?;
    let (mut response, body) = match &plan.route.action {
        Action::Proxy(_) | Action::Versioned | Action::Graphql(_) => return Ok(false),
        Action::VersionList => {
            let mut response = ResponseHeader::build(http::StatusCode::OK, Some(8))?;
            response.insert_header(header::CONTENT_TYPE, "application/json")?;
            // Long enough to be useful to caches, short enough for the dates in it.
            response.insert_header(header::CACHE_CONTROL, "max-age=60")?;
            (response, api_version::list(ctx))
        }
        Action::Redirect(redirect) => {
            let to = plan.location.as_ref().ok_or(Rejection::BadRequest(BadRequestReason::MissingHost))?;
            let mut response = ResponseHeader::build(redirect.status(), Some(8))?;
            response.insert_header(header::LOCATION, to)?;
            (response, bytes::Bytes::new())
        }
        Action::Serve(ServeConfig::CacheStats) => {
            let mut response = ResponseHeader::build(http::StatusCode::OK, Some(8))?;
            response.insert_header(header::CONTENT_TYPE, "application/json")?;
            response.insert_header(header::CACHE_CONTROL, "no-store")?;
            (response, bytes::Bytes::from(format!("{:#}\n", manage::statistics(ctx, resources))))
        }
        Action::Respond { status, content_type, body } => {
            let mut response = ResponseHeader::build(*status, Some(8))?;
            response.insert_header(header::CONTENT_TYPE, content_type)?;
            (response, body.clone())
        }
    };
    if response.status != http::StatusCode::NO_CONTENT {
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    to_downstream(&mut response, ctx)?;
    explain::to_downstream(&mut response, explain::Cached::default(), None, ctx)?;
    answer(session, response, body).await?;
    Ok(true)
}
