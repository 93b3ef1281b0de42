//! One try against one backend, from its choice to its outcome.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    backend::{Backend, InFlight},
    breaker::Ticket,
    pool::Upstream,
    retry::Failure,
};

/// The backends already tried for a request. Empty, as it nearly always is, it
/// owns no memory.
#[derive(Clone, Debug, Default)]
pub struct Tried(Vec<SocketAddr>);

impl Tried {
    /// Remembers a backend.
    pub fn add(&mut self, backend: &Backend) {
        self.0.push(backend.address());
    }

    /// Whether nothing was tried yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address was tried.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}

/// How an attempt ended, as far as the backend is to be judged by it.
///
/// A client that went away, or a refusal of ours, is no outcome: drop the
/// attempt without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend answered, with whatever status but 502 to 504.
    Success,
    /// It did not, or said that it cannot.
    Failure(Failure),
}

/// Why no attempt can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The circuit breaker is open, for this long; zero while trials decide.
    BreakerOpen {
        /// Time until trial requests are let through.
        retry_after: Duration,
    },
    /// No backend is healthy, or none is known yet.
    NoBackend,
}

/// One try against one backend. The request counts as in flight there until
/// this is dropped; the request's context owns it.
#[derive(Debug)]
pub struct Attempt {
    upstream: Arc<Upstream>,
    backend: InFlight,
    ticket: Option<Ticket>,
    started: Instant,
    observed: bool,
}

impl Attempt {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        backend: InFlight,
        ticket: Option<Ticket>,
        now: Instant,
    ) -> Self {
        Self { upstream, backend, ticket, started: now, observed: false }
    }

    /// The backend tried.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Reports how it ended: at the response header, or when it failed before.
    ///
    /// Moves the latency estimate, the ejection and the breaker. The first
    /// report counts; later ones are ignored.
    pub fn observe(&mut self, outcome: Outcome, now: Instant) {
        if std::mem::replace(&mut self.observed, true) {
            return;
        }
        let latency = now.saturating_duration_since(self.started);
        self.upstream.judge(&self.backend, outcome, latency, now);
        if let Some(ticket) = self.ticket.take() {
            self.upstream.report(&ticket, outcome == Outcome::Success, now);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.upstream.release(&ticket);
        }
    }
}
