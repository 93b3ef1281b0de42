//! GraphQL's part in a request: what it asks for, where its response is made, and in which form
//! it is refused.
//!
//! The response itself is made by a [`Responder`] on a floor above. A request that the cache
//! has a slot for goes on to Pingora's upstream side, where its response is stored, shared with
//! those who wait, and compressed like one of a backend; there it finds a session with nobody
//! ([`local_response`]). All others, each POST among them, are answered
//! at once: the upstream side has nothing to give them and costs as much as a small operation.

mod accept;
mod request;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use serde_json::{Map, Value, json};

pub use self::{
    accept::{Media, Wanted},
    request::{Malformed, Params, Requested, of_body, of_query},
};
use super::{answer, context::RequestContext, headers, inner::Origin, rejection::Rejection};
use crate::{
    auth::Identity,
    cache::key::Tag,
    graphql::Caller,
    local_response::{self, LocalResponse},
    runtime::{
        resources::Resources,
        route::{Action, Route},
    },
    telemetry::trace::OperationSteps,
};

/// Asks for the calls of an operation and their times, by the value `1`.
const TRACE: &str = "x-graphql-trace";

/// Makes responses to GraphQL requests.
#[async_trait]
pub trait Responder: Send + Sync {
    /// The response to a request of which it is known who asks.
    ///
    /// # Errors
    /// If a field of it cannot be set.
    async fn respond(&self, asked: Asked<'_>) -> pingora_core::Result<Response>;
}

/// What a response is made from.
pub struct Asked<'a> {
    /// The head of the request.
    pub request: RequestHeader,
    /// Its body.
    pub body: Bytes,
    /// Set once it is known that the request changes something: it is not given up then.
    pub changes: &'a AtomicBool,
    /// What is known of it.
    pub ctx: &'a RequestContext,
    /// What the calls made for it take over.
    pub origin: Origin,
    /// What they go through.
    pub resources: &'a Arc<Resources>,
}

/// What comes of a request.
pub struct Response {
    /// The head, but for what every response gets.
    pub head: ResponseHeader,
    /// The body.
    pub body: Bytes,
    /// The operation, for the log.
    pub operation: Option<Operation>,
    /// The tags of the answers it is made of: what voids them voids it too.
    pub made_of: Vec<Tag>,
}

/// An operation as the log tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name, of those that have one.
    pub name: Option<Arc<str>>,
    /// `query`, `mutation`, `introspection` or `batch`.
    pub kind: &'static str,
    /// Where the time went; of a batch, nothing is known.
    pub steps: OperationSteps,
}

/// What is known of a request on a route that answers GraphQL.
pub struct GraphqlUse {
    /// What it wants to get.
    pub wanted: Wanted,
    /// Whether it is for the page to try queries on, or one of its files: the same for all, so
    /// nobody is asked who they are.
    pub page: bool,
    /// Whether the calls and their times are asked for, where somebody may see them: what tells
    /// of them is made anew, and not kept.
    pub wants_trace: bool,
    /// What the URL asks for, on a GET or HEAD.
    pub params: Option<Result<Params, Malformed>>,
    /// What became of it.
    pub operation: Option<Operation>,
    /// The tags of the answers that its response is made of.
    pub made_of: Vec<Tag>,
}

/// Reads what can be read from the head, once the route is known.
pub fn begin(request: &RequestHeader, route: &Route) -> Option<Box<GraphqlUse>> {
    let Action::Graphql(graphql) = &route.action else { return None };
    let by_url = matches!(request.method, Method::GET | Method::HEAD);
    let query = request.uri.query();
    let params = by_url.then(|| of_query(query));
    let wanted = accept::wanted(&request.headers);
    // Its files are named by the query alone, which no operation is.
    let names_file = query.is_some_and(|name| !name.is_empty() && !name.contains('='));
    let page = by_url && graphql.config.playground.enabled && (wanted.page || names_file);
    let wants_trace =
        !graphql.config.trace.is_nobody() && request.headers.get(TRACE).is_some_and(|value| value == "1");
    Some(Box::new(GraphqlUse { wanted, page, wants_trace, params, operation: None, made_of: Vec::new() }))
}

/// The path under which a response is kept: that of the request, and what it asks for in one
/// form. In the path, because no rule of the cache leaves out any of it.
///
/// `None`: it is nothing to be kept.
pub fn kept_as(path: &str, graphql: &GraphqlUse) -> Option<String> {
    let params = graphql.params.as_ref()?.as_ref().ok()?;
    if graphql.page || graphql.wants_trace || graphql.wanted.media.is_none() {
        return None;
    }
    Some(format!("{path}#{}", params.fingerprint()?))
}

/// Whether the route of a request answers GraphQL.
pub fn is_for(ctx: &RequestContext) -> bool {
    ctx.graphql.is_some()
}

/// Answers a request that the cache has no slot for. `false`: it goes on to the cache.
///
/// # Errors
/// A refusal, and when the answer cannot be written.
pub async fn answer(
    session: &mut Session,
    ctx: &mut RequestContext,
    resources: &Arc<Resources>,
    responder: &dyn Responder,
) -> pingora_core::Result<bool> {
    if ctx.cache.as_deref().is_some_and(|cache| cache.slot.is_some()) {
        return Ok(false);
    }
    let body = read_body(session, ctx).await?;
    let Response { mut head, body, operation, made_of } =
        respond(session, body, ctx, resources, responder).await?;
    note(operation, made_of, ctx);
    headers::to_downstream(&mut head, ctx)?;
    // The page may have been answered with 304, or without its body, and with its own length.
    if head.status != StatusCode::NOT_MODIFIED && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    answer::answer(session, head, body).await?;
    Ok(true)
}

/// Makes the response for as long as somebody waits for it.
async fn respond(
    session: &mut Session,
    body: Bytes,
    ctx: &RequestContext,
    resources: &Arc<Resources>,
    responder: &dyn Responder,
) -> pingora_core::Result<Response> {
    let changes = AtomicBool::new(false);
    let asked = asked(session, body, &changes, ctx, resources)?;
    let mut responding = responder.respond(asked);
    tokio::select! {
        response = &mut responding => response,
        // Whoever has left needs no answer, and the calls made for it end. What changes something
        // is seen through, so that what it has made void is void.
        gone = session.as_downstream_mut().read_body_or_idle(true) => {
            if changes.load(Ordering::Relaxed) {
                let _ = responding.await;
            }
            Err(gone.map_or_else(pingora_core::Error::into_down, |_| Rejection::ClientAbort.into()))
        }
    }
}

/// Where a request that goes on to the upstream side is sent: nowhere.
pub fn peer() -> Box<HttpPeer> {
    Box::new(local_response::peer())
}

/// Makes the response of a request on the upstream side, and puts it where it is found.
///
/// # Errors
/// A refusal if it was not admitted.
pub async fn fill(
    session: &Session,
    upstream: &mut RequestHeader,
    ctx: &mut RequestContext,
    resources: &Arc<Resources>,
    responder: &dyn Responder,
) -> pingora_core::Result<()> {
    let changes = AtomicBool::new(false);
    let asked = asked(session, Bytes::new(), &changes, ctx, resources)?;
    let Response { mut head, body, operation, made_of } = responder.respond(asked).await?;
    note(operation, made_of, ctx);
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    upstream.extensions_mut().insert(LocalResponse::new(head, body));
    Ok(())
}

fn asked<'a>(
    session: &Session,
    body: Bytes,
    changes: &'a AtomicBool,
    ctx: &'a RequestContext,
    resources: &'a Arc<Resources>,
) -> Result<Asked<'a>, Rejection> {
    let socket = session.digest().and_then(|digest| digest.socket_digest.clone());
    let origin = Origin::of(ctx, socket, resources).ok_or(Rejection::OutOfOrder)?;
    Ok(Asked { request: session.req_header().clone(), body, changes, ctx, origin, resources })
}

fn note(operation: Option<Operation>, made_of: Vec<Tag>, ctx: &mut RequestContext) {
    if let Some(graphql) = &mut ctx.graphql {
        graphql.operation = operation;
        graphql.made_of = made_of;
    }
}

/// Bytes that the body of a request may have.
pub fn body_limit(route: &Route) -> u64 {
    match &route.action {
        Action::Graphql(graphql) => graphql.config.limits.body.get().min(route.body_limit),
        _ => route.body_limit,
    }
}

/// The body of a request, as far as the route and GraphQL allow.
async fn read_body(session: &mut Session, ctx: &mut RequestContext) -> pingora_core::Result<Bytes> {
    let limit = body_limit(&ctx.planned()?.route);
    let mut body = BytesMut::new();
    let mut first = None;
    while let Some(piece) = session.read_request_body().await.map_err(pingora_core::Error::into_down)? {
        super::admit::count_body(ctx, piece.len())?;
        if ctx.body_received > limit {
            return Err(Rejection::BodyTooLarge.into());
        }
        // Nearly every body comes in one piece, which need not be copied.
        match first.take() {
            None if body.is_empty() => first = Some(piece),
            before => {
                body.extend_from_slice(&before.unwrap_or_default());
                body.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| body.freeze()))
}

/// The body of a refusal as GraphQL clients read it, and its media type. `None`: the request
/// is for something else.
pub fn refusal(ctx: &RequestContext, rejection: &Rejection, status: StatusCode) -> Option<(Media, Bytes)> {
    let graphql = ctx.graphql.as_ref()?;
    let mut extensions = json!({ "code": code(rejection, status), "requestId": ctx.id() });
    if let (Some(seconds), Some(members)) = (rejection.retry_after(), extensions.as_object_mut()) {
        members.insert("retryAfter".to_owned(), seconds.into());
    }
    let error = json!({ "message": rejection.detail(), "extensions": extensions });
    let body = json!({ "errors": [error] }).to_string();
    Some((graphql.wanted.media.unwrap_or(Media::Json), Bytes::from(body)))
}

/// The code of a refusal in the words of GraphQL's errors.
fn code(rejection: &Rejection, status: StatusCode) -> &'static str {
    match (rejection, status) {
        (_, StatusCode::UNAUTHORIZED) => "UNAUTHENTICATED",
        (_, StatusCode::FORBIDDEN) => "FORBIDDEN",
        (_, StatusCode::PAYLOAD_TOO_LARGE) => "PAYLOAD_TOO_LARGE",
        (_, StatusCode::TOO_MANY_REQUESTS) => "RATE_LIMITED",
        (_, StatusCode::REQUEST_TIMEOUT) => "REQUEST_TIMEOUT",
        (_, StatusCode::GATEWAY_TIMEOUT) => "DEADLINE_EXCEEDED",
        (_, status) if status.is_client_error() => "BAD_REQUEST",
        _ => "INTERNAL",
    }
}

/// What is known of whoever asks, as the engine takes it.
pub fn caller(identity: Option<&Identity>) -> Caller<'_> {
    static NOBODY: OnceLock<Map<String, Value>> = OnceLock::new();
    match identity {
        Some(identity) => Caller {
            is_authenticated: true,
            scopes: identity.scopes(),
            roles: identity.roles(),
            claims: identity.claims(),
        },
        None => {
            Caller { is_authenticated: false, scopes: &[], roles: &[], claims: NOBODY.get_or_init(Map::new) }
        }
    }
}
