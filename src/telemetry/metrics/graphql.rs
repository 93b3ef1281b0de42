//! What is counted for GraphQL.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{
    family::Family,
    handles::Handles,
    instrument::{Bounds, COUNT, Counter, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::graphql::{OperationResult, OperationType, SubrequestResult};

/// Names of operations that have series of their own. They come from clients: further ones
/// share a series.
const NAMES: usize = 100;
/// Longest of them.
const NAME_MAX: usize = 100;
/// Services that have series of their own. They come from schemas.
const SERVICES: usize = 1000;
/// Stands for operations without a name, and for those of too many. Names of GraphQL look
/// like neither.
const ANONYMOUS: &str = "-";
const OTHERS: &str = "(others)";

/// For the cost of operations.
const COST: Bounds = Bounds::ones(&[1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]);

/// The families of GraphQL, and the operations and services that have series.
pub struct GraphqlMetrics {
    families: Families,
    calls: Histogram,
    batches: Histogram,
    complexity: Histogram,
    anonymous: Arc<OperationMetrics>,
    others: Arc<OperationMetrics>,
    operations: Named<OperationMetrics>,
    services: Named<ServiceMetrics>,
}

struct Families {
    operations: Family<Counter>,
    durations: Family<Histogram>,
    subrequests: Family<Counter>,
    subrequest_durations: Family<Histogram>,
    errors: Family<Counter>,
    rejected: Family<Counter>,
}

/// Handles by a name that is known only when it comes: few, and hardly ever new ones, so that
/// they are found without a lock.
type Named<M> = ArcSwap<HashMap<Box<str>, Arc<M>>>;

/// The series of the operations of one name.
struct OperationMetrics {
    queries: Handles<OperationResult, Counter>,
    mutations: Handles<OperationResult, Counter>,
    durations: Handles<OperationType, Histogram>,
}

/// The series of the calls to one service.
struct ServiceMetrics {
    results: Handles<SubrequestResult, Counter>,
    duration: Histogram,
}

impl GraphqlMetrics {
    /// Registers the families.
    #[rustfmt::skip]
    pub(super) fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let families = Families {
            operations: r.counter("graphql_operations_total",
                "Operations by their name, what they do and how they ended.",
                &["operation", "operation_type", "result"])?,
            durations: r.histogram("graphql_operation_duration_seconds",
                "Time from a request's head to the response to its operation.",
                &["operation", "operation_type"], REQUEST)?,
            subrequests: r.counter("graphql_subrequests_total",
                "Calls made for operations, by service.", &["upstream", "result"])?,
            subrequest_durations: r.histogram("graphql_subrequest_duration_seconds",
                "Time of calls, by service.", &["upstream"], REQUEST)?,
            errors: r.counter("graphql_errors_total",
                "Errors in responses, by code.", &["code"])?,
            rejected: r.counter("graphql_rejected_total",
                "Requests rejected before an operation was executed.", &["reason"])?,
        };
        let calls = r.histogram("graphql_operation_subrequests",
            "Calls made for one operation.", &[], COUNT)?.get(&[]);
        let batches = r.histogram("graphql_batch_size",
            "Values that one call was made for.", &[], COUNT)?.get(&[]);
        let complexity = r.histogram("graphql_query_complexity",
            "Cost of operations, as the schema states it.", &[], COST)?.get(&[]);
        Ok(Arc::new(Self {
            anonymous: Arc::new(families.operation(ANONYMOUS)),
            others: Arc::new(families.operation(OTHERS)),
            operations: Named::default(),
            services: Named::default(),
            families, calls, batches, complexity,
        }))
    }

    /// Counts an operation that came as far as its execution.
    pub fn executed(
        &self,
        name: Option<&str>,
        does: OperationType,
        result: OperationResult,
        took: Duration,
        cost: u64,
    ) {
        let series = self.operation(name);
        let counted = match does {
            OperationType::Query => &series.queries,
            OperationType::Mutation => &series.mutations,
        };
        counted.get(result).inc();
        series.durations.get(does).observe(took);
        self.complexity.observe_amount(cost);
    }

    /// Counts the calls of an operation.
    pub fn called(&self, calls: usize) {
        self.calls.observe_amount(calls as u64);
    }

    /// Counts a call.
    pub fn subrequest(&self, service: &str, result: SubrequestResult, took: Duration, values: usize) {
        self.batches.observe_amount(values as u64);
        let make = || self.families.service(service);
        if let Some(series) = named(&self.services, service, SERVICES, make) {
            series.results.get(result).inc();
            series.duration.observe(took);
        }
    }

    /// Counts an error of a response.
    pub fn error(&self, code: &'static str) {
        self.families.errors.get(&[code]).inc();
    }

    /// Counts a request that was rejected.
    pub fn rejected(&self, reason: &'static str) {
        self.families.rejected.get(&[reason]).inc();
    }

    fn operation(&self, name: Option<&str>) -> Arc<OperationMetrics> {
        let Some(name) = name else { return Arc::clone(&self.anonymous) };
        if name.len() > NAME_MAX {
            return Arc::clone(&self.others);
        }
        let known = named(&self.operations, name, NAMES, || self.families.operation(name));
        known.unwrap_or_else(|| Arc::clone(&self.others))
    }
}

/// The handle of a name, made if it is new and there is room.
fn named<M>(known: &Named<M>, name: &str, limit: usize, make: impl FnOnce() -> M) -> Option<Arc<M>> {
    let before = known.load();
    if let Some(series) = before.get(name) {
        return Some(Arc::clone(series));
    }
    if before.len() >= limit {
        return None;
    }
    let new = Arc::new(make());
    known.rcu(|before| {
        let mut after = HashMap::clone(before);
        if after.len() < limit {
            after.entry(name.into()).or_insert_with(|| Arc::clone(&new));
        }
        after
    });
    Some(new)
}

impl Families {
    fn operation(&self, name: &str) -> OperationMetrics {
        OperationMetrics {
            queries: Handles::new(&self.operations, &[name, OperationType::Query.as_str()]),
            mutations: Handles::new(&self.operations, &[name, OperationType::Mutation.as_str()]),
            durations: Handles::new(&self.durations, &[name]),
        }
    }

    fn service(&self, name: &str) -> ServiceMetrics {
        ServiceMetrics {
            results: Handles::new(&self.subrequests, &[name]),
            duration: self.subrequest_durations.get(&[name]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{
        graphql::{OperationResult, OperationType},
        metrics::Metrics,
    };

    #[test]
    fn names_of_clients_are_few() {
        let metrics = Metrics::new("0", "0").unwrap();
        for number in 0..200 {
            let name = format!("Query{number}");
            let took = std::time::Duration::from_millis(1);
            metrics.graphql().executed(Some(&name), OperationType::Query, OperationResult::Ok, took, 1);
        }
        let text = String::from_utf8(metrics.render()).unwrap();
        let of = |name: &str| {
            let labels = format!(
                "graphql_operations_total{{operation=\"{name}\",operation_type=\"query\",result=\"ok\"}} "
            );
            text.lines().find_map(|line| line.strip_prefix(&labels)).map(str::to_owned)
        };
        assert_eq!(of("Query0").as_deref(), Some("1"));
        assert_eq!(of("Query99").as_deref(), Some("1"));
        assert_eq!(of("Query100"), None);
        assert_eq!(of("(others)").as_deref(), Some("100"));
    }
}
