//! One generation of the `traffic:` section, compiled, and the cell it is swapped in.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use arc_swap::{ArcSwap, Guard};

use super::route::{Route, Target};
use crate::{
    auth::Authenticator,
    config::traffic::TrafficConfig,
    headers::{Forwarding, IdentityFields},
    routing::{PathPolicy, RouteTable},
    telemetry::{
        label::{DiscoveryOutcome, Outcome},
        metrics::{ProcessMetrics, RouteCacheMetrics, UpstreamMetrics},
    },
    upstream::{Prober, RetryPolicy, Upstream},
};

/// Everything a reload replaces, immutable once built.
pub struct Snapshot {
    /// 1 for the first, then counting up.
    pub generation: u64,
    /// Which route takes a request.
    pub routes: RouteTable<Arc<Route>>,
    /// What becomes of paths before a route is looked for.
    pub paths: PathPolicy,
    /// Whether any route keeps responses.
    pub caches: bool,
    /// All upstreams by name, for probes, readiness and metrics.
    pub upstreams: BTreeMap<String, NamedUpstream>,
    /// All ways of proving who one is.
    pub auth: Authenticator,
    /// Fields that nobody but the gateway may write.
    pub identity_fields: IdentityFields,
    /// What is believed of peers and said of the gateway.
    pub forwarding: Arc<Forwarding>,
    /// What it was built from.
    pub config: TrafficConfig,
}

/// An upstream with what the process knows of it beyond its own state.
#[derive(Clone)]
pub struct NamedUpstream {
    /// The group of backends.
    pub upstream: Arc<Upstream>,
    /// Handles of its metric series.
    pub metrics: Arc<UpstreamMetrics>,
}

impl NamedUpstream {
    /// Does what is due for the upstream and counts it.
    pub async fn maintain(&self, prober: &Prober, now: Instant, process: &ProcessMetrics) {
        let done = self.upstream.maintain(prober, now).await;
        self.metrics.health_checks(Outcome::Success, done.probes_passed);
        self.metrics.health_checks(Outcome::Failure, done.probes_failed);
        process.dns_updates(DiscoveryOutcome::Changed, done.lookups_changed);
        process.dns_updates(DiscoveryOutcome::Unchanged, done.lookups_unchanged);
        process.dns_updates(DiscoveryOutcome::Failed, done.lookups_failed);
    }
}

impl Snapshot {
    /// The routes that keep responses, with what is counted for them.
    pub fn cached_routes(&self) -> impl Iterator<Item = (&str, &RouteCacheMetrics)> {
        let routes = self.routes.values();
        routes.filter_map(|route| Some((route.name.as_str(), &*route.cache.as_ref()?.metrics)))
    }

    /// Names of required upstreams that have no healthy backend.
    pub fn unready_upstreams(&self) -> Vec<&str> {
        self.upstreams
            .iter()
            .filter(|(_, named)| named.upstream.is_required() && !named.upstream.is_available())
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Target {
    /// The name of the upstream.
    pub fn name(&self) -> &str {
        self.upstream.name()
    }

    /// When a failed attempt is repeated: the route's rule, or else the upstream's.
    pub fn retry(&self) -> &RetryPolicy {
        self.retry.as_ref().unwrap_or_else(|| self.upstream.retry())
    }
}

/// The one place where the current snapshot stands. Only the reloader writes it.
pub struct SnapshotCell(ArcSwap<Snapshot>);

impl SnapshotCell {
    /// A cell holding the first snapshot.
    pub fn new(first: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The current snapshot, without touching its reference count.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// The current snapshot, to be held for long.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Replaces the snapshot. Requests in flight keep the routes they pinned.
    pub(super) fn swap(&self, next: Arc<Snapshot>) {
        self.0.store(next);
    }
}
