//! One generation of the `traffic:` section, compiled, and the cell it is swapped in.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use arc_swap::{ArcSwap, Guard};

use super::{
    graphql::Graphql,
    route::{Action, Route, Target},
};
use crate::{
    api_version::{Unversioned, Versions},
    auth::Authenticator,
    cache::purge::UrlName,
    config::traffic::TrafficConfig,
    headers::{Forwarding, IdentityFields},
    routing::{Matched, PathPolicy, RequestParts, RouteTable},
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
    /// The versions of the API.
    pub versions: Option<Arc<Versions>>,
    /// Whether a path of any route names a version itself.
    pub spells_versions: bool,
    /// Whether any route keeps responses.
    pub caches: bool,
    /// All upstreams by name, for probes, readiness and metrics.
    pub upstreams: BTreeMap<String, NamedUpstream>,
    /// All ways of proving who one is.
    pub auth: Authenticator,
    /// Fields that nobody but the gateway may write.
    pub identity_fields: IdentityFields,
    /// The route that answers GraphQL on a listener of its own: the first of those.
    pub graphql: Option<Arc<Route>>,
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
        self.metrics.probes_took(&done.probe_times);
        process.lookups_took(&done.lookup_times);
        process.dns_updates(DiscoveryOutcome::Changed, done.lookups_changed);
        process.dns_updates(DiscoveryOutcome::Unchanged, done.lookups_unchanged);
        process.dns_updates(DiscoveryOutcome::Failed, done.lookups_failed);
    }
}

/// The route of a request, and the request as the route sees it.
pub struct Located<'s, 'r> {
    /// The request: on a route with versions its path has none.
    pub parts: RequestParts<'r>,
    /// The route.
    pub matched: Matched<'s, 'r, Arc<Route>>,
    /// The version that was taken out of the path.
    pub stated: Option<&'r str>,
}

impl Snapshot {
    /// The version in a path, and the path without it.
    pub fn unversioned<'p>(&self, path: &'p str) -> Option<Unversioned<'p>> {
        self.versions.as_ref()?.split(path)
    }

    /// The route of a request; `unversioned` is its path without a version, if it states one.
    ///
    /// A route whose path names a version itself comes first, then routes with versions, which
    /// see the path without it, then all others.
    pub fn locate<'s, 'r>(
        &'s self,
        sent: &RequestParts<'r>,
        unversioned: Option<&'r Unversioned<'r>>,
    ) -> Option<Located<'s, 'r>> {
        let literal = || Some(Located { parts: *sent, matched: self.routes.find(sent)?, stated: None });
        let Some(unversioned) = unversioned else { return literal() };
        if self.spells_versions
            && let Some(located) = literal().filter(|located| located.matched.value.spells_version)
        {
            return Some(located);
        }
        let parts = RequestParts { path: &unversioned.path, ..*sent };
        let versioned = self.routes.find(&parts).filter(|matched| matched.value.is_versioned());
        match versioned {
            Some(matched) => Some(Located { parts, matched, stated: Some(unversioned.stated) }),
            None => literal(),
        }
    }

    /// The routes that keep responses, with what is counted for them.
    pub fn cached_routes(&self) -> impl Iterator<Item = (&str, &RouteCacheMetrics)> {
        let routes = self.routes.values();
        routes.filter_map(|route| Some((route.name.as_str(), &*route.cache.as_ref()?.metrics)))
    }

    /// All names by which what is kept for a URL is purged: its own, and those it has where not
    /// all of it counts. Whichever route keeps it, because that may depend on the request.
    ///
    /// A resource with versions is kept by its name without them: one purge voids all of them.
    pub fn purge_names(&self, url: UrlName) -> Vec<UrlName> {
        let plain = self.unversioned_url(&url);
        let mut names: Vec<UrlName> = Vec::with_capacity(1);
        for url in plain.iter().chain([&url]) {
            let policies = self.routes.values().filter_map(|route| Some(&route.cache.as_ref()?.policy));
            for name in policies.filter_map(|policy| policy.shared_name(url)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names.extend(plain);
        names.push(url);
        names
    }

    /// The name of a URL without the version of the API in its path; `None` if there is none.
    pub fn unversioned_url(&self, url: &UrlName) -> Option<UrlName> {
        let target = url.path_and_query();
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let plain = self.unversioned(path)?;
        UrlName::parse(&format!("https://{}{}{query}", url.host(), plain.path)).ok()
    }

    /// GraphQL, if there is a schema.
    pub fn graphql(&self) -> Option<&Arc<Graphql>> {
        match &self.graphql.as_ref()?.action {
            Action::Graphql(graphql) => Some(graphql),
            _ => None,
        }
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
