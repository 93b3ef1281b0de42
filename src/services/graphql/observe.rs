//! What is counted for an operation.

use std::time::Duration;

use crate::{
    graphql::{
        CacheResult, CallRecord, ErrorCode, GraphqlError, Outcome,
        plan::{OperationKind, Plan},
    },
    telemetry::{
        graphql::{OperationResult, OperationType, SubrequestResult},
        metrics::GraphqlMetrics,
    },
};

/// Counts an operation that came as far as its execution.
pub fn executed(metrics: &GraphqlMetrics, plan: &Plan, outcome: &Outcome, took: Duration) {
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
        metrics.rejected(first.code.as_str());
    }
    errors.iter().map(|error| error.code).map(ErrorCode::as_str).for_each(|code| metrics.error(code));
}
