//! The calls of an operation: requests of the gateway's own, through its own routes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_http::RequestHeader;

use crate::{
    cache::directives::ResponseDirectives,
    graphql::{self, Answer, CallFailure, Reuse},
    phases::inner::{self, Failure, Origin},
    runtime::resources::Resources,
    telemetry::{cache::CacheResult, reason::ErrorReason},
};

/// Asks REST services on behalf of one caller.
pub struct Calls<'a> {
    /// Who the caller is to them.
    pub origin: Origin,
    /// What every call carries: the host of the request, and the fields that are passed on.
    pub fields: &'a [(HeaderName, HeaderValue)],
    /// What they go through.
    pub resources: &'a Arc<Resources>,
}

/// The fields of a request that its calls carry: its host, and those that are configured.
///
/// Credentials are passed on as they came and judged anew by the route that is called: the
/// route of GraphQL may ask for less.
pub fn passed_on(request: &RequestHeader, forward: &[HeaderName]) -> Vec<(HeaderName, HeaderValue)> {
    let authority = request.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let host = authority.or_else(|| request.headers.get(header::HOST).cloned());
    let host = host.into_iter().map(|host| (header::HOST, host));
    let others = forward
        .iter()
        .flat_map(|name| request.headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    host.chain(others).collect()
}

#[async_trait]
impl graphql::Fetch for Calls<'_> {
    async fn fetch(&self, call: graphql::Call) -> Result<Answer, CallFailure> {
        let request = self.request(&call).ok_or(CallFailure::Invalid)?;
        let body = call.body.unwrap_or_default();
        let deadline = call.deadline.into_std();
        let call = inner::Call { request, body, body_max: call.answer_max, deadline };
        match inner::ask(&self.origin, call, self.resources).await {
            Ok(answer) => answer_of(answer),
            Err(Failure::TooLarge) => Err(CallFailure::TooLarge),
            Err(Failure::Timeout) => Err(CallFailure::Timeout),
            Err(Failure::Broken) => Err(CallFailure::Invalid),
        }
    }
}

impl Calls<'_> {
    /// The head of a call. `None`: its target is none.
    fn request(&self, call: &graphql::Call) -> Option<RequestHeader> {
        let size = self.fields.len() + call.headers.len() + 3;
        let target = call.target.as_bytes();
        let mut request = RequestHeader::build_no_case(call.method.clone(), target, Some(size)).ok()?;
        for (name, value) in self.fields {
            request.append_header(name.clone(), value.clone()).ok()?;
        }
        let json = HeaderValue::from_static("application/json");
        request.insert_header(header::ACCEPT, json.clone()).ok()?;
        if let Some(body) = &call.body {
            request.insert_header(header::CONTENT_TYPE, json).ok()?;
            request.insert_header(header::CONTENT_LENGTH, body.len()).ok()?;
        }
        for (name, value) in &call.headers {
            request.insert_header(name.clone(), value.clone()).ok()?;
        }
        Some(request)
    }
}

fn answer_of(answer: inner::Answer) -> Result<Answer, CallFailure> {
    let inner::Answer { head, body, told } = answer;
    if let Some(failure) = told.refused.and_then(failure_of) {
        return Err(failure);
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        // None was asked for.
        return Err(CallFailure::Invalid);
    }
    Ok(Answer {
        status: head.status,
        body,
        reuse: reuse(&head.headers, &told),
        cache: cache_of(told.cache),
        retry_after: retry_after(head.status, &head.headers),
    })
}

/// What a refusal of the gateway's own says of the service. `None`: it is an answer, such as a
/// 403 of a route's rule.
fn failure_of(reason: ErrorReason) -> Option<CallFailure> {
    Some(match reason {
        ErrorReason::NoHealthyBackend
        | ErrorReason::Overloaded
        | ErrorReason::CircuitOpen
        | ErrorReason::ConnectFailed
        | ErrorReason::ConnectTimeout
        | ErrorReason::TlsFailed
        | ErrorReason::UpstreamReset
        | ErrorReason::AuthUnavailable
        // The schema names a route that is not there.
        | ErrorReason::NoRoute
        | ErrorReason::Recursion => CallFailure::Unavailable,
        ErrorReason::UpstreamTimeout | ErrorReason::TotalTimeout => CallFailure::Timeout,
        ErrorReason::UpstreamBadResponse | ErrorReason::MappingResponse => CallFailure::Invalid,
        _ => return None,
    })
}

fn cache_of(result: Option<CacheResult>) -> graphql::CacheResult {
    match result {
        Some(CacheResult::Hit) => graphql::CacheResult::Hit,
        Some(CacheResult::Stale) => graphql::CacheResult::Stale,
        Some(CacheResult::Revalidated) => graphql::CacheResult::Revalidated,
        Some(CacheResult::Miss | CacheResult::Expired) => graphql::CacheResult::Miss,
        Some(CacheResult::Bypass | CacheResult::Uncacheable) | None => graphql::CacheResult::Bypass,
    }
}

/// How an answer may be reused: as our cache keeps it, or else as it says itself. One that
/// cannot be understood is not.
fn reuse(fields: &HeaderMap, told: &inner::Told) -> Reuse {
    let Ok(directives) = ResponseDirectives::read(fields) else {
        return Reuse { no_store: true, ..Reuse::default() };
    };
    let age = fields.get(header::AGE).and_then(|age| age.to_str().ok()?.parse().ok()).unwrap_or(0);
    let stated =
        directives.max_age.map(|seconds| Duration::from_secs(u64::from(seconds).saturating_sub(age)));
    Reuse {
        fresh_for: told.fresh_for.or(stated.filter(|_| !directives.no_cache)),
        is_private: told.personal || directives.private || !directives.withheld.is_empty(),
        no_store: directives.no_store,
    }
}

/// Only whole seconds: a date is not worth reading here.
fn retry_after(status: StatusCode, fields: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let seconds = fields.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
