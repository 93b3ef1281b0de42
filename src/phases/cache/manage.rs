//! Requests to the cache itself on the public side: the `PURGE` method and the statistics.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::names;
use crate::{
    auth::has_bearer,
    cache::{
        invalidation::{Glob, Mode},
        purge::{PurgeRequest, Subject},
        tags::TagTemplates,
    },
    phases::{
        answer::{answer, respond},
        context::RequestContext,
        headers::to_downstream,
        rejection::Rejection,
    },
    runtime::{resources::Resources, snapshot::Snapshot},
    telemetry::reason::BadRequestReason,
};

/// What is asked of the cache itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To drop the URL of the request.
    Purge,
    /// Its statistics.
    Statistics,
}

/// Whether a request is about the cache itself, whoever asks.
pub fn concerns(request: &RequestHeader, resources: &Resources) -> bool {
    resources.cache_stats.as_ref().is_some_and(|stats| request.uri.path() == stats.path)
}

/// What a request asks of the cache itself; `None`: nothing, it is one like any other.
///
/// # Errors
/// A refusal if the client may not.
pub fn wanted(
    request: &RequestHeader,
    ctx: &RequestContext,
    resources: &Resources,
) -> std::result::Result<Option<Wanted>, Rejection> {
    if request.method.as_str() == "PURGE"
        && let Some(from) = &resources.purge_from
    {
        let may = ctx.client.as_ref().is_some_and(|client| from.contains(client.address));
        return if may { Ok(Some(Wanted::Purge)) } else { Err(Rejection::PurgeForbidden) };
    }
    let Some(stats) = &resources.cache_stats else { return Ok(None) };
    if request.uri.path() != stats.path || !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    if has_bearer(&request.headers, stats.token.expose()) {
        Ok(Some(Wanted::Statistics))
    } else {
        Err(Rejection::Unauthorized)
    }
}

/// Does it and answers.
///
/// # Errors
/// If the answer cannot be written.
pub async fn serve(
    wanted: Wanted,
    session: &mut Session,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Result<()> {
    let value = match wanted {
        Wanted::Purge => match purge(session.req_header(), ctx, resources).await {
            Some(value) => value,
            None => {
                let refusal = Rejection::BadRequest(BadRequestReason::SuspiciousPath);
                respond(session, ctx, refusal).await;
                return Ok(());
            }
        },
        Wanted::Statistics => statistics(ctx, resources),
    };
    let body = Bytes::from(format!("{value:#}\n"));
    let mut response = ResponseHeader::build(StatusCode::OK, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, "application/json")?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    to_downstream(&mut response, ctx)?;
    answer(session, response, body).await
}

/// What the cache has done so far.
pub fn statistics(ctx: &RequestContext, resources: &Resources) -> Value {
    match &ctx.snapshot {
        Some(snapshot) => resources.cache.statistics(snapshot.cached_routes()),
        None => json!({}),
    }
}

/// The pattern without a version of the API, under which routes with versions keep what is named
/// with one: a resource is purged in all its versions.
pub fn other_patterns(subject: &Subject, snapshot: &Snapshot) -> Vec<Subject> {
    let Subject::Pattern(glob) = subject else { return Vec::new() };
    let (host, path) = glob.text().split_at(glob.text().find('/').unwrap_or(glob.text().len()));
    let plain = snapshot.unversioned(path);
    let plain = plain.and_then(|plain| Glob::parse(&format!("{host}{}", plain.path)).ok());
    plain.map(Subject::Pattern).into_iter().collect()
}

/// By the name that what is stored for the request's URL bears; `None`: no request is served
/// with such a path.
async fn purge(request: &RequestHeader, ctx: &RequestContext, resources: &Resources) -> Option<Value> {
    let snapshot = ctx.snapshot.as_ref()?;
    let (url, _) = names(request, ctx, &TagTemplates::default(), resources.cache.keys()).ok()?;
    let request = PurgeRequest { subject: Subject::Urls(vec![url]), mode: Mode::Hard, also: Vec::new() };
    Some(json!(resources.cache.purge(request, |url| snapshot.purge_names(url)).await))
}
