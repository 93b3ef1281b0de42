//! What is counted for an operation.

use std::time::Duration;

use crate::{
    graphql::{ErrorCode, GraphqlError, OperationKind, Outcome, Plan},
    telemetry::{
        graphql::{self as words, OperationOutcome},
        metrics::GraphqlMetrics,
    },
};

/// Counts an operation that came as far as its execution.
pub fn executed(metrics: &GraphqlMetrics, plan: &Plan, outcome: &Outcome, took: Duration) {
    let kind = match plan.kind {
        OperationKind::Query => words::OperationKind::Query,
        OperationKind::Mutation => words::OperationKind::Mutation,
    };
    let ended = match (outcome.started, outcome.errors.is_empty()) {
        (false, _) => OperationOutcome::Refused,
        (true, true) => OperationOutcome::Ok,
        (true, false) => OperationOutcome::Partial,
    };
    metrics.executed(plan.name.as_deref(), kind, ended, took, outcome.calls.len());
    outcome.calls.iter().for_each(|call| metrics.batched(call.parents));
    outcome.errors.iter().for_each(|code| metrics.error(code.as_str()));
}

/// Counts a request whose document is refused: once, by its first error.
pub fn refused(metrics: &GraphqlMetrics, errors: &[GraphqlError]) {
    if let Some(first) = errors.first() {
        metrics.refused(first.code.as_str());
    }
    errors.iter().map(|error| error.code).map(ErrorCode::as_str).for_each(|code| metrics.error(code));
}
