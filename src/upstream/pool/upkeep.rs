//! What a task does for an upstream while requests come and go: look names up
//! again, probe the backends.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tracing::{info, warn};

use super::Upstream;
use crate::upstream::{
    backend::{Backend, Vitals},
    balancer::BackendSet,
    discovery::Answers,
    health::{Health, Prober},
};

/// What one round of [`Upstream::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Probes that a backend passed.
    pub probes_passed: usize,
    /// Probes that a backend failed.
    pub probes_failed: usize,
    /// Look-ups that brought other addresses than before.
    pub lookups_changed: usize,
    /// Look-ups that brought the same addresses.
    pub lookups_unchanged: usize,
    /// Look-ups without an answer: the last good one stays.
    pub lookups_failed: usize,
    /// The time of each probe.
    pub probe_times: Vec<Duration>,
    /// The time of each look-up.
    pub lookup_times: Vec<Duration>,
}

impl Upstream {
    /// Whether [`Self::maintain`] has something to do.
    pub fn is_due(&self, now: Instant) -> bool {
        self.has_names() && self.lookups.is_due(now) || self.health_check.is_some() && self.probes.is_due(now)
    }

    /// Does what is due: looks names up, then probes. Bounded by their timeouts.
    ///
    /// Both are due on a new upstream, so that running this once warms it up.
    pub async fn maintain(&self, prober: &Prober, now: Instant) -> Upkeep {
        let mut done = Upkeep::default();
        if self.has_names()
            && let Some(_round) = self.lookups.begin(now)
        {
            self.resolve(&mut done, |host, port| async move {
                tokio::net::lookup_host((&*host, port)).await.map(|found| found.collect())
            })
            .await;
        }
        if self.health_check.is_some()
            && let Some(_round) = self.probes.begin(now)
        {
            self.probe(&mut done, prober).await;
        }
        done
    }

    fn has_names(&self) -> bool {
        self.origins.iter().any(|origin| origin.address.is_none())
    }

    /// Looks every host name up. A failed look-up leaves the last good answer in force.
    pub(super) async fn resolve<L>(&self, done: &mut Upkeep, lookup: impl Fn(Arc<str>, u16) -> L)
    where
        L: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let limit = self.config.dns.timeout.get();
        let names = self.origins.iter().filter(|origin| origin.address.is_none());
        let lookup = &lookup;
        let found = join_all(names.map(|origin| async move {
            let begun = Instant::now();
            let answer = tokio::time::timeout(limit, lookup(Arc::clone(&origin.host), origin.port)).await;
            (origin, answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())), begun.elapsed())
        }))
        .await;
        let mut changed = false;
        for (origin, answer, took) in found {
            done.lookup_times.push(took);
            match answer {
                Ok(addresses) if !addresses.is_empty() => {
                    let differs = self.answers().accept(&origin.written, addresses);
                    *(if differs { &mut done.lookups_changed } else { &mut done.lookups_unchanged }) += 1;
                    changed |= differs;
                }
                Ok(_) => {
                    done.lookups_failed += 1;
                    warn!(upstream = %self.name, host = %origin.host, "name look-up found no address");
                }
                Err(error) => {
                    done.lookups_failed += 1;
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
    async fn probe(&self, done: &mut Upkeep, prober: &Prober) {
        let Some(check) = &self.health_check else { return };
        let set = self.set.load_full();
        let results = join_all(set.backends.iter().map(|backend| async move {
            let begun = Instant::now();
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
            (result.is_ok(), begun.elapsed())
        }))
        .await;
        done.probes_passed = results.iter().filter(|(passed, _)| *passed).count();
        done.probes_failed = results.len() - done.probes_passed;
        done.probe_times = results.into_iter().map(|(_, took)| took).collect();
    }

    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the set of backends anew from the answers, keeping what is known about each address.
    pub(super) fn replace_backends(&self, known: Option<&BackendSet>) {
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
