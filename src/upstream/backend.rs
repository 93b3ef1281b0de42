//! One address of an upstream, and what is known about it.

use std::{
    fmt,
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use pingora_core::upstreams::peer::HttpPeer;

use super::{
    clock,
    ejection::Record,
    health::{Health, Vigil},
    latency::Latency,
    peer::PeerTemplate,
    timeouts::ResolvedTimeouts,
};

/// One address that an upstream's requests may go to.
///
/// Immutable; what is learnt about it lives in its vitals, which outlive it
/// when DNS or a reload replaces it by one with the same address.
pub struct Backend {
    name: Arc<str>,
    address: SocketAddr,
    weight: u32,
    peer: PeerTemplate,
    vitals: Arc<Vitals>,
}

/// What is learnt about an address while it serves.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    in_flight: AtomicU32,
    attempts: AtomicU64,
    failures: AtomicU64,
    latency: Latency,
    ejection: Record,
    health: Vigil,
    /// The balancer's mark: when its next turn begins, in virtual time.
    pub(super) turn: AtomicU64,
}

impl Backend {
    pub(super) fn new(
        name: Arc<str>,
        address: SocketAddr,
        weight: u32,
        peer: PeerTemplate,
        vitals: Arc<Vitals>,
    ) -> Self {
        Self { name, address, weight, peer, vitals }
    }

    /// `host:port` as the operator wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its share of the requests relative to the others'.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Requests on it now.
    pub fn in_flight(&self) -> u32 {
        self.vitals.in_flight.load(Relaxed)
    }

    /// Attempts made on it so far.
    pub fn attempts(&self) -> u64 {
        self.vitals.attempts.load(Relaxed)
    }

    /// Attempts that failed so far.
    pub fn failures(&self) -> u64 {
        self.vitals.failures.load(Relaxed)
    }

    /// Times it was ejected so far.
    pub fn ejections(&self) -> u64 {
        self.vitals.ejection.total()
    }

    /// The estimate of its time to the first byte (peak EWMA).
    pub fn latency(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.vitals.latency.seconds(now))
    }

    /// What probes say about it.
    pub fn health(&self) -> Health {
        self.vitals.health.health()
    }

    /// Whether it is left alone for failing real requests.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.vitals.ejection.is_ejected(clock::nanos(now))
    }

    /// Whether it is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        self.peer.plain().is_tls()
    }

    /// The peer for one attempt with these limits.
    pub fn peer(&self, timeouts: &ResolvedTimeouts) -> Box<HttpPeer> {
        self.peer.with(timeouts)
    }

    /// The peer of a probe.
    pub(super) fn probe_peer(&self) -> &HttpPeer {
        self.peer.plain()
    }

    pub(super) fn add_weight(&mut self, weight: u32) {
        self.weight += weight;
    }

    pub(super) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    pub(super) fn ejection(&self) -> &Record {
        &self.vitals.ejection
    }

    pub(super) fn vigil(&self) -> &Vigil {
        &self.vitals.health
    }

    /// What one more request would cost here: latency times requests, per weight.
    pub(super) fn cost(&self, now: Instant) -> f64 {
        self.vitals.latency.seconds(now) * f64::from(self.in_flight() + 1) / f64::from(self.weight)
    }

    pub(super) fn observe_success(&self, latency: Duration, now: Instant) {
        self.vitals.latency.observe(latency, now);
        self.vitals.ejection.succeeded();
    }

    pub(super) fn observe_failure(&self, latency: Duration, now: Instant) {
        self.vitals.failures.fetch_add(1, Relaxed);
        self.vitals.latency.observe_failure(latency, now);
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("weight", &self.weight)
            .field("vitals", &self.vitals)
            .finish_non_exhaustive()
    }
}

/// A request on a backend: counted from its choice until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Backend>);

impl InFlight {
    pub(super) fn begin(backend: Arc<Backend>) -> Self {
        backend.vitals.in_flight.fetch_add(1, Relaxed);
        backend.vitals.attempts.fetch_add(1, Relaxed);
        Self(backend)
    }
}

impl Deref for InFlight {
    type Target = Arc<Backend>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.vitals.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{config::upstream::KeepaliveConfig, upstream::peer::PeerFactory};

    /// A backend of this port and weight of which nothing is known.
    pub(in crate::upstream) fn backend(port: u16, weight: u32) -> Arc<Backend> {
        let address = SocketAddr::from(([10, 0, 0, 1], port));
        let factory = PeerFactory::new(Default::default(), KeepaliveConfig::default(), None);
        let peer = factory.template("10.0.0.1", address);
        Arc::new(Backend::new(address.to_string().into(), address, weight, peer, Arc::default()))
    }

    #[test]
    fn it_counts_what_is_on_it() {
        let backend = backend(80, 1);
        let first = InFlight::begin(Arc::clone(&backend));
        let second = InFlight::begin(Arc::clone(&backend));
        assert_eq!((backend.in_flight(), backend.attempts()), (2, 2));
        drop(first);
        assert_eq!(backend.in_flight(), 1);
        drop(second);
        assert_eq!((backend.in_flight(), backend.attempts()), (0, 2));
    }
}
