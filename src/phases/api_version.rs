//! Which version of the API a request is for, and what both sides are told about it.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::{context::RequestContext, rejection::Rejection};
use crate::{
    api_version::{VersionError, Versions, Wish, life::Phase, listing},
    auth::{Identity, Kind},
    config::api_version::ConsumerConfig,
    routing::RequestParts,
    runtime::{resources::Resources, route::Route},
    telemetry::api_version::{VersionOrigin, VersionRefusal},
};

/// The version a request is for.
pub struct RequestVersion {
    /// All versions there are.
    pub versions: Arc<Versions>,
    /// The one it is for.
    pub wish: Wish,
    /// Its path without the version: as its route sees it.
    pub path: Box<str>,
}

/// Why a request is refused for its version, and what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionProblem {
    reason: VersionRefusal,
    /// What stated the version.
    origin: Option<VersionOrigin>,
    /// The versions there are for this request.
    pub supported: Vec<String>,
    /// Seconds after which trying again may help.
    pub retry_after: Option<u32>,
}

impl VersionProblem {
    /// The stable code of the answer.
    pub fn code(&self) -> &'static str {
        match self.reason {
            VersionRefusal::Unknown | VersionRefusal::NotServed => "unsupported_version",
            VersionRefusal::Conflict => "version_conflict",
            VersionRefusal::Brownout => "version_brownout",
            VersionRefusal::Sunset => "version_sunset",
        }
    }

    /// The status code of the answer: by where the version was stated.
    pub fn status(&self) -> StatusCode {
        match (self.reason, self.origin) {
            (VersionRefusal::Conflict, _) => StatusCode::BAD_REQUEST,
            (VersionRefusal::Brownout, _) => StatusCode::SERVICE_UNAVAILABLE,
            (VersionRefusal::Sunset, _) => StatusCode::GONE,
            (_, Some(VersionOrigin::Header | VersionOrigin::Query)) => StatusCode::BAD_REQUEST,
            (_, Some(VersionOrigin::Accept)) => StatusCode::NOT_ACCEPTABLE,
            (_, Some(VersionOrigin::Path | VersionOrigin::Default) | None) => StatusCode::NOT_FOUND,
        }
    }

    /// One sentence for the client.
    pub fn detail(&self) -> Cow<'static, str> {
        let supported = self.supported.join(", ");
        match self.reason {
            VersionRefusal::Unknown | VersionRefusal::NotServed => {
                format!("This version of the API is not served here. Supported: {supported}.").into()
            }
            VersionRefusal::Conflict => "The request states different versions of the API.".into(),
            VersionRefusal::Brownout => format!(
                "This version of the API is about to end and away for a while. Supported: {supported}."
            )
            .into(),
            VersionRefusal::Sunset => {
                format!("This version of the API has ended. Supported: {supported}.").into()
            }
        }
    }
}

/// Finds the version of a request on a route that has versions, and whether it may be used now.
/// Nothing is counted yet: what memory cannot answer comes here again.
///
/// # Errors
/// [`Rejection::ApiVersion`].
pub fn resolve(
    route: &Route,
    parts: &RequestParts<'_>,
    stated: Option<&str>,
    ctx: &mut RequestContext,
) -> Result<(), Rejection> {
    let versions = ctx.snapshot.as_ref().and_then(|snapshot| snapshot.versions.as_ref());
    let Some(versions) = versions.filter(|_| route.is_versioned()).map(Arc::clone) else { return Ok(()) };
    let refuse = |reason, origin, retry_after| {
        let supported = versions.all().filter(|&version| {
            let over = versions.life(version).phase(SystemTime::now()) == Phase::Sunset;
            route.served(version).is_some() && !over
        });
        let supported = supported.map(|version| versions.name(version).to_owned()).collect();
        Err(Rejection::ApiVersion(Box::new(VersionProblem { reason, origin, supported, retry_after })))
    };
    let wish = match versions.find(stated, parts.headers, parts.query) {
        Ok(wish) => wish,
        Err(VersionError::Unknown(origin)) => return refuse(VersionRefusal::Unknown, Some(origin), None),
        Err(VersionError::Conflict) => return refuse(VersionRefusal::Conflict, None, None),
    };
    if route.served(wish.version).is_none() {
        return refuse(VersionRefusal::NotServed, Some(wish.origin), None);
    }
    let life = versions.life(wish.version);
    ctx.version = Some(RequestVersion { versions: Arc::clone(&versions), wish, path: parts.path.into() });
    if !life.pauses_or_ends() {
        return Ok(());
    }
    let now = SystemTime::now();
    match life.phase(now) {
        Phase::Current | Phase::Deprecated => Ok(()),
        Phase::Sunset => refuse(VersionRefusal::Sunset, Some(wish.origin), None),
        Phase::Brownout { until } => {
            let wait = until.duration_since(now).map_or(0, |wait| wait.as_secs() + 1);
            let wait = u32::try_from(wait).unwrap_or(u32::MAX);
            refuse(VersionRefusal::Brownout, Some(wish.origin), Some(wait))
        }
    }
}

/// Counts the request by its version, or that it was refused for it.
pub fn count(
    request: &RequestHeader,
    ctx: &RequestContext,
    refusal: Option<&Rejection>,
    resources: &Resources,
) {
    if let (Some(RequestVersion { wish, .. }), Some(served)) = (&ctx.version, ctx.served()) {
        served.metrics.get(wish.origin).inc();
    }
    if let Some(Rejection::ApiVersion(problem)) = refusal {
        resources.metrics.api_versions().refused(problem.reason);
        // Nobody will be asked who calls.
        called(request, ctx, resources);
    }
}

/// Counts the call of a version that ends, once it is known who calls.
pub fn called(request: &RequestHeader, ctx: &RequestContext, resources: &Resources) {
    let (Some(RequestVersion { versions, wish, .. }), Some(plan)) = (&ctx.version, &ctx.plan) else { return };
    if versions.life(wish.version).ends() {
        let consumer = consumer(ctx, &request.headers);
        let families = resources.metrics.api_versions();
        families.called(versions.name(wish.version), &plan.route.name, &consumer, SystemTime::now());
    }
}

/// Who calls, as the operator wants callers told apart.
fn consumer(ctx: &RequestContext, headers: &HeaderMap) -> String {
    let config = ctx.snapshot.as_ref().and_then(|snapshot| snapshot.config.api_versions.as_ref());
    match config.map(|config| &config.consumer) {
        Some(ConsumerConfig::Header(name)) => {
            let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            // Long enough for any name of an application, too short to fill a table with.
            value.map_or_else(|| "_none".to_owned(), |value| value.chars().take(64).collect())
        }
        Some(ConsumerConfig::Identity) if ctx.identity.is_some() => {
            ctx.identity.as_deref().map(name).unwrap_or_default()
        }
        _ => ctx.client.as_ref().map_or_else(|| "_none".to_owned(), |client| client.address.to_string()),
    }
}

/// A name for a caller that is no personal data: of an application where there is one.
fn name(identity: &Identity) -> String {
    let client = || ["azp", "client_id"].iter().find_map(|name| identity.claim(name)?.as_str());
    match identity.kind() {
        Kind::ApiKey => format!("{}:{}", identity.provider(), identity.subject()),
        _ => match client() {
            Some(client) => {
                format!("{}:{}", identity.provider(), client.chars().take(64).collect::<String>())
            }
            None => format!("{}:{}", identity.provider(), identity.tag()),
        },
    }
}

/// Tells the backend the version it speaks, in place of the one the client asked for.
///
/// # Errors
/// If a field cannot be set.
pub fn to_upstream(upstream: &mut RequestHeader, ctx: &RequestContext) -> Result<()> {
    let Some(RequestVersion { versions, wish, .. }) = &ctx.version else { return Ok(()) };
    let Some(served) = ctx.plan.as_ref().and_then(|plan| plan.route.served(wish.version)) else {
        return Ok(());
    };
    upstream.insert_header(versions.header(), versions.value(served.spoken))?;
    // What the client calls a version of the vendor's is plain JSON to the service, also where
    // something else has decided: it must not hear of two versions.
    if wish.origin == VersionOrigin::Accept || versions.are_in_accept(&upstream.headers) {
        upstream.insert_header(header::ACCEPT, "application/json")?;
    }
    if upstream.headers.get(header::CONTENT_TYPE).is_some_and(|kind| versions.is_vendors(kind)) {
        upstream.insert_header(header::CONTENT_TYPE, "application/json")?;
    }
    Ok(())
}

/// Tells the client which version it got, until when there is one, and what follows.
///
/// # Errors
/// If a field cannot be set.
pub fn announce(response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    let Some(RequestVersion { versions, wish, path }) = &ctx.version else { return Ok(()) };
    response.insert_header(versions.header(), versions.value(wish.version))?;
    for field in versions.varies_by(wish.origin) {
        if !varies_by(&response.headers, field.as_str()) {
            response.append_header(header::VARY, HeaderValue::from(field))?;
        }
    }
    if wish.origin == VersionOrigin::Accept
        && is_json(&response.headers)
        && let Some(kind) = versions.media_type(wish.version)
    {
        response.insert_header(header::CONTENT_TYPE, kind)?;
    }
    if let Some(served) = ctx.served().filter(|served| served.spoken != wish.version) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let there = response.headers.get(&name).and_then(|value| value.to_str().ok());
            if let Some(here) = there.and_then(|path| versions.translate(path, served.spoken, wish.version)) {
                response.insert_header(name, here)?;
            }
        }
    }
    let life = versions.life(wish.version);
    if let Some(at) = &life.deprecation_field {
        response.insert_header("deprecation", at)?;
    }
    if let Some(at) = &life.sunset_field {
        response.insert_header("sunset", at)?;
    }
    if let Some(link) = &life.link_field {
        response.append_header(header::LINK, link)?;
    }
    if life.ends()
        && let Some(successor) = versions.successor_path(wish.version, path)
    {
        response.append_header(header::LINK, format!("<{successor}>; rel=\"successor-version\""))?;
    }
    Ok(())
}

fn varies_by(headers: &HeaderMap, field: &str) -> bool {
    let lines = headers.get_all(header::VARY).iter();
    let mut members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    members.any(|member| member.trim_ascii().eq_ignore_ascii_case(field.as_bytes()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The list of the versions, as the body of a response.
pub fn list(ctx: &RequestContext) -> Bytes {
    let versions = ctx.snapshot.as_ref().and_then(|snapshot| snapshot.versions.as_ref());
    let list = versions.map(|versions| listing::listing(versions, SystemTime::now()));
    Bytes::from(format!("{:#}\n", list.unwrap_or_default()))
}

/// Adds what the problem document of a refusal says of versions.
pub fn extend(problem: &VersionProblem, document: &mut serde_json::Value) {
    document["supported"] = problem.supported.as_slice().into();
}
