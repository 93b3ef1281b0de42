//! What is counted for rate limits.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, LOOKUP},
    link::LinkMetrics,
    registry::{MetricsError, Registrar},
    scope::Scope,
};
use crate::telemetry::{cache::BackendFailure, label::LimitResult};

/// The families of rate limits, and the limits in use.
pub struct LimitFamilies {
    requests: Family<Counter>,
    limits: Scope<LimitMetrics>,
    buckets: Gauge,
    capacity: Gauge,
    displaced: Counter,
    scripts: Family<Histogram>,
    fallbacks: Family<Counter>,
    refused: Family<Counter>,
    up: Family<Gauge>,
    breaker: Family<Gauge>,
    /// Made when it is asked for: without shared limits it shows no series.
    shared: OnceLock<Arc<SharedLimitMetrics>>,
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
            scripts: r.histogram("rate_limit_script_duration_seconds",
                "Time that Redis took to decide.", &[], LOOKUP)?,
            fallbacks: r.counter("rate_limit_fallbacks_total",
                "Decisions on shared limits that the node made by itself.", &["reason"])?,
            refused: r.counter("rate_limit_backend_connect_errors_total",
                "Connections to the Redis of shared limits that did not come about.", &["reason"])?,
            up: r.gauge("rate_limit_backend_up",
                "Whether the Redis of shared limits can be reached: 1 or 0.", &[])?,
            breaker: r.gauge("rate_limit_breaker_state",
                "State of its circuit breaker: 0 closed, 1 half open, 2 open.", &[])?,
            shared: OnceLock::new(),
        }))
    }

    /// The series of shared limits. Ask only if there are any.
    pub fn shared(&self) -> &Arc<SharedLimitMetrics> {
        self.shared.get_or_init(|| {
            Arc::new(SharedLimitMetrics {
                link: Arc::new(LinkMetrics {
                    up: self.up.get(&[]),
                    breaker: self.breaker.get(&[]),
                    refused: Some(Handles::new(&self.refused, &[])),
                }),
                scripts: self.scripts.get(&[]),
                fallbacks: Handles::new(&self.fallbacks, &[]),
            })
        })
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

/// The series of shared limits.
pub struct SharedLimitMetrics {
    link: Arc<LinkMetrics>,
    scripts: Histogram,
    fallbacks: Handles<BackendFailure, Counter>,
}

impl SharedLimitMetrics {
    /// What is shown of the connection to Redis.
    pub fn link(&self) -> &Arc<LinkMetrics> {
        &self.link
    }

    /// Records the time that Redis took to decide.
    pub fn decided(&self, time: Duration) {
        self.scripts.observe(time);
    }

    /// Counts a decision that the node made by itself.
    pub fn fell_back(&self, failure: BackendFailure) {
        self.fallbacks.get(failure).inc();
    }
}
