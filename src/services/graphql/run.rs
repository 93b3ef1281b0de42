//! One operation: its document is found and prepared, it is executed, and what it changed is
//! taken out of the cache.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::{
    Service,
    documents::{Document, Missing},
    errors::{self, HttpError},
    fetch::{Calls, passed_on},
    observe,
    reply::Reply,
    void,
};
use crate::{
    auth::Identity,
    graphql::{
        Ask, ErrorCode, GraphqlError, Outcome, Prepared, ResponseCache,
        plan::{OperationKind, Plan},
    },
    phases::graphql::{self, Asked, Media, Operation, Params},
    runtime::graphql::Graphql,
};

/// Asks for the calls of an operation and their times.
const TRACE: &str = "x-graphql-trace";

/// Runs the operations of one request.
pub struct Runner<'a> {
    /// The schema and its rules.
    pub graphql: &'a Graphql,
    service: &'a Service,
    asked: &'a Asked<'a>,
    media: Media,
    fields: Vec<(HeaderName, HeaderValue)>,
    deadline: Instant,
}

impl<'a> Runner<'a> {
    /// For the operations of this request, whose responses are sent as `media`.
    pub fn new(service: &'a Service, graphql: &'a Graphql, asked: &'a Asked<'a>, media: Media) -> Self {
        Self {
            graphql,
            service,
            asked,
            media,
            fields: passed_on(&asked.request, &graphql.forward),
            deadline: Instant::from_std(asked.ctx.started_at) + graphql.config.deadline.get(),
        }
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        self.asked.ctx.id()
    }

    /// Runs an operation. `reads`: it must not change anything.
    ///
    /// # Errors
    /// Why HTTP's rules forbid it.
    pub async fn run(&self, params: &Params, reads: bool) -> Result<Reply, HttpError> {
        let document = match self.service.documents.find(params, self.graphql) {
            Ok(document) => document,
            Err(Missing::HashMismatch) => return Err(HttpError::HashMismatch),
            Err(Missing::Refused(error)) => return Ok(self.refused(std::slice::from_ref(&*error))),
        };
        let plan = match self.graphql.engine.prepare(&document.text, params.operation.as_deref()) {
            Prepared::Plan(plan) => plan,
            Prepared::Refused(errors) => return Ok(self.refused(&errors)),
        };
        self.keep(&document);
        if reads && plan.kind == OperationKind::Mutation {
            return Err(HttpError::MutationByGet);
        }
        let outcome = self.execute(&plan, params).await;
        if !outcome.invalidated.is_empty() {
            void::void(&outcome.invalidated, self.asked).await;
        }
        observe::executed(&self.service.metrics, &plan, &outcome, self.asked.ctx.started_at.elapsed());
        Ok(self.reply(&plan, outcome, reads))
    }

    async fn execute(&self, plan: &Plan, params: &Params) -> Outcome {
        let identity = self.asked.ctx.identity.as_deref();
        let roles = identity.map_or(&[][..], Identity::roles);
        let config = &self.graphql.config;
        let wants_trace = self.asked.request.headers.get(TRACE).is_some_and(|value| value == "1");
        let ask = Ask {
            variables: params.variables.as_ref(),
            caller: graphql::caller(identity),
            deadline: self.deadline,
            introspection: config.introspection.allows(roles),
            trace: wants_trace && config.trace.allows(roles),
        };
        let (origin, resources) = (self.asked.origin.clone(), self.asked.resources);
        let calls = Calls { origin, fields: &self.fields, resources };
        self.graphql.engine.execute(plan, &ask, &calls).await
    }

    /// The schema has accepted the document: others may name it.
    fn keep(&self, Document { text, keep_as }: &Document) {
        if let Some(hash) = keep_as {
            self.service.documents.keep(*hash, text, self.graphql.config.persisted.capacity.get());
        }
    }

    /// Only what was asked for by GET is kept: `reads`.
    fn reply(&self, plan: &Plan, outcome: Outcome, reads: bool) -> Reply {
        let Outcome { body, errors, started, cache, calls, .. } = outcome;
        let (status, fields) = match started {
            true => (StatusCode::OK, Vec::new()),
            false => self.request_error(&errors),
        };
        let kept = reads && started && errors.is_empty();
        let name = plan.name.as_deref().map(Arc::from);
        Reply {
            status,
            body,
            cache: Some(if kept { cache } else { ResponseCache { no_store: true, ..cache } }),
            fields,
            operation: Some(Operation { name, kind: plan.kind.as_str() }),
            asked: calls.into_iter().map(|call| call.target).collect(),
        }
    }

    fn refused(&self, errors: &[GraphqlError]) -> Reply {
        let codes: Vec<ErrorCode> = errors.iter().map(|error| error.code).collect();
        observe::rejected(&self.service.metrics, errors);
        let (status, fields) = self.request_error(&codes);
        let body = errors::refused(errors, self.request_id());
        Reply { status, body, cache: None, fields, operation: None, asked: Vec::new() }
    }

    /// The status of a response without execution: clients that know nothing but
    /// `application/json` take any other than 200 for a failure of the server, but for what the
    /// whole request is refused for.
    fn request_error(&self, codes: &[ErrorCode]) -> (StatusCode, Vec<(HeaderName, HeaderValue)>) {
        let all = |wanted| !codes.is_empty() && codes.iter().all(|code| *code == wanted);
        if all(ErrorCode::Unauthenticated) {
            let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return (StatusCode::UNAUTHORIZED, vec![challenge]);
        }
        if all(ErrorCode::Forbidden) {
            return (StatusCode::FORBIDDEN, Vec::new());
        }
        let status = match self.media {
            Media::Json => StatusCode::OK,
            Media::Response => StatusCode::BAD_REQUEST,
        };
        (status, Vec::new())
    }
}
