//! Pingora's view of a backend: everything that does not change between
//! attempts is prepared once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use pingora_core::{
    protocols::TcpKeepalive,
    upstreams::peer::{ALPN, HttpPeer},
};

use super::{hash::fnv1a, timeouts::ResolvedTimeouts, tls::UpstreamTls};
use crate::config::upstream::{KeepaliveConfig, UpstreamProtocol};

/// A dead machine is noticed on an idle connection after a minute and a half.
const TCP_KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(10),
    count: 3,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// Numbers the connections that must not be reused.
static SINGLE_USE: AtomicU64 = AtomicU64::new(1);

/// How connections to the backends of an upstream are made.
#[derive(Debug)]
pub(super) struct PeerFactory {
    protocol: UpstreamProtocol,
    keepalive: KeepaliveConfig,
    tls: Option<UpstreamTls>,
}

/// The peer of one backend, but for its time limits.
#[derive(Clone, Debug)]
pub(super) struct PeerTemplate {
    peer: HttpPeer,
    reuse: bool,
}

impl PeerFactory {
    pub(super) fn new(
        protocol: UpstreamProtocol,
        keepalive: KeepaliveConfig,
        tls: Option<UpstreamTls>,
    ) -> Self {
        Self { protocol, keepalive, tls }
    }

    /// Of what the TLS files hold, to notice when they changed on disk.
    pub(super) fn tls_fingerprint(&self) -> Option<u64> {
        self.tls.as_ref().map(|tls| tls.fingerprint)
    }

    pub(super) fn template(&self, host: &str, address: SocketAddr) -> PeerTemplate {
        // Never an empty name: with one, Pingora skips verification without a word.
        let sni = self.tls.as_ref().map(|tls| tls.sni.as_deref().unwrap_or(host)).unwrap_or_default();
        let mut peer = HttpPeer::new(address, self.tls.is_some(), sni.to_owned());
        let options = &mut peer.options;
        options.alpn = match self.protocol {
            UpstreamProtocol::Http1 => ALPN::H1,
            // On plain text Pingora takes this for prior knowledge (RFC 9113 section 3.3).
            UpstreamProtocol::Http2 => ALPN::H2,
            UpstreamProtocol::Auto => ALPN::H2H1,
        };
        options.idle_timeout = Some(self.keepalive.idle_timeout.get());
        options.max_h2_streams = self.keepalive.http2_streams;
        options.h2_ping_interval = self.keepalive.http2_ping.map(|p| p.get());
        options.tcp_recv_buf =
            self.keepalive.receive_buffer.map(|size| usize::try_from(size.get()).unwrap_or(usize::MAX));
        options.tcp_keepalive = Some(TCP_KEEPALIVE);
        if let Some(tls) = &self.tls {
            options.verify_cert = tls.verify;
            options.verify_hostname = tls.verify;
            options.ca = tls.ca.clone();
            peer.client_cert_key = tls.client.as_ref().map(Arc::clone);
        }
        peer.group_key = self.group_key();
        PeerTemplate { peer, reuse: !self.keepalive.idle_timeout.get().is_zero() }
    }

    /// Pingora's own key for reuse leaves out the authorities, the client's key
    /// and the protocol: a connection made under other rules must not be taken.
    fn group_key(&self) -> u64 {
        let tls = self.tls_fingerprint().unwrap_or_default().to_be_bytes();
        fnv1a(&[&[self.protocol as u8], &tls[..]].concat())
    }
}

impl PeerTemplate {
    /// The peer of one attempt.
    ///
    /// Pingora has one timer for the first byte and for later reads: it gets
    /// [`ResolvedTimeouts::wait`].
    pub(super) fn with(&self, timeouts: &ResolvedTimeouts) -> Box<HttpPeer> {
        let mut peer = Box::new(self.peer.clone());
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect);
        peer.options.read_timeout = Some(timeouts.wait());
        peer.options.write_timeout = Some(timeouts.write);
        if !self.reuse {
            peer.group_key = SINGLE_USE.fetch_add(1, Relaxed);
        }
        peer
    }

    /// The peer of a probe, which has its own limit on time.
    pub(super) fn plain(&self) -> &HttpPeer {
        &self.peer
    }
}

#[cfg(test)]
mod tests;
