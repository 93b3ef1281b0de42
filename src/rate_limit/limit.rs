//! One limit, compiled.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};

use super::{
    buckets::Buckets,
    key::{BucketKey, Caller, Keys, LimitSecret},
    local::Local,
    quota::{Decision, Quota},
    shared::Shared,
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
    quota: Quota,
    local: Local,
    shared: Option<Arc<Shared>>,
    policy: Option<HeaderValue>,
    metrics: Arc<LimitMetrics>,
}

/// Whose bucket a request was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// That of this node.
    Own,
    /// That of all nodes.
    Shared,
}

/// What all limits of the process are made of.
#[derive(Clone)]
pub struct Stock {
    /// The buckets of this node.
    pub buckets: Arc<Buckets>,
    /// Those of all nodes, if there is a Redis.
    pub shared: Option<Arc<Shared>>,
    /// What buckets are named with.
    pub secret: LimitSecret,
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
        stock: &Stock,
        metrics: Arc<LimitMetrics>,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let quota = Quota::new(config);
        let local = Local::new(&stock.buckets, quota);
        let local = local.ok_or_else(|| vec![Problem::new("rate", "is too high")])?;
        let shared = config.shared.then(|| stock.shared.clone().ok_or_else(|| vec![no_redis()]));
        let shared = shared.transpose()?;
        if let Some(shared) = &shared {
            shared.want();
        }
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
            keys: stock.secret.keys(config.by.clone(), &parts),
            methods,
            quota,
            local,
            shared,
            policy: config.headers.then_some(policy),
            metrics,
        }))
    }

    /// The name in metrics, logs and header fields.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether all nodes keep it together.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
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

    /// Takes a request from the bucket of this node, if it has one.
    pub(super) fn take_own(&self, key: BucketKey) -> Decision {
        self.local.take(key)
    }

    /// Whether the bucket of a request is the same whoever calls.
    pub(super) fn is_of_anybody(&self) -> bool {
        self.keys.is_of_anybody()
    }

    /// Gives a request back to the bucket of this node.
    pub(super) fn give_back_own(&self, key: BucketKey) {
        self.local.give_back(key);
    }

    /// Takes a request from the bucket of all nodes, if it has one, or from that of this node
    /// if nobody can say. What passes is taken from the own bucket too, so that it knows what
    /// this node has let pass when it has to decide.
    pub(super) async fn take(&self, key: BucketKey) -> (Decision, Bucket) {
        let Some(shared) = &self.shared else { return (self.local.take(key), Bucket::Own) };
        match shared.take(key, &self.quota).await {
            Ok(decision) => {
                if let Decision::Passed { .. } = decision {
                    self.local.take(key);
                }
                (decision, Bucket::Shared)
            }
            Err(_) => (self.local.take(key), Bucket::Own),
        }
    }

    /// Gives a request back that was taken and not used.
    pub(super) async fn give_back(&self, key: BucketKey, from: Bucket) {
        self.local.give_back(key);
        if let (Bucket::Shared, Some(shared)) = (from, &self.shared) {
            shared.give_back(key, &self.quota).await;
        }
    }

    pub(super) fn metrics(&self) -> &LimitMetrics {
        &self.metrics
    }
}

fn no_redis() -> Problem {
    Problem::new("shared", "there is no Redis to share the limit by")
}
