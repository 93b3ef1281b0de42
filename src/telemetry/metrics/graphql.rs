//! What is counted for GraphQL.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{
    family::Family,
    handles::Handles,
    instrument::{COUNT, Counter, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::graphql::{OperationKind, OperationOutcome};

/// Names of operations that have series of their own. They come from clients: further ones
/// share a series.
const NAMES: usize = 100;
/// Longest of them.
const NAME_MAX: usize = 100;
/// Stands for operations without a name, and for those of too many. Names of GraphQL may start
/// with `_`, so neither looks like one.
const ANONYMOUS: &str = "-";
const OTHERS: &str = "(others)";

/// The families of GraphQL, and the operations that have series.
pub struct GraphqlMetrics {
    operations: Family<Counter>,
    durations: Family<Histogram>,
    calls: Histogram,
    batches: Histogram,
    errors: Family<Counter>,
    refusals: Family<Counter>,
    anonymous: Arc<OperationMetrics>,
    others: Arc<OperationMetrics>,
    named: ArcSwap<HashMap<Box<str>, Arc<OperationMetrics>>>,
}

/// The series of the operations of one name.
struct OperationMetrics {
    queries: Handles<OperationOutcome, Counter>,
    mutations: Handles<OperationOutcome, Counter>,
    duration: Histogram,
}

impl GraphqlMetrics {
    /// Registers the families.
    #[rustfmt::skip]
    pub(super) fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let operations = r.counter("graphql_operations_total",
            "Operations executed, by name.", &["operation", "kind", "outcome"])?;
        let durations = r.histogram("graphql_operation_duration_seconds",
            "Time from a request's head to the response to its operation.", &["operation"], REQUEST)?;
        let series = |name| Arc::new(OperationMetrics::new(name, &operations, &durations));
        Ok(Arc::new(Self {
            anonymous: series(ANONYMOUS),
            others: series(OTHERS),
            calls: r.histogram("graphql_calls",
                "Calls made for an operation.", &[], COUNT)?.get(&[]),
            batches: r.histogram("graphql_batch_size",
                "Values asked for by one call.", &[], COUNT)?.get(&[]),
            errors: r.counter("graphql_errors_total",
                "Errors in responses, by code.", &["code"])?,
            refusals: r.counter("graphql_refusals_total",
                "Requests refused before an operation was executed.", &["reason"])?,
            named: ArcSwap::default(),
            operations,
            durations,
        }))
    }

    /// Counts an operation that was executed.
    pub fn executed(
        &self,
        name: Option<&str>,
        kind: OperationKind,
        outcome: OperationOutcome,
        took: Duration,
        calls: usize,
    ) {
        let series = self.operation(name);
        let counted = match kind {
            OperationKind::Query => &series.queries,
            OperationKind::Mutation => &series.mutations,
        };
        counted.get(outcome).inc();
        series.duration.observe(took);
        self.calls.observe_amount(calls as u64);
    }

    /// Counts a call by how many values it was for.
    pub fn batched(&self, values: usize) {
        self.batches.observe_amount(values as u64);
    }

    /// Counts an error of a response.
    pub fn error(&self, code: &'static str) {
        self.errors.get(&[code]).inc();
    }

    /// Counts a request that was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get(&[reason]).inc();
    }

    /// The series of a name. The names are few and hardly ever change: they are looked up
    /// without a lock.
    fn operation(&self, name: Option<&str>) -> Arc<OperationMetrics> {
        let Some(name) = name else { return Arc::clone(&self.anonymous) };
        let named = self.named.load();
        if let Some(known) = named.get(name) {
            return Arc::clone(known);
        }
        if named.len() >= NAMES || name.len() > NAME_MAX {
            return Arc::clone(&self.others);
        }
        let new = Arc::new(OperationMetrics::new(name, &self.operations, &self.durations));
        self.named.rcu(|named| {
            let mut named = HashMap::clone(named);
            if named.len() < NAMES {
                named.entry(name.into()).or_insert_with(|| Arc::clone(&new));
            }
            named
        });
        new
    }
}

impl OperationMetrics {
    fn new(name: &str, operations: &Family<Counter>, durations: &Family<Histogram>) -> Self {
        Self {
            queries: Handles::new(operations, &[name, OperationKind::Query.as_str()]),
            mutations: Handles::new(operations, &[name, OperationKind::Mutation.as_str()]),
            duration: durations.get(&[name]),
        }
    }
}
