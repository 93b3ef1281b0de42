//! Whether the route's limits let a request pass, and what its response tells of them.

use std::sync::Arc;

use pingora_http::{RequestHeader, ResponseHeader};

use super::{context::RequestContext, rejection::Rejection};
use crate::rate_limit::{Caller, Charged, RATELIMIT, RATELIMIT_POLICY};

/// Charges the request to the limits of its route.
///
/// Nothing that was verified of the caller is known yet: limits by identity, API key or
/// claim go by the address.
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
        let caller = Caller { address, subject: None, api_key: None, claim: &|_| None };
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
        Err(report) => {
            let refusal = Rejection::RateLimited { retry_after: report.retry_after() };
            ctx.rate_limit = Some(report);
            // The cache was not asked, and shall not be counted.
            ctx.cache = None;
            Err(refusal)
        }
    }
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
