//! What is counted for the cache: once for each tier, and for each route that has one.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, LOOKUP, REQUEST},
    registry::{MetricsError, Registrar},
    scope::Scope,
    tier::TierMetrics,
};
use crate::telemetry::{
    cache::{CacheResult, PurgeKind, RevalidationResult, StaleReason, Tier},
    label::Label,
    trace::TraceId,
};

/// The families of the cache, the series of its tiers, and the routes that use it.
pub struct CacheFamilies {
    requests: Family<Counter>,
    coalesced: Family<Counter>,
    routes: Scope<RouteCacheMetrics>,
    tiers: TierFamilies,
    /// Made when it is asked for: a tier that is not in use shows no series.
    used: [OnceLock<Arc<TierMetrics>>; Tier::ALL.len()],
    purges: Handles<PurgeKind, Counter>,
    stale: Handles<StaleReason, Counter>,
    revalidations: Handles<RevalidationResult, Counter>,
    lock_wait: Histogram,
}

impl CacheFamilies {
    /// Registers the families.
    #[rustfmt::skip]
    pub fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let purges = r.counter("cache_purges_total",
            "Purges carried out, by what they named.", &["kind"])?;
        let stale = r.counter("cache_stale_served_total",
            "Stale responses served.", &["reason"])?;
        let revalidations = r.counter("cache_revalidations_total",
            "Stored responses that the upstream was asked to confirm.", &["result"])?;
        Ok(Arc::new(Self {
            requests: r.counter("cache_requests_total",
                "Requests to routes that have a cache, by what it did.", &["route", "result"])?,
            coalesced: r.counter("cache_coalesced_requests_total",
                "Requests answered by the fetch of another request.", &["route"])?,
            routes: Scope::default(),
            tiers: TierFamilies::register(r)?,
            used: Default::default(),
            purges: Handles::new(&purges, &[]),
            stale: Handles::new(&stale, &[]),
            revalidations: Handles::new(&revalidations, &[]),
            lock_wait: r.histogram_with_examples("cache_lock_wait_seconds",
                "Time that a request waited for the fetch of another one.", &[], REQUEST)?.get(&[]),
        }))
    }

    /// The handle of a route; the same one for as long as somebody holds it.
    pub fn route(self: &Arc<Self>, name: &str) -> Arc<RouteCacheMetrics> {
        self.routes.get(name, || RouteCacheMetrics {
            name: name.to_owned(),
            families: Arc::clone(self),
            requests: Handles::new(&self.requests, &[name]),
            coalesced: self.coalesced.get(&[name]),
        })
    }

    /// The series of a tier. Ask only for those in use.
    pub fn tier(&self, tier: Tier) -> &Arc<TierMetrics> {
        self.used[tier.index()].get_or_init(|| Arc::new(TierMetrics::new(&self.tiers, tier)))
    }

    /// Counts a purge.
    pub fn purged(&self, kind: PurgeKind) {
        self.purges.get(kind).inc();
    }

    /// Counts a stale response served.
    pub fn stale_served(&self, reason: StaleReason) {
        self.stale.get(reason).inc();
    }

    /// Counts a revalidation.
    pub fn revalidated(&self, result: RevalidationResult) {
        self.revalidations.get(result).inc();
    }

    /// Records the time that a request waited for the fetch of another one.
    pub fn lock_waited(&self, time: Duration, trace: Option<TraceId>) {
        self.lock_wait.observe_in(time, trace);
    }
}

/// The families that have a `tier` label.
pub(super) struct TierFamilies {
    pub(super) hits: Family<Counter>,
    pub(super) misses: Family<Counter>,
    pub(super) lookups: Family<Histogram>,
    pub(super) write_durations: Family<Histogram>,
    pub(super) writes: Family<Counter>,
    pub(super) entries: Family<Gauge>,
    pub(super) size: Family<Gauge>,
    pub(super) capacity: Family<Gauge>,
    pub(super) evictions: Family<Counter>,
    pub(super) errors: Family<Counter>,
    pub(super) up: Family<Gauge>,
    pub(super) breaker: Family<Gauge>,
    pub(super) corrupted: Family<Counter>,
    pub(super) queue_entries: Family<Gauge>,
    pub(super) queue_bytes: Family<Gauge>,
}

const TIER: &[&str] = &["tier"];

impl TierFamilies {
    #[rustfmt::skip]
    fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        Ok(Self {
            hits: r.counter("cache_hits_total",
                "Lookups that found a response.", TIER)?,
            misses: r.counter("cache_misses_total",
                "Lookups that found none.", TIER)?,
            lookups: r.histogram_with_examples("cache_lookup_duration_seconds",
                "Time of a lookup.", TIER, LOOKUP)?,
            write_durations: r.histogram("cache_write_duration_seconds",
                "Time to store a response.", TIER, LOOKUP)?,
            writes: r.counter("cache_writes_total",
                "Responses to be stored, by what became of them.", &["tier", "result"])?,
            entries: r.gauge("cache_entries",
                "Responses stored.", TIER)?,
            size: r.gauge("cache_size_bytes",
                "Bytes that the stored responses take, upkeep included.", TIER)?,
            capacity: r.gauge("cache_capacity_bytes",
                "Bytes that stored responses may take.", TIER)?,
            evictions: r.counter("cache_evictions_total",
                "Responses that left.", &["tier", "reason"])?,
            errors: r.counter("cache_backend_errors_total",
                "What the tier was asked and did not do. None of it is an error to a client.",
                &["tier", "operation", "reason"])?,
            up: r.gauge("cache_backend_up",
                "Whether the tier can be reached: 1 or 0.", TIER)?,
            breaker: r.gauge("cache_breaker_state",
                "State of the tier's circuit breaker: 0 closed, 1 half open, 2 open.", TIER)?,
            corrupted: r.counter("cache_corrupted_values_total",
                "Values found in the tier that are no response of ours.", &["tier", "reason"])?,
            queue_entries: r.gauge("cache_write_queue_entries",
                "Responses on their way to the tier.", TIER)?,
            queue_bytes: r.gauge("cache_write_queue_bytes",
                "Bytes on their way to the tier.", TIER)?,
        })
    }
}

/// The cache's series of one route. Keep it in the route's plan.
pub struct RouteCacheMetrics {
    name: String,
    families: Arc<CacheFamilies>,
    requests: Handles<CacheResult, Counter>,
    coalesced: Counter,
}

impl RouteCacheMetrics {
    /// Counts a request.
    pub fn request(&self, result: CacheResult) {
        self.requests.get(result).inc();
    }

    /// Requests with this result so far.
    pub fn count(&self, result: CacheResult) -> u64 {
        self.requests.get(result).get()
    }

    /// Counts a request answered by the fetch of another one.
    pub fn coalesced(&self) {
        self.coalesced.inc();
    }

    /// All results so far, in the order of [`CacheResult::ALL`](Label::ALL).
    pub fn counts(&self) -> impl Iterator<Item = (CacheResult, u64)> {
        CacheResult::ALL.iter().map(|&result| (result, self.count(result)))
    }

    /// Requests answered by the fetch of another one so far.
    pub fn coalesced_count(&self) -> u64 {
        self.coalesced.get()
    }
}

impl Drop for RouteCacheMetrics {
    fn drop(&mut self) {
        let Self { name, families: all, .. } = self;
        all.routes.release(name, || {
            all.requests.remove(0, name);
            all.coalesced.remove(0, name);
        });
    }
}
