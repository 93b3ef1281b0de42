//! What comes before HTTP: the PROXY protocol header and the TLS handshake.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use pingora_core::{
    listeners::tls::Acceptor,
    protocols::{GetSocketDigest, SocketDigest, Ssl, Stream, l4},
};
use tokio::{io::AsyncReadExt, time::timeout};

use super::peer;
use crate::{
    proxy_protocol::{self, Parsed},
    runtime::listener::Listener,
    telemetry::{
        label::TlsVersion,
        reason::{CloseReason, HandshakeFailure, RejectReason},
    },
    tls::resumption,
};

/// Room made for a PROXY protocol header; most fit.
const PROXY_HEADER: usize = 256;
/// Bytes read of a ClientHello before the handshake begins.
const CLIENT_HELLO: usize = 1024;

/// Brings a connection to where HTTP begins, within `limit`. `ready`: whether the process is.
///
/// # Errors
/// Why it is to be closed. Refusals have been counted.
pub async fn enter(
    stream: Stream,
    listener: &Listener,
    tls: Option<&Acceptor>,
    limit: Duration,
    ready: bool,
) -> Result<Stream, CloseReason> {
    if tls.is_none() && listener.proxy_protocol.is_none() {
        return Ok(stream);
    }
    let Ok(mut socket) = stream.into_any().downcast::<l4::stream::Stream>() else {
        tracing::error!("a connection came without its socket");
        return Err(CloseReason::Server);
    };
    let enter = async {
        take_proxy_header(&mut socket, listener, ready).await?;
        match tls {
            Some(acceptor) => handshake(acceptor, *socket, listener).await,
            None => Ok(socket as Stream),
        }
    };
    timeout(limit, enter).await.unwrap_or_else(|_| {
        if tls.is_some() {
            listener.metrics.handshake_failed(HandshakeFailure::Timeout);
        }
        Err(CloseReason::IdleTimeout)
    })
}

async fn handshake(
    acceptor: &Acceptor,
    mut socket: l4::stream::Stream,
    listener: &Listener,
) -> Result<Stream, CloseReason> {
    // Who leaves without a word, as a probe does, has not failed: Pingora's error would not tell.
    let mut hello = [0; CLIENT_HELLO];
    match socket.read(&mut hello).await {
        Ok(0) | Err(_) => return Err(CloseReason::Client),
        Ok(read) => socket.rewind(&hello[..read]),
    }
    let begun = Instant::now();
    let (ended, resumed) = resumption::watch(acceptor.tls_handshake(socket)).await;
    match ended {
        Ok(stream) => {
            let version = stream.get_ssl_digest().map_or(TlsVersion::None, |d| TlsVersion::named(&d.version));
            listener.metrics.handshake(version, begun.elapsed(), resumed);
            Ok(Box::new(stream))
        }
        Err(error) => {
            listener.metrics.handshake_failed(HandshakeFailure::of(&error.to_string()));
            tracing::debug!(listener = listener.name, "TLS handshake: {error}");
            Err(CloseReason::TlsFailed)
        }
    }
}

/// Takes the PROXY protocol header off the start of a connection, where the listener demands one.
async fn take_proxy_header(
    socket: &mut l4::stream::Stream,
    listener: &Listener,
    ready: bool,
) -> Result<(), CloseReason> {
    let Some(from) = &listener.proxy_protocol else { return Ok(()) };
    let refuse = |reason| {
        // Before the process is ready, the stranger is its own look at whether the listener is open.
        if ready {
            listener.metrics.rejected(reason);
        }
        Err(CloseReason::ProtocolError)
    };
    if !peer(socket).is_some_and(|peer| from.contains(peer)) {
        return refuse(RejectReason::UntrustedPeer);
    }
    let mut received = BytesMut::new();
    loop {
        match proxy_protocol::parse(&received) {
            Parsed::Done { addr, len } => {
                // What follows belongs to the client: a TLS handshake or a request.
                socket.rewind(&received[len..]);
                if let Some(source) = addr {
                    socket.set_socket_digest(with_peer(socket, source));
                }
                return Ok(());
            }
            Parsed::Invalid(reason) => {
                tracing::debug!(listener = listener.name, "PROXY protocol: {reason}");
                return refuse(RejectReason::ProxyProtocol);
            }
            Parsed::Incomplete => {}
        }
        received.reserve(PROXY_HEADER);
        match socket.read_buf(&mut received).await {
            Ok(0) | Err(_) => return Err(CloseReason::Client),
            Ok(_) => {}
        }
    }
}

/// The digest of the connection as if it came from `source`.
fn with_peer(stream: &impl GetSocketDigest, source: SocketAddr) -> SocketDigest {
    use pingora_core::protocols::l4::socket::SocketAddr;
    let old = stream.get_socket_digest();
    // Every address is filled in, so the descriptor is never asked.
    let digest = SocketDigest::from_raw_fd(-1);
    let _ = digest.peer_addr.set(Some(SocketAddr::Inet(source)));
    let _ = digest.local_addr.set(old.as_ref().and_then(|d| d.local_addr().cloned()));
    let _ = digest.original_dst.set(None);
    digest
}
