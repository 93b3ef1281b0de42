//! A stream that knows where the current request ends.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType, http::ServerSession, raw_connect::ProxyDigest, tls::SslDigest,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{DeadlineHandle, GateHandle, chunked::ChunkedBody};

/// While so many bytes wait for their turn, the client is held up.
const AHEAD_LIMIT: usize = 64 * 1024;
/// Most bytes taken from the socket at a time before it is known whose they are.
const READ: usize = 4096;

/// How much of what arrives belongs to the current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// So many bytes more. What follows is kept for the next request.
    Bytes(u64),
    /// A chunked body. What follows is kept for the next request.
    Chunked(ChunkedBody),
    /// All of it: an upgraded connection, HTTP/2.
    All,
}

/// A connection to a client that hands on one request at a time.
pub struct GatedStream {
    inner: Stream,
    /// Received and not handed on: the next request's head, and what was sent ahead.
    received: BytesMut,
    allowance: Allowance,
    handle: GateHandle,
    deadline: DeadlineHandle,
    /// Runs on from wait to wait: setting it anew for each one would cost more than
    /// a wake-up too early once in the length of a wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the client has not taken yet what was to be sent.
    held_up: bool,
    /// Whether what follows is HTTP/2, whatever the handshake said.
    http2: bool,
}

impl GatedStream {
    /// A gate in front of a socket that lets everything through.
    pub fn new(inner: Stream) -> Self {
        Self {
            inner,
            received: BytesMut::new(),
            allowance: Allowance::All,
            handle: GateHandle::default(),
            deadline: DeadlineHandle::default(),
            timer: None,
            held_up: false,
            http2: false,
        }
    }

    /// From here on it passes for a connection on which HTTP/2 was agreed.
    pub fn announce_http2(&mut self) {
        self.http2 = true;
    }

    /// What has been received and not been handed on.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Receives more from the client, whatever the gate lets through; 0 at the end of the stream.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Into the stack and copied, so that a connection holds no memory while it waits.
        let mut scratch = [const { MaybeUninit::uninit() }; READ];
        let mut scratch = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut scratch))?;
        let filled = scratch.filled();
        self.received.extend_from_slice(filled);
        Poll::Ready(Ok(filled.len()))
    }

    /// Opens the gate; what has been received already goes through first.
    pub fn open(&mut self, allowance: Allowance) {
        self.allowance = allowance;
        self.handle.reset();
        self.deadline.end();
        self.held_up = false;
    }

    /// Opens the gate for a request whose head is the first `head` bytes received, and
    /// takes out what is there of it.
    pub fn admit(&mut self, head: usize, mut body: Allowance) -> BytesMut {
        let there = &self.received[head..];
        let here = match &mut body {
            Allowance::Bytes(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(there.len());
                *left -= here as u64;
                here
            }
            Allowance::Chunked(chunks) => chunks.follow(there),
            Allowance::All => there.len(),
        };
        self.open(body.or_ended());
        // A buffer that is used up is given away: none is held for a client that sends nothing.
        match head + here {
            all if all == self.received.len() => std::mem::take(&mut self.received),
            part => self.received.split_to(part),
        }
    }

    /// The part of the gate that others hold.
    pub fn handle(&self) -> &GateHandle {
        &self.handle
    }

    /// A handle that ends waits for the client.
    pub fn deadline(&self) -> &DeadlineHandle {
        &self.deadline
    }

    /// The stream inside Pingora's box again.
    pub fn recover(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// The gate behind an HTTP/1 session.
    pub fn behind(session: &ServerSession) -> Option<&Self> {
        match session {
            ServerSession::H1(http1) => http1.stream().as_any().downcast_ref(),
            _ => None,
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ends) = self.deadline.ends() else { return Poll::Pending };
        let ends = tokio::time::Instant::from_std(ends);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
        if ends < timer.deadline() {
            timer.as_mut().reset(ends);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= ends {
                self.deadline.pass();
                return Poll::Ready(());
            }
            timer.as_mut().reset(ends);
        }
    }

    /// A slow client is no fault of the backend: once it has taken what was to be
    /// sent, the wait for more begins anew.
    fn note_progress<T>(&mut self, sent: Poll<T>) -> Poll<T> {
        let pending = sent.is_pending();
        if std::mem::replace(&mut self.held_up, pending) && !pending {
            self.deadline.restart();
        }
        sent
    }

    /// The request has ended: only the end of the connection is news, bytes are kept.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.received.len() >= AHEAD_LIMIT {
                // The client has to wait: nothing wakes this read but the next request.
                return Poll::Pending;
            }
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Received bytes first, then those of the socket.
    fn poll_next(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.received.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let n = self.received.len().min(buf.remaining());
        buf.put_slice(&self.received[..n]);
        self.received.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl Allowance {
    fn or_ended(self) -> Self {
        match self {
            Self::Chunked(chunks) if chunks.is_done() => Self::Bytes(0),
            other => other,
        }
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.poll_deadline(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "deadline of the request")));
        }
        if this.handle.is_tunnel() {
            this.allowance = Allowance::All;
        }
        match this.allowance {
            Allowance::All => this.poll_next(cx, buf),
            Allowance::Bytes(0) => this.poll_ahead(cx),
            Allowance::Bytes(left) => {
                let room = buf.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
                ready!(this.poll_next(cx, &mut part))?;
                let n = part.filled().len();
                this.allowance = Allowance::Bytes(left - n as u64);
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
            Allowance::Chunked(mut chunks) => {
                let before = buf.filled().len();
                ready!(this.poll_next(cx, buf))?;
                let piece = &buf.filled()[before..];
                let body = chunks.follow(piece);
                // In the middle of a body `received` is empty, so the order is kept.
                this.received.extend_from_slice(&piece[body..]);
                buf.set_filled(before + body);
                this.allowance = Allowance::Chunked(chunks).or_ended();
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note_progress(sent)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.inner).poll_flush(cx);
        self.note_progress(sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note_progress(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for GatedStream {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for GatedStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for GatedStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        if self.http2 { Some(ALPN::H2) } else { self.inner.selected_alpn_proto() }
    }
}

impl GetTimingDigest for GatedStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for GatedStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for GatedStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

impl Peek for GatedStream {}

impl fmt::Debug for GatedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedStream").field("allowance", &self.allowance).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
