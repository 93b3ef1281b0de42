//! What is counted for an operation.

use std::time::{Duration, Instant};

use crate::{
    graphql::{
        CacheResult, CallRecord, Engine, ErrorCode, GraphqlError, Making, Outcome,
        plan::{OperationKind, Plan},
    },
    telemetry::{
        graphql::{OperationResult, OperationType, PlanLookup, SubrequestResult},
        metrics::{FieldMetrics, GraphqlMetrics},
        trace::{OperationStep, OperationSteps},
    },
};

/// Counts a look for the plan of a document. `is_new`: it was made.
pub fn prepared(metrics: &GraphqlMetrics, engine: &Engine, is_new: bool) {
    metrics.looked_up(if is_new { PlanLookup::Miss } else { PlanLookup::Hit });
    if is_new {
        let (plans, bytes) = engine.remembered();
        metrics.remembered(plans, bytes);
    }
}

/// Where the time of an operation went, for spans.
pub fn steps(begun: Instant, making: Option<Making>, executed: Instant, took: Duration) -> OperationSteps {
    let step = |name, started, took| Some(OperationStep { name, started, took });
    let execute = step("graphql.execute", executed, took);
    let Some(Making { parse, validate, compile }) = making else { return [None, None, None, execute] };
    [
        step("graphql.parse", begun, parse),
        step("graphql.validate", begun + parse, validate),
        step("graphql.plan", begun + parse + validate, compile),
        execute,
    ]
}

/// Counts an operation that came as far as its execution.
pub fn executed(
    metrics: &GraphqlMetrics,
    fields: &FieldMetrics,
    plan: &Plan,
    outcome: &Outcome,
    took: Duration,
) {
    let does = match plan.kind {
        OperationKind::Query => OperationType::Query,
        OperationKind::Mutation => OperationType::Mutation,
    };
    let result = match (outcome.started, outcome.errors.is_empty()) {
        (false, _) => OperationResult::Refused,
        (true, true) => OperationResult::Ok,
        (true, false) => OperationResult::Partial,
    };
    metrics.executed(plan.name.as_deref(), does, result, took, outcome.cost);
    metrics.called(outcome.calls.len());
    for call in &outcome.calls {
        metrics.subrequest(&call.service, result_of(call), call.took, call.parents);
        if let Some(of) = call.of {
            fields.called(of.ty.index(), of.field.index(), call.took);
        }
    }
    if outcome.started {
        plan.uses.iter().for_each(|of| fields.used(of.ty.index(), of.field.index()));
    } else if let Some(first) = outcome.errors.first() {
        // Of the limits, only that of the cost is decided as late as this.
        metrics.rejected(if *first == ErrorCode::CostExceeded { "cost" } else { first.as_str() });
    }
    outcome.errors.iter().for_each(|code| metrics.error(code.as_str()));
}

fn result_of(call: &CallRecord) -> SubrequestResult {
    match (&call.result, call.cache) {
        (Err(_), _) => SubrequestResult::Failed,
        (Ok(status), _) if status.as_u16() >= 400 => SubrequestResult::Refused,
        (Ok(_), CacheResult::Hit | CacheResult::Stale) => SubrequestResult::Hit,
        (Ok(_), _) => SubrequestResult::Ok,
    }
}

/// Counts a request whose document is refused: once, by its first error.
pub fn rejected(metrics: &GraphqlMetrics, errors: &[GraphqlError]) {
    if let Some(first) = errors.first() {
        metrics.rejected(first.limit().unwrap_or(first.code.as_str()));
    }
    errors.iter().map(|error| error.code).map(ErrorCode::as_str).for_each(|code| metrics.error(code));
}
