//! `Upstream`: the rooms of this capability put together.

mod upkeep;

pub use upkeep::Upkeep;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tracing::warn;

use super::{
    attempt::{Attempt, Outcome, Tried, Unavailable},
    backend::{Backend, InFlight},
    balancer::{BackendSet, Balancer, Selection},
    breaker::{Breaker, Refused, Ticket},
    concurrency::{Concurrency, Permit},
    discovery::{Answers, Origin},
    ejection::Ejection,
    hash::HashKey,
    health::{Health, HealthCheck},
    peer::PeerFactory,
    retry::RetryPolicy,
    schedule::Schedule,
    state::{BackendState, UpstreamState},
    timeouts::ResolvedTimeouts,
    tls::UpstreamTls,
};
use crate::{
    config::{
        finding::Problem,
        upstream::{BalanceConfig, TimeoutsConfig, UpstreamConfig},
    },
    telemetry::label::{BreakerState, ShedReason},
};

/// A named group of backends, compiled. Routes pin it by `Arc`.
pub struct Upstream {
    name: Arc<str>,
    config: UpstreamConfig,
    origins: Vec<Origin>,
    peers: PeerFactory,
    hash_key: Option<HashKey>,
    balancer: Balancer,
    /// Replaced whole when DNS answers change.
    set: ArcSwap<BackendSet>,
    answers: Mutex<Answers>,
    lookups: Schedule,
    health_check: Option<HealthCheck>,
    probes: Schedule,
    ejection: Ejection,
    breaker: Option<Arc<Breaker>>,
    concurrency: Option<Arc<Concurrency>>,
    retry: Arc<RetryPolicy>,
}

impl Upstream {
    /// Compiles an upstream; all problems at once, with paths relative to it.
    /// Ranges and contradictions are `config`'s to find, before.
    ///
    /// An upstream equal to the previous one *is* the previous one, with its
    /// connections' keys, health and counts, unless its TLS files changed on
    /// disk. Otherwise what was learnt about an address, the DNS answers, and
    /// the breaker, the permits and the retry budget (if their sections are the same) are
    /// carried over.
    ///
    /// Backends named by DNS are absent until [`Self::maintain`] has run once.
    pub fn build(
        name: &str,
        config: &UpstreamConfig,
        previous: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let (origins, mut problems) = Origin::parse_all(&config.backends);
        let mut within = |outer: &str, found: Vec<Problem>| {
            problems.extend(found.into_iter().map(|p| p.within(outer)));
        };
        let tls = config.tls.as_ref().map(UpstreamTls::load).transpose();
        let tls = tls.unwrap_or_else(|found| {
            within("tls", found);
            None
        });
        let health_check = config.health_check.as_ref().map(HealthCheck::compile).transpose();
        let health_check = health_check.unwrap_or_else(|found| {
            within("health_check", found);
            None
        });
        let hash_key = match &config.balance {
            BalanceConfig::ConsistentHash(on) => HashKey::compile(on).map_err(|p| problems.push(p)).ok(),
            _ => None,
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let peers = PeerFactory::new(config.protocol, config.keepalive.clone(), tls);
        let unchanged = |old: &&Arc<Self>| {
            *old.name == *name
                && old.config == *config
                && old.peers.tls_fingerprint() == peers.tls_fingerprint()
        };
        if let Some(same) = previous.filter(unchanged) {
            return Ok(Arc::clone(same));
        }
        let upstream = Self {
            name: name.into(),
            origins,
            peers,
            hash_key,
            balancer: Balancer::new(
                config.balance.clone(),
                health_check.is_some(),
                previous.map(|old| &old.balancer),
            ),
            set: ArcSwap::from_pointee(BackendSet::new(Vec::new(), &config.balance)),
            answers: Mutex::new(previous.map(|old| old.answers().clone()).unwrap_or_default()),
            lookups: Schedule::new(config.dns.refresh.get()),
            health_check,
            probes: Schedule::new(config.health_check.as_ref().map_or(Duration::ZERO, |c| c.interval.get())),
            ejection: Ejection::new(config.ejection.clone()),
            breaker: carry_breaker(config, previous),
            concurrency: carry_concurrency(config, previous),
            retry: carry_retry(config, previous),
            config: config.clone(),
        };
        let known = previous.map(|old| old.set.load_full());
        upstream.replace_backends(known.as_deref());
        Ok(Arc::new(upstream))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether readiness depends on it.
    pub fn is_required(&self) -> bool {
        self.config.required
    }

    /// The limits on time for a route with these overrides.
    pub fn timeouts(&self, route: Option<&TimeoutsConfig>) -> ResolvedTimeouts {
        ResolvedTimeouts::resolve(route, &self.config.timeouts)
    }

    /// What to hash of a request, if that is how its backend is chosen.
    pub fn hash_key(&self) -> Option<&HashKey> {
        self.hash_key.as_ref()
    }

    /// The retry policy with its budget.
    pub fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    // === attempts ===

    /// Waits until the request may go to a backend, no longer than `patience`. `None`: as
    /// many may as come.
    ///
    /// # Errors
    /// Why it is not to be served.
    pub async fn admit(&self, patience: Option<Duration>) -> Result<Option<Permit>, ShedReason> {
        match &self.concurrency {
            Some(concurrency) => concurrency.admit(patience).await.map(Some),
            None => Ok(None),
        }
    }

    /// Begins an attempt: asks the breaker, chooses a backend, counts it as in flight.
    pub fn attempt(
        self: &Arc<Self>,
        key: Option<u64>,
        tried: &Tried,
        now: Instant,
    ) -> Result<Attempt, Unavailable> {
        let ticket = match self.breaker.as_ref().map(|b| b.admit(now)).transpose() {
            Ok(ticket) => ticket,
            Err(Refused { retry_after }) => return Err(Unavailable::BreakerOpen { retry_after }),
        };
        match self.select(key, tried, now) {
            Some(backend) => Ok(Attempt::new(Arc::clone(self), backend, ticket, now)),
            None => {
                if let Some(ticket) = ticket {
                    self.release(&ticket);
                }
                Err(Unavailable::NoBackend)
            }
        }
    }

    /// Chooses a backend, without asking the breaker.
    pub fn select(&self, key: Option<u64>, tried: &Tried, now: Instant) -> Option<InFlight> {
        let set = self.set.load();
        let chosen = self.balancer.select(&Selection { set: &set, key, tried, now }, &mut rand::rng());
        chosen.map(|backend| InFlight::begin(Arc::clone(backend)))
    }

    pub(super) fn judge(&self, backend: &Backend, outcome: Outcome, latency: Duration, now: Instant) {
        match outcome {
            Outcome::Success => backend.observe_success(latency, now),
            Outcome::Failure(failure) => {
                backend.observe_failure(latency, now);
                if self.ejection.failed(backend, &self.set.load().backends, now) {
                    warn!(upstream = %self.name, backend = backend.name(), address = %backend.address(), ?failure, "backend ejected");
                }
            }
        }
    }

    pub(super) fn report(&self, ticket: &Ticket, success: bool, now: Instant) {
        let Some(breaker) = &self.breaker else { return };
        let before = breaker.state();
        breaker.report(ticket, success, now);
        let after = breaker.state();
        if before != after {
            warn!(upstream = %self.name, ?before, ?after, "circuit breaker changed");
        }
    }

    pub(super) fn release(&self, ticket: &Ticket) {
        if let Some(breaker) = &self.breaker {
            breaker.release(ticket);
        }
    }

    // === what is known ===

    /// The backends now.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        self.set.load().backends.clone()
    }

    /// Backends that could serve now: neither unhealthy nor ejected.
    pub fn healthy_count(&self, now: Instant) -> usize {
        let set = self.set.load();
        set.backends.iter().filter(|b| b.health() != Health::Unhealthy && !b.is_ejected(now)).count()
    }

    /// Whether any backend may be chosen: one that probes do not find unhealthy.
    pub fn is_available(&self) -> bool {
        self.set.load().backends.iter().any(|b| b.health() != Health::Unhealthy)
    }

    /// Where the circuit breaker stands, if there is one.
    pub fn breaker_state(&self) -> Option<BreakerState> {
        self.breaker.as_ref().map(|b| b.state())
    }

    /// Requests at the backends at once, if there is a limit: how many may be, are, and wait.
    pub fn concurrency(&self) -> Option<(u32, u32, u32)> {
        let concurrency = self.concurrency.as_ref()?;
        Some((concurrency.config().limit, concurrency.in_flight(), concurrency.waiting()))
    }

    /// How often the circuit breaker entered a state.
    pub fn breaker_entered(&self, state: BreakerState) -> u64 {
        self.breaker.as_ref().map_or(0, |b| b.entered(state))
    }

    /// Everything at once, to be shown.
    pub fn state(&self, now: Instant) -> UpstreamState {
        UpstreamState {
            name: Arc::clone(&self.name),
            breaker: self.breaker_state(),
            backends: self.set.load().backends.iter().map(|b| BackendState::of(b, now)).collect(),
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("backends", &self.set.load().backends)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// The previous breaker if its rules are the same, else a new one.
fn carry_breaker(config: &UpstreamConfig, previous: Option<&Arc<Upstream>>) -> Option<Arc<Breaker>> {
    let rules = config.circuit_breaker.as_ref()?;
    let old = previous.and_then(|old| old.breaker.as_ref()).filter(|old| old.config() == rules);
    Some(old.map_or_else(|| Arc::new(Breaker::new(rules.clone())), Arc::clone))
}

/// The previous permits if their rules are the same, else new ones: then requests that are
/// still on the previous ones do not count.
fn carry_concurrency(config: &UpstreamConfig, previous: Option<&Arc<Upstream>>) -> Option<Arc<Concurrency>> {
    let rules = config.concurrency.as_ref()?;
    let old = previous.and_then(|old| old.concurrency.as_ref()).filter(|old| old.config() == rules);
    Some(old.map_or_else(|| Arc::new(Concurrency::new(rules.clone())), Arc::clone))
}

/// The previous retry policy, with its budget, if its rules are the same, else a new one.
fn carry_retry(config: &UpstreamConfig, previous: Option<&Arc<Upstream>>) -> Arc<RetryPolicy> {
    let old = previous.map(|old| &old.retry).filter(|old| *old.config() == config.retry);
    old.map_or_else(|| Arc::new(RetryPolicy::new(config.retry.clone())), Arc::clone)
}

#[cfg(test)]
mod tests;
