//! One limit, compiled.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};

use super::{
    buckets::Buckets,
    key::{BucketKey, Caller, Keys, LimitSecret},
    local::Local,
    quota::{Decision, Quota},
};
use crate::{
    config::{
        finding::Problem,
        rate_limit::{LimitBy, RateLimitConfig},
    },
    telemetry::metrics::LimitMetrics,
};

/// A limit as one route uses it.
pub struct Limit {
    name: String,
    keys: Keys,
    /// Empty: all.
    methods: Vec<Method>,
    local: Local,
    policy: Option<HeaderValue>,
    metrics: Arc<LimitMetrics>,
}

/// What a limit is called, and who shares its buckets.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The name of the limit, or that of the route and a number.
    pub name: &'a str,
    /// The route that uses it.
    pub route: &'a str,
    /// Whether other routes use it too.
    pub is_named: bool,
}

impl Limit {
    /// Compiles a limit. Uses of a named limit share its buckets, unless it is one for each
    /// route. With other numbers it has other buckets.
    ///
    /// # Errors
    /// What `config` should have refused.
    pub fn compile(
        scope: Scope<'_>,
        config: &RateLimitConfig,
        buckets: &Arc<Buckets>,
        secret: &LimitSecret,
        metrics: Arc<LimitMetrics>,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let quota = Quota::new(config);
        let local = Local::new(buckets, quota);
        let local = local.ok_or_else(|| vec![Problem::new("rate", "is too high")])?;
        let methods = config.methods.iter().flat_map(|methods| methods.as_slice());
        let methods = methods.map(|method| Method::from_bytes(method.as_bytes()));
        let methods = methods.collect::<Result<Vec<_>, _>>();
        let methods = methods.map_err(|_| vec![Problem::new("methods", "names what is not a method")])?;
        let apart = !scope.is_named || config.by == LimitBy::Route;
        let route = if apart { scope.route } else { "" };
        let (rate, burst, by) = (config.rate.to_string(), config.burst().to_string(), config.by.to_string());
        let parts = [scope.name, route, &rate, &burst, &by];
        let policy =
            format!("\"{}\";q={};w={}", scope.name, config.rate.requests, config.rate.period.as_secs());
        let policy = HeaderValue::try_from(policy);
        let policy =
            policy.map_err(|_| vec![Problem::new("", "has a name that no header field can hold")])?;
        Ok(Arc::new(Self {
            name: scope.name.to_owned(),
            keys: secret.keys(config.by.clone(), &parts),
            methods,
            local,
            policy: config.headers.then_some(policy),
            metrics,
        }))
    }

    /// The name in metrics, logs and header fields.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `RateLimit-Policy` says of it.
    pub(super) fn policy(&self) -> Option<&HeaderValue> {
        self.policy.as_ref()
    }

    /// Whether requests with this method count.
    pub fn concerns(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// The bucket of a request.
    pub(super) fn key(&self, headers: &HeaderMap, caller: &Caller<'_>) -> BucketKey {
        self.keys.of(headers, caller)
    }

    pub(super) fn take(&self, key: BucketKey) -> Decision {
        self.local.take(key)
    }

    pub(super) fn give_back(&self, key: BucketKey) {
        self.local.give_back(key);
    }

    pub(super) fn metrics(&self) -> &LimitMetrics {
        &self.metrics
    }
}
