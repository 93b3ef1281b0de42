//! What is counted for one tier of the cache.

use std::{sync::Arc, time::Duration};

use super::{
    cache::TierFamilies,
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, Instrument},
    link::LinkMetrics,
};
use crate::telemetry::{
    cache::{BackendFailure, BackendOperation, Corruption, EvictionReason, Tier, WriteResult},
    label::Label,
    trace::TraceId,
};

/// The series of one tier. Keep it in the tier.
pub struct TierMetrics {
    hits: Counter,
    misses: Counter,
    lookups: Histogram,
    write_durations: Histogram,
    writes: Handles<WriteResult, Counter>,
    entries: Gauge,
    size: Gauge,
    capacity: Gauge,
    /// Of the tier in memory: what leaves Redis is told by Redis.
    evictions: Option<Handles<EvictionReason, Counter>>,
    /// What only the shared tier has. Nothing is shown of it for the one in memory.
    backend: Option<Backend>,
}

struct Backend {
    /// One for each [`BackendOperation`].
    errors: Box<[Handles<BackendFailure, Counter>]>,
    corrupted: Handles<Corruption, Counter>,
    link: Arc<LinkMetrics>,
    queue_entries: Gauge,
    queue_bytes: Gauge,
}

impl TierMetrics {
    pub(super) fn new(families: &TierFamilies, tier: Tier) -> Self {
        let owner = &[tier.as_str()];
        let backend = || Backend {
            errors: BackendOperation::ALL
                .iter()
                .map(|operation| Handles::new(&families.errors, &[tier.as_str(), operation.as_str()]))
                .collect(),
            corrupted: Handles::new(&families.corrupted, owner),
            link: Arc::new(LinkMetrics {
                up: families.up.get(owner),
                breaker: families.breaker.get(owner),
                // The same series as among the errors of all operations.
                refused: Some(Handles::new(
                    &families.errors,
                    &[tier.as_str(), BackendOperation::Connect.as_str()],
                )),
            }),
            queue_entries: families.queue_entries.get(owner),
            queue_bytes: families.queue_bytes.get(owner),
        };
        Self {
            hits: families.hits.get(owner),
            misses: families.misses.get(owner),
            lookups: families.lookups.get(owner),
            write_durations: families.write_durations.get(owner),
            writes: Handles::new(&families.writes, owner),
            // How much Redis holds is told by Redis, not by each node.
            entries: if tier == Tier::Memory { families.entries.get(owner) } else { Gauge::new(()) },
            size: if tier == Tier::Memory { families.size.get(owner) } else { Gauge::new(()) },
            capacity: if tier == Tier::Memory { families.capacity.get(owner) } else { Gauge::new(()) },
            evictions: (tier == Tier::Memory).then(|| Handles::new(&families.evictions, owner)),
            backend: (tier == Tier::Redis).then(backend),
        }
    }

    /// Counts a lookup and the time it took.
    pub fn looked_up(&self, found: bool, time: Duration) {
        if found {
            self.hits.inc()
        } else {
            self.misses.inc()
        }
        self.lookups.observe(time);
    }

    /// Keeps the lookup of a request as the example of its bucket. Requests share lookups, so the
    /// one that is counted knows none of them.
    pub fn lookup_example(&self, time: Duration, trace: TraceId) {
        self.lookups.exemplify(time, trace);
    }

    /// Counts a lookup that found a response, without its time: for lookups of less than a
    /// microsecond, where reading the clock would be most of it.
    pub fn hit(&self) {
        self.hits.inc();
    }

    /// Counts a lookup that found none, without its time.
    pub fn miss(&self) {
        self.misses.inc();
    }

    /// Counts what became of a response on its way into the tier.
    pub fn written(&self, result: WriteResult) {
        self.writes.get(result).inc();
    }

    /// Records the time that storing a response took.
    pub fn write_took(&self, time: Duration) {
        self.write_durations.observe(time);
    }

    /// Shows how many responses have left so far: called before a scrape.
    pub fn set_evictions(&self, gone: impl Fn(EvictionReason) -> u64) {
        if let Some(evictions) = &self.evictions {
            EvictionReason::ALL.iter().for_each(|&reason| evictions.get(reason).show(gone(reason)));
        }
    }

    /// Shows how full the tier is.
    pub fn set_size(&self, entries: usize, bytes: usize, capacity: usize) {
        let shown = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.entries.set(shown(entries));
        self.size.set(shown(bytes));
        self.capacity.set(shown(capacity));
    }

    /// Counts what the shared tier was asked and did not do.
    pub fn failed(&self, operation: BackendOperation, failure: BackendFailure) {
        if let Some(errors) = self.backend.as_ref().and_then(|it| it.errors.get(operation.index())) {
            errors.get(failure).inc();
        }
    }

    /// Counts a value that is no response of ours.
    pub fn corrupted(&self, corruption: Corruption) {
        if let Some(backend) = &self.backend {
            backend.corrupted.get(corruption).inc();
        }
    }

    /// What is shown of the connection to the shared tier.
    pub fn link(&self) -> Arc<LinkMetrics> {
        self.backend.as_ref().map_or_else(Arc::default, |backend| Arc::clone(&backend.link))
    }

    /// Shows what is on its way to the shared tier.
    pub fn set_queue(&self, entries: usize, bytes: usize) {
        if let Some(backend) = &self.backend {
            backend.queue_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
            backend.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

/// Totals, for statistics and tests.
impl TierMetrics {
    /// Lookups that found a response.
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }

    /// Lookups that found none.
    pub fn misses(&self) -> u64 {
        self.misses.get()
    }

    /// Responses on their way into the tier, by what became of them.
    pub fn writes(&self, result: WriteResult) -> u64 {
        self.writes.get(result).get()
    }

    /// What the shared tier was asked and did not do, for one reason.
    pub fn failures(&self, operation: BackendOperation, failure: BackendFailure) -> u64 {
        let backend = self.backend.as_ref();
        let errors = backend.and_then(|backend| backend.errors.get(operation.index()));
        errors.map_or(0, |errors| errors.get(failure).get())
    }

    /// Values that are no response of ours.
    pub fn corruptions(&self, corruption: Corruption) -> u64 {
        self.backend.as_ref().map_or(0, |backend| backend.corrupted.get(corruption).get())
    }

    /// Whether the shared tier can be reached.
    pub fn is_up(&self) -> bool {
        self.backend.as_ref().is_some_and(|backend| backend.link.is_up())
    }
}
