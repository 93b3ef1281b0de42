//! What is counted for each listener, and on the client's side of requests.

use std::sync::Arc;

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::{
    label::{ConnectionProtocol, Label, Protocol},
    reason::{BadRequestReason, CloseReason, RejectReason},
};

/// The families of the client's side.
pub struct ListenerFamilies {
    connections: Family<Gauge>,
    accepted: Family<Counter>,
    closed: Family<Counter>,
    rejected: Family<Counter>,
    received: Family<Counter>,
    sent: Family<Counter>,
    active: Gauge,
    bad_requests: Arc<Handles<BadRequestReason, Counter>>,
    protocols: Arc<Handles<Protocol, Counter>>,
}

const LISTENER: &[&str] = &["listener"];

impl ListenerFamilies {
    /// Registers the families.
    #[rustfmt::skip]
    pub fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        let bad_requests = r.counter("proxy_bad_requests_total",
            "Requests refused before routing.", &["reason"])?;
        let protocols = r.counter("proxy_requests_by_protocol_total",
            "Requests received, by protocol.", &["protocol"])?;
        Ok(Self {
            connections: r.gauge("proxy_connections",
                "Connections open now.", &["listener", "protocol"])?,
            accepted: r.counter("proxy_connections_accepted_total",
                "Connections accepted.", LISTENER)?,
            closed: r.counter("proxy_connections_closed_total",
                "Connections closed.", &["listener", "reason"])?,
            rejected: r.counter("proxy_connections_rejected_total",
                "Connections refused before they spoke HTTP.", &["listener", "reason"])?,
            received: r.counter("proxy_received_bytes_total",
                "Bytes received from clients.", LISTENER)?,
            sent: r.counter("proxy_sent_bytes_total",
                "Bytes sent to clients.", LISTENER)?,
            active: r.gauge("active_connections",
                "Connections open now, on all listeners.", &[])?.get(&[]),
            bad_requests: Arc::new(Handles::new(&bad_requests, &[])),
            protocols: Arc::new(Handles::new(&protocols, &[])),
        })
    }

    /// The handle of a listener.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        let owner = &[name];
        ListenerMetrics {
            connections: Handles::new(&self.connections, owner),
            accepted: self.accepted.get(owner),
            closed: Handles::new(&self.closed, owner),
            rejected: Handles::new(&self.rejected, owner),
            received: self.received.get(owner),
            sent: self.sent.get(owner),
            active: self.active.clone(),
            bad_requests: Arc::clone(&self.bad_requests),
            protocols: Arc::clone(&self.protocols),
        }
    }
}

/// The series of one listener. Listeners live as long as the process, so do these.
pub struct ListenerMetrics {
    connections: Handles<ConnectionProtocol, Gauge>,
    accepted: Counter,
    closed: Handles<CloseReason, Counter>,
    rejected: Handles<RejectReason, Counter>,
    received: Counter,
    sent: Counter,
    active: Gauge,
    bad_requests: Arc<Handles<BadRequestReason, Counter>>,
    protocols: Arc<Handles<Protocol, Counter>>,
}

impl ListenerMetrics {
    /// Counts a connection accepted, and as open until the guard is dropped.
    pub fn accepted(self: &Arc<Self>) -> ConnectionGuard {
        self.accepted.inc();
        self.active.inc();
        let protocol = ConnectionProtocol::Unknown;
        self.connections.get(protocol).inc();
        ConnectionGuard { metrics: Arc::clone(self), protocol, reason: CloseReason::Client }
    }

    /// Counts a connection refused before it spoke HTTP.
    pub fn rejected(&self, reason: RejectReason) {
        self.rejected.get(reason).inc();
    }

    /// Counts a request received.
    pub fn request(&self, protocol: Protocol) {
        self.protocols.get(protocol).inc();
    }

    /// Counts a request refused before routing.
    pub fn bad_request(&self, reason: BadRequestReason) {
        self.bad_requests.get(reason).inc();
    }

    /// Adds bytes received from and sent to a client.
    pub fn bytes(&self, received: u64, sent: u64) {
        self.received.add(received);
        self.sent.add(sent);
    }

    /// Connections open now on this listener.
    pub fn open(&self) -> i64 {
        ConnectionProtocol::ALL.iter().map(|&protocol| self.connections.get(protocol).get()).sum()
    }
}

/// A connection that is open; dropping it closes it, by the client unless another
/// reason was given.
#[must_use = "dropping the guard counts the connection as closed"]
pub struct ConnectionGuard {
    metrics: Arc<ListenerMetrics>,
    protocol: ConnectionProtocol,
    reason: CloseReason,
}

impl ConnectionGuard {
    /// What the connection turned out to speak.
    pub fn set_protocol(&mut self, protocol: ConnectionProtocol) {
        if protocol != self.protocol {
            self.metrics.connections.get(self.protocol).dec();
            self.metrics.connections.get(protocol).inc();
            self.protocol = protocol;
        }
    }

    /// Why it will be closed.
    pub fn set_reason(&mut self, reason: CloseReason) {
        self.reason = reason;
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.metrics.connections.get(self.protocol).dec();
        self.metrics.active.dec();
        self.metrics.closed.get(self.reason).inc();
    }
}
