//! What lives as long as the process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pingora_cache::{lock::CacheLock, predictor::Predictor};

use super::{lifecycle::Lifecycle, listener::Listener, pipeline::Pipeline};
use crate::{
    cache::{
        invalidation::{InvalidationLog, LogLimits},
        key::KeyMaker,
        memory::MemoryTier,
        redis::{NodeId, RedisTier},
        store::CacheStore,
    },
    config::{
        cache::{CacheStoreConfig, StatsConfig},
        finding::Problem,
        process::{LimitsConfig, ProcessConfig},
        telemetry::TelemetryConfig,
        trace::{RouteTracingConfig, TrustConfig},
        values::Secret,
    },
    headers::{ExplainKey, TrustedPeers},
    rate_limit::{Buckets, LimitSecret, Shared, Stock},
    telemetry::{
        access_log::AccessLog,
        cache::Tier,
        metrics::Metrics,
        recent::RecentErrors,
        trace::{RouteTracing, Tracing},
    },
    tls::CertificateStore,
    upstream::Caller,
};

/// Remembers which requests were answered with what may not be stored.
pub type CachePredictor = Predictor<16>;
/// How many of them in each of its parts.
const PREDICTED: usize = 1024;
/// Longest time that others wait for one fetch, whatever their routes say.
const FILL_LIMIT: Duration = Duration::from_secs(60);
/// The most that the clocks of two nodes are believed to differ after Redis was asked for
/// its own.
const CLOCK_MARGIN: Duration = Duration::from_millis(10);

/// Built once, before the first snapshot; shared by everything after.
pub struct Resources {
    /// Every metric family of the process.
    pub metrics: Arc<Metrics>,
    /// Where finished requests are written down. `None` when turned off.
    pub access_log: Option<Arc<AccessLog>>,
    /// The requests that failed last.
    pub recent_errors: RecentErrors,
    /// By what wishes to explain a request are known. `None`: they are not heeded.
    pub explain: Option<ExplainKey>,
    /// How requests are traced. `None` when they are not.
    pub tracing: Option<Tracing>,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Arc<Listener>>,
    /// The certificate stores of the TLS listeners, to be watched.
    pub certificates: Vec<Arc<CertificateStore>>,
    /// Limits on what a client may send.
    pub limits: LimitsConfig,
    /// Stored responses. Pingora wants it for the life of the process.
    pub cache: &'static CacheStore,
    /// One fetch for all requests that wait for the same response.
    pub cache_lock: &'static CacheLock,
    /// Remembers responses that were not stored, so that nobody waits for them.
    pub cache_predictor: &'static CachePredictor,
    /// Who may use the `PURGE` method. `None`: it is a method like any other.
    pub purge_from: Option<TrustedPeers>,
    /// The cache's statistics on the public side.
    pub cache_stats: Option<StatsConfig>,
    /// What rate limits are made of.
    pub rate_limits: Stock,
    /// What names in logs are hashed with.
    pub identity_secret: [u8; 32],
    /// Makes the gateway's own requests to upstreams.
    pub caller: Caller,
    /// Takes the gateway's own requests to its routes.
    pub pipeline: Pipeline,
    /// Starting, serving or draining.
    pub lifecycle: Lifecycle,
}

impl Resources {
    /// Everything that the `process:` section describes, apart from sockets and threads.
    ///
    /// # Errors
    /// What is wrong with the section of the cache.
    pub fn new(
        config: &ProcessConfig,
        certificates: Vec<Arc<CertificateStore>>,
    ) -> Result<Self, Vec<Problem>> {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), env!("NILEGATE_REVISION"));
        let metrics = Arc::new(metrics.map_err(|error| vec![Problem::new("process", error.to_string())])?);
        let cache = cache_store(&config.cache, &metrics).map_err(|problem| vec![problem])?;
        let tracing = config.telemetry.tracing.as_ref();
        let trust = tracing.map_or(TrustConfig::Never, |tracing| tracing.trust.clone());
        let rate_limits = limits_stock(config, &metrics).map_err(|problem| vec![problem])?;
        let graphql = config.graphql.as_ref().map(|graphql| graphql.address);
        let listeners = config.all_listeners();
        let listeners = listeners.iter().map(|listener| {
            let handles = metrics.listener(&listener.name());
            let mut listener = Listener::new(listener, &trust, handles);
            listener.graphql_only = graphql == Some(listener.address);
            Arc::new(listener)
        });
        let log = &config.telemetry.access_log;
        let counters = metrics.process().access_log_counters();
        if let Some(limit) = memory_limit() {
            metrics.process().set_memory_limit(limit);
        }
        Ok(Self {
            access_log: AccessLog::from_config(log, counters).map(Arc::new),
            recent_errors: RecentErrors::default(),
            explain: config.telemetry.explain.as_ref().map(ExplainKey::new),
            tracing: Tracing::compile(&config.telemetry, metrics.traces())?,
            listeners: listeners.collect(),
            certificates,
            purge_from: config.cache.purge.as_ref().map(|purge| TrustedPeers::new(&purge.from)),
            cache_stats: config.cache.stats.clone(),
            rate_limits,
            limits: config.limits.clone(),
            // Pingora keeps references to these in every session.
            cache: Box::leak(Box::new(cache)),
            cache_lock: Box::leak(CacheLock::new_boxed(FILL_LIMIT)),
            cache_predictor: Box::leak(Box::new(CachePredictor::new(PREDICTED, None))),
            identity_secret: identity_secret(&config.telemetry),
            caller: Caller::default(),
            pipeline: Pipeline::default(),
            lifecycle: Lifecycle::default(),
            metrics,
        })
    }

    /// The listener that a connection accepted at this local address came through.
    pub fn listener_at(&self, local: &SocketAddr) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.accepts(local))
    }

    /// How requests of a route are traced.
    pub fn route_tracing(&self, own: Option<&RouteTracingConfig>) -> Option<RouteTracing> {
        self.tracing.as_ref().map(|tracing| tracing.on_route(own))
    }

    /// Connections open now, over all listeners.
    pub fn open_connections(&self) -> usize {
        self.listeners.iter().map(|listener| listener.open_connections()).sum()
    }
}

/// The same for all nodes if the configuration says so, or else this process's own.
fn identity_secret(config: &TelemetryConfig) -> [u8; 32] {
    match &config.identity_secret {
        Some(secret) => blake3::derive_key("nilegate identity 1", secret.expose().as_bytes()),
        None => rand::random(),
    }
}

/// Bytes of memory that the process may use: of its control group, or else of the machine.
fn memory_limit() -> Option<u64> {
    // Of version 2, then 1 of control groups; `max` or a huge number where there is no limit.
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let of_group =
        groups.iter().find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let total = machine.and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    of_group.into_iter().chain(total.map(|kib| kib * 1024)).min()
}

fn cache_store(config: &CacheStoreConfig, metrics: &Metrics) -> Result<CacheStore, Problem> {
    let families = metrics.cache();
    let redis = config.redis.as_ref().map(|redis| {
        let node = NodeId::unique(&std::process::id().to_string());
        let tier = RedisTier::new(redis, node, Arc::clone(families.tier(Tier::Redis)));
        tier.map_err(|problem| problem.within("process.cache.redis"))
    });
    let redis = redis.transpose()?;
    let margin = if redis.is_some() { CLOCK_MARGIN } else { Duration::ZERO };
    let limits = LogLimits { margin, ..LogLimits::default() };
    Ok(CacheStore::new(
        KeyMaker::new(config.key_secret.as_ref().map(Secret::expose)),
        MemoryTier::new(&config.memory),
        redis,
        InvalidationLog::new(limits),
        Arc::clone(families),
    ))
}

fn limits_stock(config: &ProcessConfig, metrics: &Metrics) -> Result<Stock, Problem> {
    let families = metrics.rate_limits();
    let section = &config.rate_limits;
    let shared = config.limits_redis().map(|server| {
        let shared = Shared::new(&server, section.budget, Arc::clone(families.shared()));
        let at = if section.redis.is_some() { "process.rate_limits.redis" } else { "process.cache.redis" };
        shared.map(Arc::new).map_err(|problem| problem.within(at))
    });
    Ok(Stock {
        buckets: Arc::new(Buckets::new(section.keys, Default::default(), families.displaced().clone())),
        shared: shared.transpose()?,
        secret: LimitSecret::new(config.cache.key_secret.as_ref().map(Secret::expose)),
    })
}
