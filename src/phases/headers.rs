//! What the backend and the client get to see beyond what the other side sent.

use std::any::Any;

use async_trait::async_trait;
use http::{Version, header};
use pingora_core::{
    Result,
    modules::http::{HttpModule, HttpModuleBuilder, HttpModules, Module},
};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::{api_version, auth, context::RequestContext, rate_limit};
use crate::{
    cache::directives::{CAPABILITY, CAPABILITY_FIELD},
    headers::{self, Hop},
};

/// Completes the request for the backend: target, forwarding fields, id, the route's rules.
///
/// # Errors
/// A refusal if routing has not run, or if a field cannot be set.
pub fn to_upstream(
    upstream: &mut RequestHeader,
    request: &RequestHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let plan = ctx.planned()?;
    headers::strip_request(upstream);
    if let Some(target) = &plan.rewritten {
        set_target(upstream, target)?;
    }
    let (path, query) = (upstream.uri.path(), upstream.uri.query());
    if let Some(target) = auth::without_credentials(&plan.route, path, query) {
        set_target(upstream, &target)?;
    }
    if let (Some(snapshot), Some(client), Some(listener), Some(id)) =
        (&ctx.snapshot, &ctx.client, &ctx.listener, &ctx.request_id)
    {
        let hop = Hop { client, listener: &listener.fields, version: request.version, id };
        snapshot.forwarding.to_upstream(upstream, &hop)?;
    }
    auth::to_upstream(upstream, request, ctx)?;
    if plan.route.cache.as_ref().is_some_and(|cache| cache.policy.heeds_surrogate_control()) {
        // Instead of what the client sent: what it claims must not decide what all others get.
        upstream.insert_header(CAPABILITY_FIELD, CAPABILITY)?;
    }
    api_version::to_upstream(upstream, ctx)?;
    let rules = ctx.served().map_or(&plan.route.request_headers, |served| &served.request_headers);
    rules.apply_request(upstream)?;
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

/// Ends the connection with the body where an HTTP/1.0 client cannot find its end otherwise.
pub fn frame(session: &mut Session, response: &ResponseHeader) {
    if session.req_header().version == Version::HTTP_10
        && !response.headers.contains_key(header::CONTENT_LENGTH)
    {
        session.set_keepalive(None);
    }
}

/// Makes sure that an HTTP/1.0 client gets no transfer coding (RFC 9112 section 6.1).
///
/// A module, because Pingora chooses the coding after the last filter of the response.
pub fn speak_http10(session: &mut Session) {
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(NoTransferCoding));
    session.downstream_modules_ctx = modules.build_ctx();
}

struct NoTransferCoding;

impl HttpModuleBuilder for NoTransferCoding {
    fn init(&self) -> Module {
        Box::new(Self)
    }
}

#[async_trait]
impl HttpModule for NoTransferCoding {
    async fn response_header_filter(&mut self, response: &mut ResponseHeader, _last: bool) -> Result<()> {
        response.remove_header(&header::TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Completes the response for the client: id, limits, protective fields, the route's rules.
///
/// # Errors
/// If a field cannot be set.
pub fn to_downstream(response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    identify(response, ctx)?;
    api_version::announce(response, ctx)?;
    rate_limit::describe(response, ctx)?;
    if let Some(plan) = &ctx.plan {
        if let Some(security) = &plan.route.security_headers {
            security.apply(response, ctx.is_tls())?;
        }
        let rules = ctx.served().map_or(&plan.route.response_headers, |served| &served.response_headers);
        rules.apply_response(response)?;
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
