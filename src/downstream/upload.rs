//! An HTTP/2 request whose body is still coming, with limits on the waits for it.
//!
//! Pingora reads the body of an HTTP/2 request without any limit on time, and a
//! stream has no socket of its own to keep one. So the session itself is wrapped while
//! it looks like any other to the proxy: only the reads differ.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, stream};
use http::HeaderMap;
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest,
        http::{
            HttpTask, ServerSession,
            custom::{CustomMessageWrite, server::Session},
            v2::server::HttpSession,
        },
        l4::socket::SocketAddr,
    },
};
use pingora_http::{RequestHeader, ResponseHeader};

use super::DeadlineHandle;

type Messages = Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>;

/// An HTTP/2 session that gives up on a client that does not send.
pub struct LimitedUpload {
    inner: HttpSession,
    deadline: DeadlineHandle,
    /// For the next piece of the body.
    limit: Option<Duration>,
}

impl LimitedUpload {
    /// Puts limits on a session, if it is one over HTTP/2 with a body to come.
    pub fn limit(session: &mut ServerSession) -> Option<DeadlineHandle> {
        if !matches!(session, ServerSession::H2(_)) || session.is_body_done() {
            return None;
        }
        // The unit type is Pingora's own placeholder for a session.
        let deadline = DeadlineHandle::default();
        match std::mem::replace(session, ServerSession::new_custom(Box::new(()))) {
            ServerSession::H2(inner) => {
                let limited = Self { inner, deadline: deadline.clone(), limit: None };
                *session = ServerSession::new_custom(Box::new(limited));
                Some(deadline)
            }
            other => {
                *session = other;
                None
            }
        }
    }

    /// Reads, but not beyond the deadline, and the limit if the client is to send.
    async fn read(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        let client = self.limit.filter(|_| !no_body_expected && !self.inner.is_body_done());
        let client = client.map(|limit| Instant::now() + limit);
        let whole = self.deadline.ends();
        let Some(ends) = client.into_iter().chain(whole).min() else {
            return self.inner.read_body_or_idle(no_body_expected).await;
        };
        let read = pin!(self.inner.read_body_or_idle(no_body_expected));
        match tokio::time::timeout_at(ends.into(), read).await {
            Ok(read) => read,
            Err(_) => {
                if whole.is_some_and(|whole| whole <= ends) {
                    self.deadline.pass();
                }
                Error::e_explain(ErrorType::ReadTimedout, "reading the body of an HTTP/2 request")
            }
        }
    }
}

#[async_trait]
impl Session for LimitedUpload {
    fn req_header(&self) -> &RequestHeader {
        self.inner.req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.inner.req_header_mut()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.inner.read_body_bytes().await
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        self.read(no_body_expected).await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.inner.drain_request_body().await
    }

    async fn write_response_header(&mut self, response: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.inner.write_response_header(response, end)
    }

    async fn write_response_header_ref(&mut self, response: &ResponseHeader, end: bool) -> Result<()> {
        self.inner.write_response_header_ref(response, end)
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.inner.write_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.inner.write_trailers(trailers)
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let sent = self.inner.response_duplex_vec(tasks).await;
        // Whatever the client took its time for is not the backend's.
        self.deadline.restart();
        sent
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.limit = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.limit
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.inner.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.inner.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.inner.request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.inner.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        self.inner.shutdown();
    }

    fn is_body_done(&mut self) -> bool {
        self.inner.is_body_done()
    }

    fn is_body_empty(&mut self) -> bool {
        self.inner.is_body_empty()
    }

    async fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }

    fn body_bytes_sent(&self) -> usize {
        self.inner.body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.inner.body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.inner.pseudo_raw_h1_request_header()
    }

    fn enable_retry_buffering(&mut self) {
        self.inner.enable_retry_buffering();
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.inner.retry_buffer_truncated()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.inner.get_retry_buffer()
    }

    // HTTP/2 has no messages beside the body. Pingora wants to see both ends all the same when
    // the session with the backend is one of its own kind too.

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(&mut self) -> Option<Messages> {
        Some(Box::new(stream::empty()))
    }

    fn restore_custom_message_reader(&mut self, _reader: Messages) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
