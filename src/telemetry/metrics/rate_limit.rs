//! What is counted for rate limits.

use std::sync::Arc;

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge},
    registry::{MetricsError, Registrar},
    scope::Scope,
};
use crate::telemetry::label::LimitResult;

/// The families of rate limits, and the limits in use.
pub struct LimitFamilies {
    requests: Family<Counter>,
    limits: Scope<LimitMetrics>,
    buckets: Gauge,
    capacity: Gauge,
    displaced: Counter,
}

impl LimitFamilies {
    /// Registers the families.
    #[rustfmt::skip]
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        Ok(Arc::new(Self {
            requests: r.counter("rate_limit_requests_total",
                "Requests charged to a limit, or refused by it.", &["limit", "result"])?,
            limits: Scope::default(),
            buckets: r.gauge("rate_limit_buckets",
                "Buckets that are not full.", &[])?.get(&[]),
            capacity: r.gauge("rate_limit_buckets_capacity",
                "Buckets that there is room for.", &[])?.get(&[]),
            displaced: r.counter("rate_limit_buckets_displaced_total",
                "Buckets that gave way to others before they were full.", &[])?.get(&[]),
        }))
    }

    /// The handle of a limit; the same one for as long as somebody holds it.
    pub fn limit(self: &Arc<Self>, name: &str) -> Arc<LimitMetrics> {
        self.limits.get(name, || LimitMetrics {
            name: name.to_owned(),
            families: Arc::clone(self),
            requests: Handles::new(&self.requests, &[name]),
        })
    }

    /// Counts buckets that gave way before they were full.
    pub fn displaced(&self) -> &Counter {
        &self.displaced
    }

    /// Shows how full the table of buckets is: called before a scrape.
    pub fn set_buckets(&self, in_use: usize, capacity: usize) {
        let shown = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.buckets.set(shown(in_use));
        self.capacity.set(shown(capacity));
    }
}

/// The series of one limit. Keep it in the limit.
pub struct LimitMetrics {
    name: String,
    families: Arc<LimitFamilies>,
    requests: Handles<LimitResult, Counter>,
}

impl LimitMetrics {
    /// Counts a request that passed all limits, this one among them.
    pub fn passed(&self) {
        self.requests.get(LimitResult::Passed).inc();
    }

    /// Counts a request that this limit refused.
    pub fn refused(&self) {
        self.requests.get(LimitResult::Refused).inc();
    }
}

impl Drop for LimitMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        families.limits.release(&self.name, || families.requests.remove(0, &self.name));
    }
}
