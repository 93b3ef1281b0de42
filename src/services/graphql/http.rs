//! From a request to operations, and from what becomes of them to a response.

use futures::future::join_all;
use http::{HeaderMap, Method, StatusCode, header};

use super::{Service, errors::HttpError, fetch::MadeOf, reply::Reply, run};
use crate::{
    cache::policy::ByIdentity,
    phases::graphql::{Asked, Malformed, Media, Operation, Params, Requested, Response, of_body},
    runtime::graphql::Graphql,
};

/// Answers a request.
///
/// # Errors
/// If a field of the response cannot be set.
pub async fn respond(
    service: &Service,
    graphql: &Graphql,
    asked: &Asked<'_>,
) -> pingora_core::Result<Response> {
    let media = asked.ctx.graphql.as_ref().and_then(|graphql| graphql.wanted.media);
    let reply = match media {
        Some(media) => reply(service, graphql, asked, media).await,
        None => Err(HttpError::NotAcceptable),
    };
    let reply = reply.unwrap_or_else(|error| {
        service.metrics.rejected(error.code());
        Reply::refused(error, asked.ctx.id())
    });
    reply.finish(media.unwrap_or(Media::Json), has_own_slot(asked))
}

/// Whether the response goes into a slot that this caller alone has.
fn has_own_slot(asked: &Asked<'_>) -> bool {
    let (ctx, route) = (asked.ctx, asked.ctx.plan.as_ref().map(|plan| &plan.route));
    let has_slot = ctx.cache.as_deref().is_some_and(|cache| cache.slot.is_some());
    let policy = route.and_then(|route| route.cache.as_ref()).map(|cache| &cache.policy);
    has_slot
        && ctx.identity.is_some()
        && policy.and_then(|policy| policy.partition_by_identity()).is_some_and(ByIdentity::is_subject)
}

async fn reply(
    service: &Service,
    graphql: &Graphql,
    asked: &Asked<'_>,
    media: Media,
) -> Result<Reply, HttpError> {
    let runner = run::Runner::new(service, graphql, asked, media);
    match asked.request.method {
        Method::GET | Method::HEAD => runner.run(by_url(asked)?, true).await,
        Method::POST => match by_body(asked)? {
            Requested::One(params) => runner.run(&params, false).await,
            Requested::Many(items) => batch(&runner, items).await,
        },
        _ => Err(HttpError::Method),
    }
}

fn by_url<'a>(asked: &'a Asked<'_>) -> Result<&'a Params, HttpError> {
    match asked.ctx.graphql.as_ref().and_then(|graphql| graphql.params.as_ref()) {
        Some(Ok(params)) => Ok(params),
        Some(Err(why)) => Err(HttpError::Malformed(*why)),
        None => Err(HttpError::Malformed(Malformed::NoQuery)),
    }
}

/// Only what says that it is JSON is read: a form of another site cannot say that without
/// being asked first.
fn by_body(asked: &Asked<'_>) -> Result<Requested, HttpError> {
    if !is_json(&asked.request.headers) {
        return Err(HttpError::MediaType);
    }
    of_body(&asked.body).map_err(HttpError::Malformed)
}

fn is_json(headers: &HeaderMap) -> bool {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            let value = value.trim().trim_matches('"');
            !name.trim().eq_ignore_ascii_case("charset")
                || ["utf-8", "utf8"].iter().any(|utf8| value.eq_ignore_ascii_case(utf8))
        })
}

/// Runs a list of operations at once; the answers stand in the same order.
async fn batch(runner: &run::Runner<'_>, items: Vec<Result<Params, Malformed>>) -> Result<Reply, HttpError> {
    let max = runner.graphql.config.limits.batch;
    match items.len() {
        _ if max < 2 => return Err(HttpError::BatchOff),
        0 => return Err(HttpError::BatchEmpty),
        length if length > max => return Err(HttpError::BatchTooLong(max)),
        _ => {}
    }
    let each = items.iter().map(async |item| match item {
        Ok(params) => runner.run(params, false).await,
        Err(why) => Err(HttpError::Malformed(*why)),
    });
    let mut body = vec![b'['];
    for (index, reply) in join_all(each).await.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let reply = reply.unwrap_or_else(|error| Reply::refused(error, runner.request_id()));
        body.extend_from_slice(&reply.body);
    }
    body.push(b']');
    Ok(Reply {
        status: StatusCode::OK,
        body: body.into(),
        cache: None,
        fields: Vec::new(),
        operation: Some(Operation { name: None, kind: "batch", steps: Default::default() }),
        made_of: MadeOf::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_read() {
        let is_json = |fields: &[(header::HeaderName, &str)]| {
            is_json(&fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        for kind in [
            "application/json",
            "Application/JSON; Charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; profile=x",
        ] {
            assert!(is_json(&[(header::CONTENT_TYPE, kind)]), "{kind}");
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
            "application/json; charset=utf-16",
            "application/graphql",
            "",
        ] {
            assert!(!is_json(&[(header::CONTENT_TYPE, kind)]), "{kind}");
        }
        assert!(!is_json(&[]));
        let gzip = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
        assert!(!is_json(&gzip));
    }
}
