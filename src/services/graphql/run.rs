//! One operation: its document is found and prepared, it is executed, and what it changed is
//! taken out of the cache.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::{
    Service,
    documents::{Document, Missing},
    errors::HttpError,
    fetch::{Calls, MadeOf, passed_on},
    observe,
    reply::Reply,
    void,
};
use crate::{
    auth::Identity,
    graphql::{
        self, Ask, GraphqlError, Outcome, Prepared, ResponseCache,
        plan::{OperationKind, Plan},
    },
    phases::graphql::{Asked, Media, Operation, Params, caller},
    runtime::graphql::Graphql,
    telemetry::trace::OperationSteps as Steps,
};

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
        let begun = Instant::now().into_std();
        let engine = &self.graphql.engine;
        let (prepared, making) = engine.prepare_timed(&document.text, params.operation.as_deref());
        observe::prepared(&self.service.metrics, engine, making.is_some());
        let plan = match prepared {
            Prepared::Plan(plan) => plan,
            Prepared::Refused(errors) => return Ok(self.refused(&errors)),
        };
        self.keep(&document);
        if reads && plan.kind == OperationKind::Mutation {
            return Err(HttpError::MutationByGet);
        }
        if plan.kind == OperationKind::Mutation {
            self.asked.changes.store(true, Ordering::Relaxed);
        }
        let executed = Instant::now().into_std();
        let (outcome, made_of) = self.execute(&plan, params).await;
        let steps = observe::steps(begun, making, executed, executed.elapsed());
        if !outcome.invalidated.is_empty() {
            void::void(&outcome.invalidated, self.asked).await;
        }
        let took = self.asked.ctx.started_at.elapsed();
        observe::executed(&self.service.metrics, &self.graphql.fields, &plan, &outcome, took);
        Ok(self.reply(&plan, outcome, made_of, reads, steps))
    }

    async fn execute(&self, plan: &Plan, params: &Params) -> (Outcome, MadeOf) {
        let identity = self.asked.ctx.identity.as_deref();
        let roles = identity.map_or(&[][..], Identity::roles);
        let config = &self.graphql.config;
        let ask = Ask {
            variables: params.variables.as_ref(),
            caller: caller(identity),
            deadline: self.deadline,
            introspection: config.introspection.allows(roles),
            trace: self.wants_trace() && config.trace.allows(roles),
            request_id: Some(self.request_id()),
        };
        let (origin, resources) = (self.asked.origin.clone(), self.asked.resources);
        let calls = Calls::new(origin, &self.fields, &self.graphql.forward, resources);
        let outcome = self.graphql.engine.execute(plan, &ask, &calls).await;
        (outcome, calls.made_of())
    }

    /// Whether the calls of the operation and their times are asked for.
    fn wants_trace(&self) -> bool {
        self.asked.ctx.graphql.as_ref().is_some_and(|graphql| graphql.wants_trace)
    }

    /// The schema has accepted the document: others may name it.
    fn keep(&self, Document { text, keep_as }: &Document) {
        if let Some(hash) = keep_as {
            self.service.documents.keep(*hash, text, self.graphql.config.persisted.capacity.get());
        }
    }

    /// Only what was asked for by GET is kept: `reads`. A trace is of one execution alone.
    fn reply(&self, plan: &Plan, outcome: Outcome, made_of: MadeOf, reads: bool, steps: Steps) -> Reply {
        let Outcome { body, errors, started, cache, .. } = outcome;
        let status = if started { StatusCode::OK } else { self.request_error() };
        let kept = reads && started && errors.is_empty() && !self.wants_trace();
        let name = plan.name.as_deref().map(Arc::from);
        Reply {
            status,
            body,
            cache: Some(if kept { cache } else { ResponseCache { no_store: true, ..cache } }),
            fields: Vec::new(),
            operation: Some(Operation { name, kind: plan.kind.as_str(), steps }),
            made_of,
        }
    }

    fn refused(&self, errors: &[GraphqlError]) -> Reply {
        observe::rejected(&self.service.metrics, errors);
        Reply {
            status: self.request_error(),
            body: graphql::refusal(errors, Some(self.request_id())),
            cache: None,
            fields: Vec::new(),
            operation: None,
            made_of: MadeOf::default(),
        }
    }

    /// The status of a response without execution: clients that know nothing but
    /// `application/json` take any other than 200 for a failure of the server.
    fn request_error(&self) -> StatusCode {
        match self.media {
            Media::Json => StatusCode::OK,
            Media::Response => StatusCode::BAD_REQUEST,
        }
    }
}
