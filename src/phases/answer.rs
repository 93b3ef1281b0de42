//! The answers that the gateway gives itself: refusals, and bodies it has made.

use bytes::Bytes;
use http::{StatusCode, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::{
    api_version, context::RequestContext, explain, graphql, inner, rate_limit, rejection::Rejection,
};

/// Whether a response with this status ends HTTP's part of the exchange: any but an
/// interim one. After a 101 the bytes belong to another protocol.
pub fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// Answers with the refusal, unless something has been answered already.
///
/// Returns the status code the client got: that of the refusal, that of the
/// response under way, or 0 when there is nobody left to answer.
pub async fn respond(session: &mut Session, ctx: &mut RequestContext, rejection: Rejection) -> u16 {
    // No backend has to do with it any more: the place there is free before the client knows.
    ctx.attempts.permit = None;
    let gone = rejection == Rejection::ClientAbort;
    let answer = session.response_written().map(|written| written.status);
    let status = rejection.status();
    // The first refusal is the one that counts.
    let rejection = ctx.rejection.get_or_insert(rejection).clone();
    if let Some(sent) = answer.filter(|sent| is_final(*sent)) {
        // Too late for an answer: the client must see that the body is cut off.
        session.set_keepalive(None);
        return sent.as_u16();
    }
    if gone {
        return 0;
    }
    inner::refuse(ctx, &rejection);
    match write(session, ctx, &rejection, status).await {
        Ok(()) => status.as_u16(),
        Err(error) => {
            tracing::debug!("refusal could not be sent: {error}");
            0
        }
    }
}

async fn write(
    session: &mut Session,
    ctx: &RequestContext,
    rejection: &Rejection,
    status: StatusCode,
) -> pingora_core::Result<()> {
    let (response, body) = response(ctx, rejection, status)?;
    answer(session, response, body).await
}

/// The answer that a refusal gets.
///
/// # Errors
/// If a field cannot be set.
pub fn response(
    ctx: &RequestContext,
    rejection: &Rejection,
    status: StatusCode,
) -> pingora_core::Result<(ResponseHeader, Bytes)> {
    let (kind, body) = match graphql::refusal(ctx, rejection, status) {
        Some((media, body)) => (media.content_type(), body),
        None => ("application/problem+json", rejection.problem(ctx.id())),
    };
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, kind)?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    if *rejection == Rejection::Unauthorized {
        response.insert_header(header::WWW_AUTHENTICATE, "Bearer")?;
    }
    if let Rejection::Auth(error) = rejection
        && let Some(rule) = ctx.plan.as_ref().and_then(|plan| plan.route.auth.as_ref())
        && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    {
        for challenge in rule.challenges(*error) {
            response.append_header(header::WWW_AUTHENTICATE, challenge)?;
        }
    }
    if let Some(seconds) = rejection.retry_after() {
        response.insert_header(header::RETRY_AFTER, seconds)?;
    }
    rate_limit::describe(&mut response, ctx)?;
    super::headers::identify(&mut response, ctx)?;
    api_version::announce(&mut response, ctx)?;
    explain::to_downstream(&mut response, explain::Cached::default(), Some(rejection), ctx)?;
    Ok((response, body))
}

/// Sends a response made by the gateway, without its body where HTTP wants none.
pub async fn answer(
    session: &mut Session,
    response: ResponseHeader,
    body: Bytes,
) -> pingora_core::Result<()> {
    let bodyless = session.req_header().method == http::Method::HEAD
        || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || body.is_empty();
    session.write_response_header(Box::new(response), bodyless).await?;
    if !bodyless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
