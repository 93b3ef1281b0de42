//! Reading the head of a request from a connection.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    time::timeout,
};

use super::idle::Idle;
use crate::{
    config::process::LimitsConfig,
    downstream::GatedStream,
    framing::{self, Body, Head, HeadLimits},
    proxy_protocol::{self, Parsed},
    runtime::listener::Listener,
    telemetry::reason::{BadRequestReason, RejectReason},
};

/// First bytes of an HTTP/2 connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Room made for a head; most fit.
const FIRST_READ: usize = 4096;

/// What came of waiting for a request.
pub enum Arrived {
    /// A clean head of so many bytes stands at the start of the buffer.
    Request {
        /// Its length.
        head: usize,
        /// How its body is framed.
        body: Body,
    },
    /// The connection speaks HTTP/2.
    Http2,
    /// The head is not fit to be passed on.
    Refused(BadRequestReason),
    /// The client closed the connection, between requests or within one.
    Closed,
    /// Nothing came within the idle timeout.
    Idle,
    /// A head was begun but not ended in time.
    TooSlow,
    /// The process is going away and wants idle connections closed.
    Draining,
    /// The PROXY protocol header is missing, broken, or from a stranger.
    NotProxied(RejectReason),
}

/// Waits for the head of the next request, within the limits of time and size.
pub async fn read(
    stream: &mut GatedStream,
    buffer: &mut BytesMut,
    limits: &LimitsConfig,
    idle: &mut Idle<'_>,
    may_be_http2: bool,
) -> Arrived {
    if buffer.is_empty() {
        idle.begin();
        let first = poll_fn(|cx| {
            // A request that has arrived is served even when the process is going away.
            match poll_first(stream, buffer, cx) {
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Arrived::Closed)),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Pending => idle.poll(cx).map(Err),
            }
        });
        if let Err(ended) = first.await {
            return ended;
        }
    }
    let head_limits = HeadLimits::from(limits);
    // Nearly every head comes in one piece: no timer is set for it.
    if let Some(arrived) = look(buffer, &head_limits, may_be_http2) {
        return arrived;
    }
    let rest = async {
        loop {
            buffer.reserve(FIRST_READ);
            match stream.read_buf(buffer).await {
                Ok(0) | Err(_) => return Arrived::Closed,
                Ok(_) => {}
            }
            if let Some(arrived) = look(buffer, &head_limits, may_be_http2) {
                return arrived;
            }
        }
    };
    timeout(limits.header_timeout.get(), rest).await.unwrap_or(Arrived::TooSlow)
}

/// What the bytes so far amount to; `None` while that cannot be told.
fn look(buffer: &BytesMut, limits: &HeadLimits, may_be_http2: bool) -> Option<Arrived> {
    if may_be_http2 && HTTP2_PREFACE.starts_with(&buffer[..buffer.len().min(HTTP2_PREFACE.len())]) {
        return (buffer.len() >= HTTP2_PREFACE.len()).then_some(Arrived::Http2);
    }
    match framing::check(buffer, limits) {
        Head::Complete { len, body } => Some(Arrived::Request { head: len, body }),
        Head::Refused(reason) => Some(Arrived::Refused(reason)),
        Head::Incomplete => None,
    }
}

/// Reads into the stack and copies, so that a connection holds no memory while it waits.
fn poll_first(
    stream: &mut GatedStream,
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut scratch = [const { MaybeUninit::uninit() }; FIRST_READ];
    let mut scratch = ReadBuf::uninit(&mut scratch);
    ready!(Pin::new(stream).poll_read(cx, &mut scratch))?;
    let filled = scratch.filled();
    buffer.extend_from_slice(filled);
    Poll::Ready(Ok(filled.len()))
}

/// Takes the PROXY protocol header off the start of a plain connection.
pub async fn take_proxy_header(
    stream: &mut GatedStream,
    buffer: &mut BytesMut,
    listener: &Listener,
    limits: &LimitsConfig,
) -> Result<(), Arrived> {
    let Some(from) = &listener.proxy_protocol else { return Ok(()) };
    let peer = stream.get_socket_digest();
    let peer = peer.as_ref().and_then(|s| s.peer_addr()).and_then(|a| a.as_inet()).map(|a| a.ip());
    if !peer.is_some_and(|peer| from.contains(peer)) {
        return Err(Arrived::NotProxied(RejectReason::UntrustedPeer));
    }
    let header = async {
        loop {
            match proxy_protocol::parse(buffer) {
                Parsed::Done { addr, len } => {
                    let _ = buffer.split_to(len);
                    return Ok(addr);
                }
                Parsed::Invalid(_) => return Err(Arrived::NotProxied(RejectReason::ProxyProtocol)),
                Parsed::Incomplete => {}
            }
            buffer.reserve(FIRST_READ);
            match stream.read_buf(buffer).await {
                Ok(0) | Err(_) => return Err(Arrived::Closed),
                Ok(_) => {}
            }
        }
    };
    let header = timeout(limits.header_timeout.get(), header).await.unwrap_or(Err(Arrived::TooSlow))?;
    if let Some(source) = header {
        stream.set_socket_digest(with_peer(stream, source));
    }
    Ok(())
}

/// The digest of the connection as if it came from `source`.
pub fn with_peer(stream: &impl GetSocketDigest, source: std::net::SocketAddr) -> SocketDigest {
    use pingora_core::protocols::l4::socket::SocketAddr;
    let old = stream.get_socket_digest();
    // Every address is filled in, so the descriptor is never asked.
    let digest = SocketDigest::from_raw_fd(-1);
    let _ = digest.peer_addr.set(Some(SocketAddr::Inet(source)));
    let _ = digest.local_addr.set(old.as_ref().and_then(|d| d.local_addr().cloned()));
    let _ = digest.original_dst.set(None);
    digest
}
