//! From the request and the snapshot to a plan; answers that need no upstream.

use http::header;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::{
    cache::manage,
    context::{Plan, RequestContext},
    headers::to_downstream,
    rejection::{Rejection, answer},
};
use crate::{
    config::route::ServeConfig,
    routing::RequestParts,
    runtime::{resources::Resources, route::Action},
    telemetry::reason::BadRequestReason,
};

/// Matches the request and resolves everything later phases need.
///
/// # Errors
/// [`Rejection::NoRoute`] when no route takes it, [`Rejection::BadRequest`] when
/// its path is not fit to be routed.
pub fn select(request: &RequestHeader, ctx: &mut RequestContext) -> Result<(), Rejection> {
    let snapshot = ctx.snapshot.as_ref().ok_or(Rejection::OutOfOrder)?;
    let sent = parts(request);
    let path = snapshot.paths.apply(sent.path);
    let path = path.map_err(|_| Rejection::BadRequest(BadRequestReason::SuspiciousPath))?;
    let parts = RequestParts { path: &path, ..sent };
    let matched = snapshot.routes.find(&parts).ok_or(Rejection::NoRoute)?;
    let route = matched.value.clone();
    let (target, location) = match &route.action {
        Action::Proxy(split) => (Some(split.pick(rand::random()).clone()), None),
        // Now, because captures borrow from the request.
        Action::Redirect(redirect) => (None, redirect.location(&parts, &matched.captures)),
        Action::Respond { .. } | Action::Serve(_) => (None, None),
    };
    let rewritten =
        route.rewrite.as_ref().and_then(|rewrite| rewrite.apply(parts.path, parts.query, &matched.captures));
    let rewritten = rewritten.or_else(|| normalised(&sent, &parts));
    let hash = target.as_ref().and_then(|target| {
        let client = ctx.client.as_ref()?;
        target.upstream.hash_key()?.of(parts.headers, parts.path, client.address)
    });
    let deadline = target.as_ref().and_then(|t| t.timeouts.total).map(|total| ctx.started_at + total);
    let pattern = matched.pattern.to_owned();
    let path = (sent.path != parts.path).then(|| parts.path.to_owned());
    let in_flight = route.metrics.begin();
    ctx.plan = Some(Plan { route, pattern, path, target, location, rewritten, deadline, hash, in_flight });
    Ok(())
}

/// The target for the backend, if its path is no longer the one that was sent.
pub fn normalised(sent: &RequestParts<'_>, seen: &RequestParts<'_>) -> Option<String> {
    (sent.path != seen.path).then(|| match seen.query {
        None => seen.path.to_owned(),
        Some(query) => format!("{}?{query}", seen.path),
    })
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
        Action::Proxy(_) => return Ok(false),
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
    answer(session, response, body).await?;
    Ok(true)
}
