//! `Upstream`: the rooms of this capability put together.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures::future::join_all;
use tracing::{info, warn};

use super::{
    attempt::{Attempt, Outcome, Tried, Unavailable},
    backend::{Backend, InFlight, Vitals},
    balancer::{BackendSet, Balancer, Selection},
    breaker::{Breaker, BreakerState, Refused, Ticket},
    check,
    discovery::{Answers, Origin},
    ejection::Ejection,
    hash::HashKey,
    health::{Health, HealthCheck, Prober},
    peer::PeerFactory,
    retry::RetryPolicy,
    schedule::Schedule,
    state::{BackendState, UpstreamState},
    timeouts::ResolvedTimeouts,
    tls::UpstreamTls,
};
use crate::config::{
    finding::Problem,
    upstream::{BalanceConfig, TimeoutsConfig, UpstreamConfig},
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
    retry: Arc<RetryPolicy>,
}

impl Upstream {
    /// Compiles an upstream; all problems at once, with paths relative to it.
    ///
    /// An upstream equal to the previous one *is* the previous one, with its
    /// connections' keys, health and counts, unless its TLS files changed on
    /// disk. Otherwise what was learnt about an address, the DNS answers, and
    /// the breaker and the retry budget (if their sections are the same) are
    /// carried over.
    ///
    /// Backends named by DNS are absent until [`Self::maintain`] has run once.
    pub fn build(
        name: &str,
        config: &UpstreamConfig,
        previous: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let (origins, mut problems) = check::origins(config);
        problems.extend(check::ranges(config));
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
            probes: Schedule::new(config.health_check.as_ref().map_or(Duration::MAX, |c| c.interval.get())),
            ejection: Ejection::new(config.ejection.clone()),
            breaker: carry_breaker(config, previous),
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

    // === upkeep, driven by a task ===

    /// Whether [`Self::maintain`] has something to do.
    pub fn is_due(&self, now: Instant) -> bool {
        self.has_names() && self.lookups.is_due(now) || self.health_check.is_some() && self.probes.is_due(now)
    }

    /// Does what is due: looks names up, then probes. Bounded by their timeouts.
    ///
    /// Both are due on a new upstream, so that running this once warms it up.
    pub async fn maintain(&self, prober: &Prober, now: Instant) {
        if self.has_names()
            && let Some(_round) = self.lookups.begin(now)
        {
            self.resolve(|host, port| async move {
                tokio::net::lookup_host((&*host, port)).await.map(Iterator::collect)
            })
            .await;
        }
        if self.health_check.is_some()
            && let Some(_round) = self.probes.begin(now)
        {
            self.probe(prober).await;
        }
    }

    fn has_names(&self) -> bool {
        self.origins.iter().any(|origin| origin.address.is_none())
    }

    /// Looks every host name up. A failed look-up leaves the last good answer in force.
    async fn resolve<L>(&self, lookup: impl Fn(Arc<str>, u16) -> L)
    where
        L: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let limit = self.config.dns.timeout.get();
        let names = self.origins.iter().filter(|origin| origin.address.is_none());
        let lookup = &lookup;
        let found = join_all(names.map(|origin| async move {
            let answer = tokio::time::timeout(limit, lookup(Arc::clone(&origin.host), origin.port)).await;
            (origin, answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
        }))
        .await;
        let mut changed = false;
        for (origin, answer) in found {
            match answer {
                Ok(addresses) if !addresses.is_empty() => {
                    changed |= self.answers().accept(&origin.written, addresses);
                }
                Ok(_) => warn!(upstream = %self.name, host = %origin.host, "name look-up found no address"),
                Err(error) => {
                    warn!(upstream = %self.name, host = %origin.host, %error, "name look-up failed")
                }
            }
        }
        if changed {
            let known = self.set.load_full();
            self.replace_backends(Some(&known));
            info!(upstream = %self.name, backends = self.set.load().backends.len(), "backends changed by name look-up");
        }
    }

    /// Probes every backend at once.
    async fn probe(&self, prober: &Prober) {
        let Some(check) = &self.health_check else { return };
        let set = self.set.load_full();
        join_all(set.backends.iter().map(|backend| async {
            let result = prober.probe(backend.name(), backend.probe_peer(), check).await;
            let error = result.as_ref().err().map(tracing::field::display);
            match backend.vigil().observe(result.is_ok(), check) {
                Some(Health::Unhealthy) => {
                    warn!(upstream = %self.name, backend = backend.name(), address = %backend.address(), error, "backend unhealthy");
                }
                Some(_) => {
                    info!(upstream = %self.name, backend = backend.name(), address = %backend.address(), "backend healthy");
                }
                None => {}
            }
        }))
        .await;
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the set of backends anew from the answers, keeping what is known about each address.
    fn replace_backends(&self, known: Option<&BackendSet>) {
        let mut vitals: HashMap<SocketAddr, Arc<Vitals>> = HashMap::new();
        for backend in known.iter().flat_map(|set| &set.backends) {
            vitals.insert(backend.address(), Arc::clone(backend.vitals()));
        }
        let answers = self.answers();
        let mut backends: Vec<Backend> = Vec::new();
        for origin in &self.origins {
            for address in answers.of(origin) {
                // Two names may lead to one address: it serves both shares.
                if let Some(known) = backends.iter_mut().find(|b| b.address() == *address) {
                    known.add_weight(origin.weight);
                    continue;
                }
                let peer = self.peers.template(&origin.host, *address);
                let vitals = vitals.remove(address).unwrap_or_default();
                backends.push(Backend::new(
                    Arc::clone(&origin.written),
                    *address,
                    origin.weight,
                    peer,
                    vitals,
                ));
            }
        }
        for backend in &backends {
            if self.health_check.is_none() {
                backend.vigil().forget();
            }
            if self.ejection.is_off() {
                backend.ejection().pardon();
            }
        }
        let backends = backends.into_iter().map(Arc::new).collect();
        self.set.store(Arc::new(BackendSet::new(backends, &self.config.balance)));
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

/// The previous retry policy, with its budget, if its rules are the same, else a new one.
fn carry_retry(config: &UpstreamConfig, previous: Option<&Arc<Upstream>>) -> Arc<RetryPolicy> {
    let old = previous.map(|old| &old.retry).filter(|old| *old.config() == config.retry);
    old.map_or_else(|| Arc::new(RetryPolicy::new(config.retry.clone())), Arc::clone)
}

#[cfg(test)]
mod tests;
