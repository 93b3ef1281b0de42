//! Whether the route's limits let a request pass, and what its response tells of them.

use std::{borrow::Cow, sync::Arc};

use pingora_http::{RequestHeader, ResponseHeader};
use serde_json::Value;

use super::{context::RequestContext, rejection::Rejection};
use crate::{
    auth::Kind,
    rate_limit::{Caller, Charged, Held, RATELIMIT, RATELIMIT_POLICY, Report},
};

/// Takes what the request owes whoever calls, before that is found out: passwords are not hashed,
/// and services not asked, for those who have used up what they may. To be given back just before
/// the request is charged.
///
/// # Errors
/// [`Rejection::RateLimited`]; then nothing is taken.
pub fn hold(request: &RequestHeader, ctx: &mut RequestContext) -> Result<Held, Rejection> {
    let address = ctx.client.as_ref().map(|client| client.address);
    let anybody = Caller { address, subject: None, api_key: None, claim: &|_| None };
    let limits = &ctx.planned()?.route.rate_limits;
    limits.hold(&request.method, &request.headers, &anybody).map_err(|report| refuse(report, ctx))
}

/// Charges the request to the limits of its route.
///
/// Where nobody is known to call, limits by identity, API key or claim go by the address.
///
/// # Errors
/// [`Rejection::RateLimited`]; then the request is charged to none.
pub async fn charge(request: &RequestHeader, ctx: &mut RequestContext) -> Result<(), Rejection> {
    let route = &ctx.planned()?.route;
    if route.rate_limits.is_empty() {
        return Ok(());
    }
    let route = Arc::clone(route);
    let charged = {
        let address = ctx.client.as_ref().map(|client| client.address);
        let identity = ctx.identity.as_deref();
        // The same name means somebody else to another provider, or issuer.
        let subject = identity.map(|identity| {
            format!("{}\0{}\0{}", identity.provider(), identity.issuer(), identity.subject())
        });
        let is_key = identity.is_some_and(|identity| identity.kind() == Kind::ApiKey);
        let claim = |name: &str| match identity?.claim(name)? {
            Value::String(text) => Some(Cow::Borrowed(text.as_str())),
            other => Some(Cow::Owned(other.to_string())),
        };
        let api_key = subject.as_deref().filter(|_| is_key);
        let caller = Caller { address, subject: subject.as_deref(), api_key, claim: &claim };
        route.rate_limits.charge(&request.method, &request.headers, &caller)
    };
    let charged = match charged {
        Ok(Charged::Passed(report)) => Ok(report),
        // Boxed: few limits are shared, and every request would carry the future.
        Ok(Charged::Pending(pending)) => Box::pin(pending.charge()).await,
        Err(report) => Err(report),
    };
    match charged {
        Ok(report) => {
            ctx.rate_limit = report;
            Ok(())
        }
        Err(report) => Err(refuse(report, ctx)),
    }
}

fn refuse(report: Report, ctx: &mut RequestContext) -> Rejection {
    let refusal = Rejection::RateLimited { retry_after: report.retry_after() };
    ctx.rate_limit = Some(report);
    // The cache was not asked, and shall not be counted.
    ctx.cache = None;
    refusal
}

/// Whether the request was charged to any limit, or refused by one.
pub fn is_charged(ctx: &RequestContext) -> bool {
    ctx.rate_limit.is_some()
}

/// Adds `RateLimit` and `RateLimit-Policy`, as far as the limit wants them. What the backend
/// says of limits of its own gives way.
///
/// # Errors
/// If a field cannot be set.
pub fn describe(response: &mut ResponseHeader, ctx: &RequestContext) -> pingora_core::Result<()> {
    if let Some((policy, left)) = ctx.rate_limit.as_ref().and_then(|report| report.fields()) {
        response.insert_header(RATELIMIT_POLICY, policy)?;
        response.insert_header(RATELIMIT, left)?;
    }
    Ok(())
}
