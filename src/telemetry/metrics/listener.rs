//! What is counted for each listener, and on the client's side of requests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{AGE, CONNECT, COUNT, Counter, Gauge, Histogram},
    registry::{MetricsError, Registrar},
    route::InFlight,
};
use crate::telemetry::{
    label::{ConnectionProtocol, Label, Outcome, Protocol, TlsVersion},
    reason::{BadRequestReason, CloseReason, HandshakeFailure, RejectReason},
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
    limit: Family<Gauge>,
    ages: Family<Histogram>,
    http2_streams: Family<Gauge>,
    requests_per_connection: Histogram,
    handshakes: Family<Counter>,
    handshake_durations: Family<Histogram>,
    resumed: Family<Counter>,
    handshake_errors: Arc<Handles<HandshakeFailure, Counter>>,
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
            limit: r.gauge("proxy_connections_limit",
                "Connections that may be open at once.", LISTENER)?,
            ages: r.histogram("proxy_connection_duration_seconds",
                "Time that closed connections were open.", LISTENER, AGE)?,
            http2_streams: r.gauge("proxy_http2_streams",
                "Requests on HTTP/2 connections, not yet answered.", LISTENER)?,
            requests_per_connection: r.histogram("proxy_requests_per_connection",
                "Requests that closed connections have carried.", &["protocol"], COUNT)?
                .get(&[ConnectionProtocol::Http1.as_str()]),
            handshakes: r.counter("proxy_tls_handshakes_total",
                "TLS handshakes with clients.", &["listener", "version", "result"])?,
            handshake_durations: r.histogram("proxy_tls_handshake_duration_seconds",
                "Time of a TLS handshake with a client.", LISTENER, CONNECT)?,
            resumed: r.counter("proxy_tls_sessions_resumed_total",
                "TLS handshakes with clients that took up an earlier session.", LISTENER)?,
            handshake_errors: Arc::new(Handles::new(&r.counter("proxy_tls_handshake_errors_total",
                "TLS handshakes with clients that failed.", &["reason"])?, &[])),
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
            limit: self.limit.get(owner),
            ages: self.ages.get(owner),
            http2_streams: self.http2_streams.get(owner),
            requests_per_connection: self.requests_per_connection.clone(),
            handshakes: TlsVersion::ALL
                .iter()
                .map(|version| Handles::new(&self.handshakes, &[name, version.as_str()]))
                .collect(),
            handshake_durations: self.handshake_durations.get(owner),
            resumed: self.resumed.get(owner),
            handshake_errors: Arc::clone(&self.handshake_errors),
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
    limit: Gauge,
    ages: Histogram,
    http2_streams: Gauge,
    requests_per_connection: Histogram,
    /// One for each [`TlsVersion`].
    handshakes: Box<[Handles<Outcome, Counter>]>,
    handshake_durations: Histogram,
    resumed: Counter,
    handshake_errors: Arc<Handles<HandshakeFailure, Counter>>,
}

impl ListenerMetrics {
    /// The connections that may be open at once.
    pub fn set_limit(&self, connections: usize) {
        self.limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    /// Counts a request on an HTTP/2 connection until the guard is dropped.
    pub fn stream(&self) -> InFlight {
        InFlight::new(&self.http2_streams)
    }

    /// Records how many requests an HTTP/1 connection has carried.
    pub fn carried(&self, requests: u64) {
        self.requests_per_connection.observe_amount(requests);
    }

    /// Counts a TLS handshake that succeeded, the time it took, and whether it took up an
    /// earlier session.
    pub fn handshake(&self, version: TlsVersion, duration: Duration, resumed: bool) {
        self.handshake_ended(version, Outcome::Success);
        self.handshake_durations.observe(duration);
        self.resumed.add(resumed.into());
    }

    /// Counts a TLS handshake that failed.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshake_ended(TlsVersion::None, Outcome::Failure);
        self.handshake_errors.get(failure).inc();
    }

    fn handshake_ended(&self, version: TlsVersion, outcome: Outcome) {
        if let Some(handles) = self.handshakes.get(version.index()) {
            handles.get(outcome).inc();
        }
    }

    /// Counts a connection accepted, and as open until the guard is dropped.
    pub fn accepted(self: &Arc<Self>) -> ConnectionGuard {
        self.accepted.inc();
        self.active.inc();
        let protocol = ConnectionProtocol::Unknown;
        self.connections.get(protocol).inc();
        ConnectionGuard {
            metrics: Arc::clone(self),
            protocol,
            reason: CloseReason::Client,
            since: Instant::now(),
        }
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
    since: Instant,
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
        self.metrics.ages.observe(self.since.elapsed());
    }
}
