//! What the backend and the client get to see beyond what the other side sent.

use http::{Version, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::context::RequestContext;
use crate::{
    cache::directives::{CAPABILITY, CAPABILITY_FIELD},
    headers::{self, Hop},
};

/// Completes the request for the backend: target, forwarding fields, id, the route's rules.
///
/// # Errors
/// A refusal if routing has not run, or if a field cannot be set.
pub fn to_upstream(upstream: &mut RequestHeader, version: Version, ctx: &RequestContext) -> Result<()> {
    let plan = ctx.planned()?;
    headers::strip_request(upstream);
    if let Some(target) = &plan.rewritten {
        set_target(upstream, target)?;
    }
    if let (Some(snapshot), Some(client), Some(listener), Some(id)) =
        (&ctx.snapshot, &ctx.client, &ctx.listener, &ctx.request_id)
    {
        let hop = Hop { client, listener: &listener.fields, version, id };
        snapshot.forwarding.to_upstream(upstream, &hop)?;
    }
    if plan.route.cache.as_ref().is_some_and(|cache| cache.policy.heeds_surrogate_control()) {
        // Instead of what the client sent: what it claims must not decide what all others get.
        upstream.insert_header(CAPABILITY_FIELD, CAPABILITY)?;
    }
    plan.route.request_headers.apply_request(upstream)?;
    if let Some(host) = plan.route.rewrite.as_ref().and_then(|rewrite| rewrite.host()) {
        upstream.insert_header(header::HOST, host)?;
    }
    Ok(())
}

fn set_target(upstream: &mut RequestHeader, target: &str) -> Result<()> {
    if upstream.uri.authority().is_some() {
        let mut parts = upstream.uri.clone().into_parts();
        parts.path_and_query = target.parse().ok();
        if let Ok(uri) = http::Uri::from_parts(parts) {
            upstream.set_uri(uri);
        }
        return Ok(());
    }
    upstream.set_raw_path(target.as_bytes())
}

/// Cleans the backend's response: what concerned only our connection to it goes.
pub fn from_upstream(response: &mut ResponseHeader) {
    // A message is sent in the sender's version, whoever it came from (RFC 9110 section 2.5).
    if response.version < Version::HTTP_11 {
        response.set_version(Version::HTTP_11);
    }
    headers::strip_response(response);
}

/// Completes the response for the client: id, protective fields, the route's rules.
///
/// # Errors
/// If a field cannot be set.
pub fn to_downstream(response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    identify(response, ctx)?;
    if let Some(plan) = &ctx.plan {
        if let Some(security) = &plan.route.security_headers {
            security.apply(response, ctx.is_tls())?;
        }
        plan.route.response_headers.apply_response(response)?;
    }
    Ok(())
}

/// The fields that name the gateway and the request, on every response.
///
/// # Errors
/// If a field cannot be set.
pub fn identify(response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    match (&ctx.snapshot, &ctx.request_id) {
        (Some(snapshot), Some(id)) => snapshot.forwarding.to_downstream(response, ctx.attempts.version, id),
        _ => Ok(()),
    }
}
