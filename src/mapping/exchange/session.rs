//! The session as Pingora sees it.
//!
//! Pingora writes the request's body through a [`BodyWrite`] and reads the response at the
//! same time. An ordinary session can do only one thing at a time, so the writer hands its
//! pieces over, and whoever reads sends them meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, Method};
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest, UniqueID, UniqueIDType,
        http::{
            client::HttpSession,
            custom::{BodyWrite, CustomMessageWrite, client::Session, is_informational_except_101},
        },
        l4::socket::SocketAddr,
    },
};
use pingora_http::{RequestHeader, ResponseHeader};

use super::{
    orders::Orders,
    pieces::{BodySender, Piece, Pieces, pieces},
    request::Request,
    response::Response,
};

/// One request and its response over a connection of its own.
pub struct Exchange {
    pub(super) inner: HttpSession,
    /// Whether the connection is TLS.
    pub(super) tls: bool,
    pub(super) orders: Option<Orders>,
    pub(super) method: Method,
    pub(super) request: Request,
    pub(super) pieces: Pieces,
    writer: Option<BodySender>,
    /// The client waits for a 100 before it sends what is held back.
    pub(super) continue_due: bool,
    pub(super) response: Response,
    /// Whether fields behind the body are shown.
    pub(super) trailers_pass: bool,
    /// The head that Pingora gets to see.
    pub(super) head: Option<ResponseHeader>,
    /// Whether the backend's HTTP/2 is not to be relied on.
    wants_http1: bool,
}

impl Exchange {
    /// An exchange over an ordinary session.
    pub(super) fn new(inner: HttpSession, tls: bool) -> Self {
        let (writer, pieces) = pieces();
        Self {
            inner,
            tls,
            orders: None,
            method: Method::GET,
            request: Request::Waiting,
            pieces,
            writer: Some(writer),
            continue_due: false,
            response: Response::Waiting,
            trailers_pass: true,
            head: None,
            wants_http1: false,
        }
    }

    pub(super) fn wants_http1(&self) -> bool {
        self.wants_http1
    }

    /// Takes what is left of the request. Whether the exchange is complete, so that the
    /// connection can serve another.
    pub(super) async fn settle(&mut self) -> bool {
        while let Some(piece) = self.pieces.ready() {
            if self.response != Response::Done || self.pass_on(piece).await.is_err() {
                return false;
            }
        }
        self.request.is_done() && self.response == Response::Done
    }

    pub(super) fn into_inner(self) -> HttpSession {
        self.inner
    }

    /// Notes what an error says of the backend.
    fn judge<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.wants_http1 |= matches!(error.etype(), ErrorType::H2Downgrade | ErrorType::InvalidH2);
        }
        result
    }
}

#[async_trait]
impl Session for Exchange {
    async fn write_request_header(&mut self, request: Box<RequestHeader>, end: bool) -> Result<()> {
        let written = self.begin(request, end).await;
        self.judge(written)
    }

    /// Pingora's proxy writes through the body writer instead.
    async fn write_request_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.pass_on(Piece::Data(data)).await?;
        if end { self.pass_on(Piece::End).await } else { Ok(()) }
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        self.pass_on(Piece::End).await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_read_timeout(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }

    async fn read_response_header(&mut self) -> Result<()> {
        let read = self.read_head().await;
        self.judge(read)
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        let read = self.read_body().await;
        self.judge(read)
    }

    fn response_finished(&self) -> bool {
        self.response == Response::Done
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.inner.shutdown().await;
    }

    fn response_header(&self) -> Option<&ResponseHeader> {
        self.head.as_ref()
    }

    /// Requests to upgrade never come here.
    fn was_upgraded(&self) -> bool {
        false
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner.digest_mut()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner.server_addr()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner.client_addr()
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        let read = self.trailers().await;
        self.judge(read)
    }

    fn fd(&self) -> UniqueIDType {
        match &self.inner {
            HttpSession::H1(session) => session.id(),
            HttpSession::H2(session) => session.fd(),
            HttpSession::Custom(()) => UniqueIDType::default(),
        }
    }

    async fn check_response_end_or_error(&mut self, headers: bool) -> Result<bool> {
        let status = self.head.as_ref().map_or(0, |head| u32::from(head.status.as_u16()));
        if headers && is_informational_except_101(status) {
            return Ok(false);
        }
        let ended = self.has_ended();
        self.judge(ended)
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        self.writer.take().map(|writer| Box::new(writer) as Box<dyn BodyWrite>)
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    /// There are no messages beside the body.
    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        Some(Box::new(stream::empty()))
    }

    async fn drain_custom_messages(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }
}

/// A step before the one it needs: a fault of whoever drives the session.
pub(super) fn out_of_order() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a step of a mapped exchange out of order")
}
