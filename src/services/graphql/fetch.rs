//! The calls of an operation: requests of the gateway's own, through its own routes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use pingora_http::RequestHeader;

use crate::{
    cache::{key::Tag, policy::Lent, vary::Vary},
    graphql::{self, Answer, CallFailure, Reuse},
    phases::inner::{self, Failure, Origin},
    runtime::resources::Resources,
    telemetry::{cache::CacheResult, reason::ErrorReason},
};

/// Asks REST services on behalf of one caller.
pub struct Calls<'a> {
    origin: Origin,
    fields: &'a [(HeaderName, HeaderValue)],
    forward: &'a [HeaderName],
    resources: &'a Arc<Resources>,
    made_of: Mutex<MadeOf>,
}

/// What the answers of an operation say of keeping the response that is made of them, beside how
/// long it may be kept.
#[derive(Clone, Debug, Default)]
pub struct MadeOf {
    /// The tags that void them.
    pub tags: Vec<Tag>,
    /// The fields of the request that they depend on, of those that are passed on.
    pub varies_by: Vec<HeaderName>,
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
        let (body_max, field) = (call.answer_max, Some(call.field));
        let call = inner::Call { request, body, body_max, deadline, field };
        match inner::ask(&self.origin, call, self.resources).await {
            Ok(answer) => self.answer(answer),
            Err(Failure::TooLarge) => Err(CallFailure::TooLarge),
            Err(Failure::Timeout) => Err(CallFailure::Timeout),
            Err(Failure::Broken) => Err(CallFailure::Invalid),
        }
    }
}

impl<'a> Calls<'a> {
    /// Calls of this caller. `fields` is what each carries, see [`passed_on`]; `forward` names
    /// those that are passed on where a request has them.
    pub fn new(
        origin: Origin,
        fields: &'a [(HeaderName, HeaderValue)],
        forward: &'a [HeaderName],
        resources: &'a Arc<Resources>,
    ) -> Self {
        Self { origin, fields, forward, resources, made_of: Mutex::default() }
    }

    /// What has been learned of the answers.
    pub fn made_of(self) -> MadeOf {
        let mut made_of = self.made_of.into_inner();
        made_of.tags.sort_unstable();
        made_of.tags.dedup();
        made_of
    }

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

    fn answer(&self, answer: inner::Answer) -> Result<Answer, CallFailure> {
        let inner::Answer { head, body, told } = answer;
        if let Some(failure) = told.refused.and_then(failure_of) {
            return Err(failure);
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            // None was asked for.
            return Err(CallFailure::Invalid);
        }
        // That something is not there is nothing to be kept: it may be there next time.
        let lent = told.lent.filter(|_| head.status.is_success());
        let reuse = self.reuse(&head.headers, lent);
        self.made_of.lock().tags.extend(told.tags);
        Ok(Answer {
            status: head.status,
            body,
            reuse,
            cache: cache_of(told.cache),
            retry_after: retry_after(head.status, &head.headers),
        })
    }

    /// How an answer may be reused, as our cache judges it. Of what it varies by, only the fields
    /// that are passed on differ between callers.
    fn reuse(&self, fields: &HeaderMap, lent: Option<Lent>) -> Reuse {
        let (Some(lent), Ok(vary)) = (lent, Vary::of_headers(fields)) else {
            return Reuse { no_store: true, ..Reuse::default() };
        };
        let mut is_private = lent.is_private;
        // Also of a request that lacks such a field: the next one may have it.
        let passed_on = |sent: &&[u8]| {
            self.forward.iter().find(|name| name.as_str().as_bytes().eq_ignore_ascii_case(sent))
        };
        for name in vary.names().iter().filter_map(passed_on) {
            if *name == header::AUTHORIZATION {
                is_private = true;
                continue;
            }
            let varies_by = &mut self.made_of.lock().varies_by;
            if !varies_by.contains(name) {
                varies_by.push(name.clone());
            }
        }
        Reuse { fresh_for: lent.fresh_for, is_private, no_store: false }
    }
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

/// Only whole seconds: a date is not worth reading here.
fn retry_after(status: StatusCode, fields: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let seconds = fields.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
