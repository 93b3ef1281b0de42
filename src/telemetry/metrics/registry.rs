//! The one value that holds all families.

use std::{cell::RefCell, sync::Arc, time::Instant};

use prometheus::{
    Encoder, Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
};
use thiserror::Error;

use super::{
    api_version::ApiVersionFamilies,
    auth::{AuthFamilies, AuthMetrics},
    cache::CacheFamilies,
    explain::ExplainMetrics,
    family::Family,
    filter::FilterMetrics,
    graphql::GraphqlMetrics,
    instrument::{Bounds, Counter, Gauge, Histogram, Instrument, SecondsCounter},
    listener::{ListenerFamilies, ListenerMetrics},
    open_metrics,
    process::ProcessMetrics,
    rate_limit::LimitFamilies,
    route::{RouteFamilies, RouteMetrics},
    runtime::RuntimeMetrics,
    trace::TraceMetrics,
    upstream::{UpstreamFamilies, UpstreamMetrics},
};

/// The most series a family may have.
const SERIES_LIMIT: usize = 10_000;

/// The route label of requests that match no route. Names of routes cannot start with `_`.
const UNMATCHED: &str = "_unmatched";

/// A family that cannot be registered: a fault of our own.
#[derive(Debug, Error)]
#[error("cannot register a metric")]
pub struct MetricsError(#[from] prometheus::Error);

/// All metrics of the process. Made once, passed by `Arc`.
pub struct Metrics {
    registry: Registry,
    routes: Arc<RouteFamilies>,
    unmatched: Arc<RouteMetrics>,
    upstreams: Arc<UpstreamFamilies>,
    listeners: ListenerFamilies,
    cache: Arc<CacheFamilies>,
    api_versions: Arc<ApiVersionFamilies>,
    rate_limits: Arc<LimitFamilies>,
    auth: Arc<AuthFamilies>,
    graphql: Arc<GraphqlMetrics>,
    process: ProcessMetrics,
    traces: Arc<TraceMetrics>,
    filters: FilterMetrics,
    explain: ExplainMetrics,
    runtime: RuntimeMetrics,
    /// Those whose buckets may have exemplars.
    examples: Vec<Family<Histogram>>,
    names: Vec<FamilyName>,
}

/// What a family is called, whether it has series or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyName {
    /// The name, without the suffixes of a histogram.
    pub name: String,
    /// The labels of its series.
    pub labels: Vec<String>,
    /// Whether it is a histogram: `_bucket`, `_sum` and `_count`.
    pub histogram: bool,
}

impl FamilyName {
    fn new(desc: &Desc, histogram: bool) -> Self {
        Self { name: desc.fq_name.clone(), labels: desc.variable_labels.clone(), histogram }
    }
}

impl Metrics {
    /// All families, in a registry of their own; `version` and `revision` tell what is running.
    ///
    /// # Errors
    /// Never for a correct table of families, which a test makes sure of.
    pub fn new(version: &str, revision: &str) -> Result<Self, MetricsError> {
        Self::with_limit(version, revision, SERIES_LIMIT)
    }

    pub(super) fn with_limit(version: &str, revision: &str, limit: usize) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let process = ProcessCollector::for_self();
        let mut names: Vec<FamilyName> =
            process.desc().into_iter().map(|desc| FamilyName::new(desc, false)).collect();
        registry.register(Box::new(process))?;
        let overflow = Family::new(
            "proxy_label_overflow_total",
            "Series folded into _overflow because their family was full.",
            &["family"],
            (),
            usize::MAX,
            Counter::default(),
        )?;
        registry.register(Box::new(overflow.clone()))?;
        names.extend(overflow.desc().into_iter().map(|desc| FamilyName::new(desc, false)));
        let registrar = Registrar {
            registry: &registry,
            overflow,
            limit,
            names: RefCell::new(names),
            examples: RefCell::default(),
        };
        let routes = RouteFamilies::register(&registrar)?;
        Ok(Self {
            unmatched: routes.route(UNMATCHED),
            routes,
            upstreams: UpstreamFamilies::register(&registrar)?,
            listeners: ListenerFamilies::register(&registrar)?,
            cache: CacheFamilies::register(&registrar)?,
            api_versions: ApiVersionFamilies::register(&registrar)?,
            rate_limits: LimitFamilies::register(&registrar)?,
            auth: AuthFamilies::register(&registrar)?,
            graphql: GraphqlMetrics::register(&registrar)?,
            process: ProcessMetrics::register(&registrar, version, revision)?,
            traces: Arc::new(TraceMetrics::register(&registrar)?),
            filters: FilterMetrics::register(&registrar)?,
            explain: ExplainMetrics::register(&registrar)?,
            runtime: RuntimeMetrics::register(&registrar)?,
            // Last: everything is registered by now.
            examples: registrar.examples.into_inner(),
            names: registrar.names.into_inner(),
            registry,
        })
    }

    /// The handle of a route; the same one for as long as somebody holds it.
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        self.routes.route(name)
    }

    /// The handle for requests that match no route.
    pub fn unmatched(&self) -> &Arc<RouteMetrics> {
        &self.unmatched
    }

    /// The handle of an upstream; the same one for as long as somebody holds it.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        self.upstreams.upstream(name)
    }

    /// A handle of a listener.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        Arc::new(self.listeners.listener(name))
    }

    /// The series of the cache.
    pub fn cache(&self) -> &Arc<CacheFamilies> {
        &self.cache
    }

    /// The series of the versions of the API.
    pub fn api_versions(&self) -> &Arc<ApiVersionFamilies> {
        &self.api_versions
    }

    /// The series of rate limits.
    pub fn rate_limits(&self) -> &Arc<LimitFamilies> {
        &self.rate_limits
    }

    /// The handle of an auth provider; the same one for as long as somebody holds it.
    pub fn auth_provider(&self, name: &str) -> Arc<AuthMetrics> {
        self.auth.provider(name)
    }

    /// The series of GraphQL.
    pub fn graphql(&self) -> &Arc<GraphqlMetrics> {
        &self.graphql
    }

    /// The series of the process itself.
    pub fn process(&self) -> &ProcessMetrics {
        &self.process
    }

    /// The series of traces.
    pub fn traces(&self) -> &Arc<TraceMetrics> {
        &self.traces
    }

    /// The series of the steps of requests.
    pub fn filters(&self) -> &FilterMetrics {
        &self.filters
    }

    /// The series of requests that are to be explained.
    pub fn explain(&self) -> &ExplainMetrics {
        &self.explain
    }

    /// The series of the runtime that serves connections.
    pub fn runtime(&self) -> &RuntimeMetrics {
        &self.runtime
    }

    /// The name of every family there is: what dashboards and alerts may ask for.
    pub fn families(&self) -> &[FamilyName] {
        &self.names
    }

    /// Everything, in the text format 0.0.4. Gauges that show a state, such as
    /// [`UpstreamMetrics::set_endpoints`], are to be set before.
    pub fn render(&self) -> Vec<u8> {
        let started = Instant::now();
        let mut text = Vec::with_capacity(64 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot write the metrics");
        }
        self.process.scrape_duration.observe(started.elapsed());
        text
    }

    /// The same as OpenMetrics text, with exemplars.
    pub fn render_open(&self) -> Vec<u8> {
        let started = Instant::now();
        let text = open_metrics::render(&self.registry.gather(), &self.examples);
        self.process.scrape_duration.observe(started.elapsed());
        text.into_bytes()
    }
}

/// Makes families and puts them into the registry.
pub struct Registrar<'a> {
    registry: &'a Registry,
    overflow: Family<Counter>,
    limit: usize,
    names: RefCell<Vec<FamilyName>>,
    examples: RefCell<Vec<Family<Histogram>>>,
}

impl Registrar<'_> {
    /// A family of counters.
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<Family<Counter>, MetricsError> {
        self.family(name, help, labels, ())
    }

    /// A family of gauges.
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<Family<Gauge>, MetricsError> {
        self.family(name, help, labels, ())
    }

    /// A family of histograms.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: Bounds,
    ) -> Result<Family<Histogram>, MetricsError> {
        self.family(name, help, labels, bounds)
    }

    /// A family of histograms whose observations may belong to traces.
    pub fn histogram_with_examples(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: Bounds,
    ) -> Result<Family<Histogram>, MetricsError> {
        let family = self.histogram(name, help, labels, bounds)?;
        self.examples.borrow_mut().push(family.clone());
        Ok(family)
    }

    /// A family of counters of time.
    pub fn seconds(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<SecondsCounter>, MetricsError> {
        self.family(name, help, labels, ())
    }

    fn family<M: Instrument>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        options: M::Options,
    ) -> Result<Family<M>, MetricsError> {
        let overflowed = self.overflow.get(&[name]);
        let family = Family::new(name, help, labels, options, self.limit, overflowed)?;
        self.registry.register(Box::new(family.clone()))?;
        let histogram = M::TYPE == prometheus::proto::MetricType::HISTOGRAM;
        self.names.borrow_mut().extend(family.desc().into_iter().map(|d| FamilyName::new(d, histogram)));
        Ok(family)
    }
}
