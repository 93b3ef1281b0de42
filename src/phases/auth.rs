//! Who calls: what a client claims without leave is removed, what it proves is found out, and
//! what follows from that for the request.

use std::{sync::Arc, time::SystemTime};

use pingora_http::RequestHeader;

use super::{context::RequestContext, rejection::Rejection, route};
use crate::{
    auth::{Identity, Question, Refusal, Verdict},
    cache::policy::ByIdentity,
    runtime::{calls::Calls, resources::Resources, route::Route},
};

/// Removes a client's own copies of the fields that tell backends who calls: before routing, so
/// that nothing at all goes by them.
pub fn strip(request: &mut RequestHeader, ctx: &RequestContext) {
    if let Some(snapshot) = &ctx.snapshot {
        snapshot.identity_fields.strip(request);
    }
}

/// Whether a request may go on, as far as that can be said at once.
pub enum Judgement {
    /// It may. Who calls is in the context, and in the fields that backends get.
    Admitted,
    /// It may not.
    Refused(Refusal),
    /// To be settled first.
    Undecided(Question),
}

/// Finds out who calls, without waiting for anything. Nothing is counted yet.
///
/// # Errors
/// [`Rejection::OutOfOrder`] before routing, and if a field cannot be set.
pub fn judge(request: &mut RequestHeader, ctx: &mut RequestContext) -> Result<Judgement, Rejection> {
    let Some(rule) = &ctx.planned()?.route.auth else { return Ok(Judgement::Admitted) };
    if ctx.graphql.as_ref().is_some_and(|graphql| graphql.page) {
        return Ok(Judgement::Admitted);
    }
    match rule.judge(&request.headers, request.uri.query(), SystemTime::now()) {
        Verdict::Admitted(identity) => admit(identity, request, ctx).map(|()| Judgement::Admitted),
        Verdict::Refused(refusal) => Ok(Judgement::Refused(refusal)),
        Verdict::Undecided(question) => Ok(Judgement::Undecided(question)),
    }
}

/// Whether the route asks who calls.
pub fn is_asked(ctx: &RequestContext) -> bool {
    ctx.plan.as_ref().is_some_and(|plan| plan.route.auth.is_some())
}

/// Finds out what could not be said at once.
///
/// # Errors
/// Why the request may not go on.
pub async fn settle(
    question: Question,
    request: &mut RequestHeader,
    ctx: &mut RequestContext,
    resources: &Resources,
) -> Result<(), Rejection> {
    let route = Arc::clone(&ctx.planned()?.route);
    let (Some(rule), Some(snapshot)) = (&route.auth, &ctx.snapshot) else {
        return Err(Rejection::OutOfOrder);
    };
    let calls = Calls::new(snapshot, resources);
    match rule.settle(question, &calls, SystemTime::now()).await {
        Ok(identity) => admit(identity, request, ctx),
        Err(refusal) => Err(refuse(&refusal, ctx)),
    }
}

fn admit(
    identity: Option<Arc<Identity>>,
    request: &mut RequestHeader,
    ctx: &mut RequestContext,
) -> Result<(), Rejection> {
    let Some(identity) = identity else { return Ok(()) };
    if let Some(rule) = &ctx.planned()?.route.auth {
        // From here on they are fields like any other: for the cache, for rules, for backends.
        for (name, value) in rule.forwarded(&identity) {
            request.insert_header(name.clone(), value).map_err(|_| Rejection::Internal)?;
        }
    }
    ctx.identity = Some(identity);
    Ok(())
}

/// Makes sure that the backend learns who calls: a client may have named the fields in
/// `Connection`, or they look like forwarding fields, and have been removed since.
///
/// # Errors
/// If a field cannot be set.
pub fn to_upstream(
    upstream: &mut RequestHeader,
    request: &RequestHeader,
    ctx: &RequestContext,
) -> pingora_core::Result<()> {
    let Some(rule) = ctx.planned()?.route.auth.as_ref().filter(|_| ctx.identity.is_some()) else {
        return Ok(());
    };
    for name in rule.forwarded_names() {
        if let Some(value) = request.headers.get(name) {
            upstream.insert_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// The target for the backend without credentials; `None` if there are none in it.
pub fn without_credentials(route: &Route, path: &str, query: Option<&str>) -> Option<String> {
    let query = route.auth.as_ref()?.without_credentials(query?)?;
    Some(route::joined(path, Some(&*query).filter(|query| !query.is_empty())))
}

/// The refusal as it is answered, counted.
pub fn refuse(refusal: &Refusal, ctx: &RequestContext) -> Rejection {
    if let Some(rule) = ctx.plan.as_ref().and_then(|plan| plan.route.auth.as_ref()) {
        rule.count_refused(refusal);
    }
    Rejection::Auth(refusal.error)
}

/// Counts a request that goes on as somebody.
pub fn count(ctx: &RequestContext) {
    if let Some(identity) = &ctx.identity
        && let Some(rule) = ctx.plan.as_ref().and_then(|plan| plan.route.auth.as_ref())
    {
        rule.count_admitted(identity);
    }
}

/// What keeps the stored responses of different callers apart; `None` without the claim.
pub fn partition(by: &ByIdentity, identity: &Identity) -> Option<Vec<u8>> {
    match by {
        ByIdentity::Claim(name) => identity.partition_by_claim(name),
        ByIdentity::Roles => Some(identity.partition_by_roles()),
    }
}
