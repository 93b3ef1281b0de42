//! What a listener knows about the connections it accepts.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    config::{process::ListenerConfig, trace::TrustConfig},
    headers::{ListenerFields, TrustedPeers},
    telemetry::metrics::ListenerMetrics,
};

/// One configured listener.
pub struct Listener {
    /// Its name in metrics and logs.
    pub name: String,
    /// The address it is bound to.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// What it is to its clients, in forwarding fields.
    pub fields: ListenerFields,
    /// Peers that must send a PROXY protocol header; `None` when nobody does.
    pub proxy_protocol: Option<TrustedPeers>,
    /// Whose trace context is continued.
    pub trace_trust: TraceTrust,
    /// Whether it serves GraphQL and nothing else.
    pub graphql_only: bool,
    /// Handles of its metric series.
    pub metrics: Arc<ListenerMetrics>,
    max_connections: usize,
    open: AtomicUsize,
}

impl Listener {
    /// The listener as configured.
    ///
    /// `trust` holds where it does not say itself whose trace context is continued.
    pub fn new(config: &ListenerConfig, trust: &TrustConfig, metrics: Arc<ListenerMetrics>) -> Self {
        metrics.set_limit(config.max_connections);
        Self {
            trace_trust: TraceTrust::new(config.trace_trust.as_ref().unwrap_or(trust)),
            name: config.name(),
            address: config.address,
            tls: config.tls.is_some(),
            http2: config.http2,
            fields: ListenerFields::new(config.tls.is_some(), config.address.port()),
            proxy_protocol: config.proxy_protocol.as_ref().map(|p| TrustedPeers::new(&p.from)),
            graphql_only: false,
            metrics,
            max_connections: config.max_connections,
            open: AtomicUsize::new(0),
        }
    }

    /// Counts a connection in, unless the limit is reached.
    pub fn admit(self: &Arc<Self>) -> Option<OpenConnection> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let connection = OpenConnection { listener: Arc::clone(self) };
        (before < self.max_connections).then_some(connection)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// An address to connect to in order to reach it on this host.
    pub fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }

    /// Whether a connection accepted at this local address came through this listener.
    pub fn accepts(&self, local: &SocketAddr) -> bool {
        self.address.port() == local.port()
            && (self.address.ip().is_unspecified() || self.address.ip() == local.ip())
    }
}

/// Whose trace context is continued.
pub enum TraceTrust {
    /// Nobody's.
    Never,
    /// Everybody's.
    Always,
    /// That of these peers.
    Peers(TrustedPeers),
}

impl TraceTrust {
    /// The setting, compiled.
    fn new(config: &TrustConfig) -> Self {
        match config {
            TrustConfig::Never => Self::Never,
            TrustConfig::Always => Self::Always,
            TrustConfig::Networks(networks) => Self::Peers(TrustedPeers::new(networks)),
        }
    }

    /// Whether the context of a peer is continued; `None`: its address is not known.
    pub fn covers(&self, peer: Option<IpAddr>) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Peers(peers) => peer.is_some_and(|peer| peers.contains(peer)),
        }
    }
}

/// A connection counted in; dropping it counts it out.
pub struct OpenConnection {
    listener: Arc<Listener>,
}

impl OpenConnection {
    /// The listener it came through.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.listener.open.fetch_sub(1, Ordering::Relaxed);
    }
}
