//! A request whose client is the gateway itself.
//!
//! To Pingora it is a session like any other, but there is no connection behind it: the body
//! is there as a whole, and the response is gathered and handed to whoever asked. Nothing is
//! written in HTTP's own form and read again.
//!
//! Whoever asked may leave at any time. Pingora learns of it as of a client that went away, so
//! that a response which others wait for is still fetched and stored.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use http::HeaderMap;
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest,
        http::{
            HttpTask, ServerSession,
            custom::{CustomMessageWrite, server::Session},
        },
        l4::socket::SocketAddr,
    },
};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::{sync::oneshot, time::timeout_at};

use super::DeadlineHandle;

type Messages = Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>;

/// A whole response to a request of ours.
#[derive(Debug)]
pub struct InnerResponse {
    /// Its head.
    pub head: ResponseHeader,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InnerFailure {
    /// The body is longer than whoever asked would take.
    TooLarge,
    /// It broke off, or never began.
    Broken,
}

/// What becomes of a request of ours. Dropping it is leaving.
pub struct Awaited(oneshot::Receiver<Result<InnerResponse, InnerFailure>>);

impl Awaited {
    /// The response, once it is whole.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn response(self) -> Result<InnerResponse, InnerFailure> {
        self.0.await.unwrap_or(Err(InnerFailure::Broken))
    }
}

/// A request of ours, as a session of Pingora's.
pub struct InnerRequest {
    request: Box<RequestHeader>,
    body: Bytes,
    /// How much of the body has been read: all or nothing.
    body_read: bool,
    digest: Digest,
    deadline: DeadlineHandle,
    asker: Option<oneshot::Sender<Result<InnerResponse, InnerFailure>>>,
    head: Option<ResponseHeader>,
    pieces: Vec<Bytes>,
    received: usize,
    /// Most bytes of a response's body.
    limit: usize,
    timeouts: [Option<Duration>; 3],
}

impl InnerRequest {
    /// A request whose response may have a body of so many bytes. `digest` tells of the
    /// connection that it is made for; waits for the backend end by `deadline`.
    pub fn session(
        request: RequestHeader,
        body: Bytes,
        limit: usize,
        digest: Digest,
        deadline: DeadlineHandle,
    ) -> (ServerSession, Awaited) {
        let (asker, awaited) = oneshot::channel();
        let session = Self {
            request: Box::new(request),
            body_read: body.is_empty(),
            body,
            digest,
            deadline,
            asker: Some(asker),
            head: None,
            pieces: Vec::new(),
            received: 0,
            limit,
            timeouts: [None; 3],
        };
        (ServerSession::new_custom(Box::new(session)), Awaited(awaited))
    }

    /// Takes the head of a response. Of several only the last is the answer.
    fn take_head(&mut self, head: ResponseHeader) -> Result<()> {
        self.is_awaited()?;
        self.head = Some(head);
        Ok(())
    }

    fn take_piece(&mut self, piece: Bytes) -> Result<()> {
        self.is_awaited()?;
        self.received += piece.len();
        if self.received > self.limit {
            self.settle(Err(InnerFailure::TooLarge));
            return self.is_awaited();
        }
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// The response is whole.
    fn end(&mut self) {
        let is_whole = self.head.as_ref().is_some_and(|head| !head.status.is_informational());
        if !is_whole || self.asker.is_none() {
            return;
        }
        let body = match &mut *self.pieces {
            [] => Bytes::new(),
            [whole] => std::mem::take(whole),
            pieces => {
                let mut body = BytesMut::with_capacity(self.received);
                pieces.iter().for_each(|piece| body.extend_from_slice(piece));
                body.freeze()
            }
        };
        if let Some(head) = self.head.clone() {
            self.settle(Ok(InnerResponse { head, body }));
        }
    }

    fn settle(&mut self, outcome: Result<InnerResponse, InnerFailure>) {
        if let Some(asker) = self.asker.take() {
            // Whoever left does not want to know.
            let _ = asker.send(outcome);
        }
    }

    /// An error once nobody takes anything any more.
    fn is_awaited(&self) -> Result<()> {
        match &self.asker {
            Some(asker) if !asker.is_closed() => Ok(()),
            _ => Err(gone()),
        }
    }

    /// Waits for whoever asked to leave, or for the deadline.
    async fn idle(&mut self) -> Result<Option<Bytes>> {
        let ends = self.deadline.ends();
        let Some(asker) = &mut self.asker else { return Err(gone()) };
        let Some(ends) = ends else {
            asker.closed().await;
            return Err(gone());
        };
        match timeout_at(ends.into(), asker.closed()).await {
            Ok(()) => Err(gone()),
            Err(_) => {
                self.deadline.pass();
                Error::e_explain(ErrorType::ReadTimedout, "waiting for the backend of an inner request")
            }
        }
    }
}

fn gone() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "whoever asked has left").into_down()
}

#[async_trait]
impl Session for InnerRequest {
    fn req_header(&self) -> &RequestHeader {
        &self.request
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.request
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        if std::mem::replace(&mut self.body_read, true) {
            return Ok(None);
        }
        Ok(Some(self.body.clone()))
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if no_body_expected || self.body_read { self.idle().await } else { self.read_body_bytes().await }
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.body_read = true;
        Ok(())
    }

    async fn write_response_header(&mut self, response: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.take_head(*response)?;
        if end {
            self.end();
        }
        Ok(())
    }

    async fn write_response_header_ref(&mut self, response: &ResponseHeader, end: bool) -> Result<()> {
        self.write_response_header(Box::new(response.clone()), end).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.take_piece(data)?;
        if end {
            self.end();
        }
        Ok(())
    }

    /// Trailers are nothing that anybody asks for here.
    async fn write_trailers(&mut self, _trailers: HeaderMap) -> Result<()> {
        self.end();
        Ok(())
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        for task in tasks {
            let end = match task {
                HttpTask::Header(head, end) => {
                    self.take_head(*head)?;
                    end
                }
                HttpTask::Body(data, end) => {
                    self.take_piece(data.unwrap_or_default())?;
                    end
                }
                HttpTask::Trailer(_) | HttpTask::Done => true,
                HttpTask::UpgradedBody(..) => return Err(gone()),
                HttpTask::Failed(error) => return Err(error),
            };
            if end {
                self.end();
                return Ok(true);
            }
        }
        self.deadline.restart();
        Ok(false)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.timeouts[0] = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.timeouts[0]
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.timeouts[1] = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.timeouts[1]
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.timeouts[2] = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.timeouts[2]
    }

    fn request_summary(&self) -> String {
        format!("{}, of the gateway itself", self.request.method)
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.head.as_ref()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        self.settle(Err(InnerFailure::Broken));
    }

    fn is_body_done(&mut self) -> bool {
        self.body_read
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.is_empty()
    }

    async fn finish(&mut self) -> Result<()> {
        self.end();
        Ok(())
    }

    fn body_bytes_sent(&self) -> usize {
        self.received
    }

    fn body_bytes_read(&self) -> usize {
        if self.body_read { self.body.len() } else { 0 }
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.local_addr()
    }

    /// What a request in the background, which renews what this one got, is made from.
    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(self.request.method.as_str().as_bytes());
        head.push(b' ');
        head.extend_from_slice(self.request.raw_path());
        head.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.request.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head.into()
    }

    /// The body is kept as long as the session.
    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        (self.body_read && !self.body.is_empty()).then(|| self.body.clone())
    }

    // There are no messages beside the body. Pingora wants to see both ends all the same when
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

#[cfg(test)]
mod tests;
