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
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::DeadlineHandle;

/// Most bytes kept of requests that a client sent ahead.
const AHEAD_LIMIT: usize = 64 * 1024;
/// Bytes looked for at a time once the request has ended.
const PROBE: usize = 1024;

/// How much of what arrives belongs to the current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// So many bytes more. What follows is kept for the next request.
    Bytes(u64),
    /// All of it: a chunked body, an upgraded connection, HTTP/2.
    All,
}

/// A connection to a client that hands on one request at a time.
pub struct GatedStream {
    inner: Stream,
    /// Bytes to be read before those of the socket.
    first: BytesMut,
    allowance: Allowance,
    /// Bytes of later requests.
    ahead: BytesMut,
    deadline: DeadlineHandle,
    /// Runs on from wait to wait: setting it anew for each one would cost more than
    /// a wake-up too early once in the length of a wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the client has not taken yet what was to be sent.
    held_up: bool,
}

impl GatedStream {
    /// A gate in front of a socket that lets everything through.
    pub fn new(inner: Stream) -> Self {
        Self {
            inner,
            first: BytesMut::new(),
            allowance: Allowance::All,
            ahead: BytesMut::new(),
            deadline: DeadlineHandle::default(),
            timer: None,
            held_up: false,
        }
    }

    /// Opens the gate for a request of which `first` has been read already.
    pub fn open(&mut self, first: BytesMut, allowance: Allowance) {
        self.first = first;
        self.allowance = allowance;
        self.deadline.end();
        self.held_up = false;
    }

    /// What the client sent ahead of the request that has just ended.
    pub fn take_ahead(&mut self) -> BytesMut {
        std::mem::take(&mut self.ahead)
    }

    /// A handle that ends waits for the client.
    pub fn deadline(&self) -> &DeadlineHandle {
        &self.deadline
    }

    /// The stream inside Pingora's box again.
    pub fn recover(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// The gate behind a stream, if it is one.
    pub fn of(stream: &Stream) -> Option<&Self> {
        stream.as_any().downcast_ref()
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
            if self.ahead.len() >= AHEAD_LIMIT {
                // The client has to wait: nothing wakes this read but the next request.
                return Poll::Pending;
            }
            let mut probe = [const { MaybeUninit::uninit() }; PROBE];
            let mut probe = ReadBuf::uninit(&mut probe);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut probe))?;
            if probe.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead.extend_from_slice(probe.filled());
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
        if !this.first.is_empty() {
            let n = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first[..n]);
            this.first.advance(n);
            return Poll::Ready(Ok(()));
        }
        match &mut this.allowance {
            Allowance::All => Pin::new(&mut this.inner).poll_read(cx, buf),
            Allowance::Bytes(0) => this.poll_ahead(cx),
            Allowance::Bytes(left) => {
                let room = buf.remaining().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
                let n = part.filled().len();
                *left -= n as u64;
                buf.advance(n);
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
        self.inner.selected_alpn_proto()
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
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    fn gate() -> (DuplexStream, GatedStream) {
        let (client, server) = tokio::io::duplex(1024);
        (client, GatedStream::new(Box::new(server)))
    }

    #[tokio::test]
    async fn hands_on_one_request_and_keeps_what_follows() {
        let (mut client, mut gate) = gate();
        client.write_all(b"bodyGET /next").await.unwrap();
        AsyncWriteExt::shutdown(&mut client).await.unwrap();
        gate.open(BytesMut::from(&b"head"[..]), Allowance::Bytes(4));
        let mut seen = Vec::new();
        gate.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"headbody");
        assert_eq!(&gate.take_ahead()[..], b"GET /next");
    }

    #[tokio::test]
    async fn lets_everything_through_where_the_end_is_unknown() {
        let (mut client, mut gate) = gate();
        gate.open(BytesMut::new(), Allowance::All);
        client.write_all(b"0\r\n\r\nGET").await.unwrap();
        let mut seen = [0; 8];
        gate.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"0\r\n\r\nGET");
        assert!(gate.take_ahead().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_the_wait_and_the_next_request_starts_without_it() {
        let (mut client, mut gate) = gate();
        gate.open(BytesMut::new(), Allowance::Bytes(0));
        gate.deadline().begin(Instant::now(), Duration::from_secs(5), None);
        let error = gate.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(gate.deadline().has_passed());
        gate.open(BytesMut::new(), Allowance::Bytes(1));
        client.write_all(b"x").await.unwrap();
        assert_eq!(gate.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test(start_paused = true)]
    async fn one_timer_keeps_waits_of_any_length() {
        let (_client, mut gate) = gate();
        gate.open(BytesMut::new(), Allowance::Bytes(0));
        for seconds in [5, 60, 2, 30] {
            let begun = tokio::time::Instant::now();
            gate.deadline().begin(begun.into_std(), Duration::from_secs(seconds), None);
            assert_eq!(gate.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            let took = begun.elapsed();
            assert!(took.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(100), "{took:?}");
        }
    }

    #[tokio::test]
    async fn a_client_slow_to_take_the_answer_does_not_use_up_the_wait() {
        let (mut client, mut gate) = gate();
        gate.open(BytesMut::new(), Allowance::Bytes(0));
        gate.deadline().begin(Instant::now(), Duration::from_secs(5), None);
        let before = gate.deadline().ends();
        gate.write_all(&[b'x'; 1024]).await.unwrap();
        assert_eq!(gate.deadline().ends(), before, "nothing held it up");
        let mut taken = [0; 2048];
        let (sent, _) = tokio::join!(gate.write_all(&[b'x'; 1024]), client.read_exact(&mut taken));
        sent.unwrap();
        assert!(gate.deadline().ends() > before);
    }

    #[tokio::test]
    async fn a_client_cannot_send_ahead_without_end() {
        let (mut client, mut gate) = gate();
        gate.open(BytesMut::new(), Allowance::Bytes(0));
        let flood = tokio::spawn(async move { client.write_all(&vec![b'x'; 4 * AHEAD_LIMIT]).await });
        let waited = tokio::time::timeout(Duration::from_millis(200), gate.read_u8()).await;
        assert!(waited.is_err(), "the read waits although bytes are there");
        assert!(!flood.is_finished(), "the client is held up");
        assert!(gate.take_ahead().len() <= AHEAD_LIMIT + PROBE);
    }
}
