//! The sessions beside Pingora's own: with backends whose bodies are mapped, and with nobody.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use pingora_core::{
    Result,
    connectors::http::custom::{Connection, Connector as CustomConnector},
    protocols::{
        Digest, UniqueIDType,
        http::custom::{BodyWrite, CustomMessageWrite, client::Session},
        l4::socket::SocketAddr,
    },
    server::configuration::ServerConf,
    upstreams::peer::Peer,
};
use pingora_http::{RequestHeader, ResponseHeader};

use crate::{
    local_response::{self, LocalSession},
    mapping::exchange::{Exchange, ExchangeConnector},
};

/// Makes the session that a peer asks for.
pub struct Connector {
    mapped: ExchangeConnector,
}

impl Connector {
    /// A connector with a pool of its own.
    pub fn new(conf: &ServerConf) -> Self {
        Self { mapped: ExchangeConnector::new(conf) }
    }
}

/// A session of one kind or the other.
pub enum Outbound {
    /// With a backend whose bodies are mapped.
    Mapped(Box<Exchange>),
    /// With nobody: the gateway answers itself.
    Local(Box<LocalSession>),
}

#[async_trait]
impl CustomConnector for Connector {
    type Session = Outbound;

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<Outbound>, bool)> {
        if local_response::is_local(peer) {
            return Ok((Connection::Session(Outbound::Local(Box::default())), false));
        }
        let (connection, reused) = self.mapped.get_http_session(peer).await?;
        let connection = match connection {
            Connection::Session(session) => Connection::Session(Outbound::Mapped(Box::new(session))),
            Connection::Stream(stream) => Connection::Stream(stream),
        };
        Ok((connection, reused))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, peer: &P) -> Option<Outbound> {
        if local_response::is_local(peer) {
            return None;
        }
        let session = self.mapped.reused_http_session(peer).await?;
        Some(Outbound::Mapped(Box::new(session)))
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        session: Outbound,
        peer: &P,
        idle_timeout: Option<Duration>,
    ) {
        if let Outbound::Mapped(session) = session {
            self.mapped.release_http_session(*session, peer, idle_timeout).await;
        }
    }
}

/// The same step, whichever session it is.
macro_rules! either {
    ($self:ident, $session:ident => $step:expr) => {
        match $self {
            Outbound::Mapped($session) => $step,
            Outbound::Local($session) => $step,
        }
    };
}

#[async_trait]
impl Session for Outbound {
    async fn write_request_header(&mut self, request: Box<RequestHeader>, end: bool) -> Result<()> {
        either!(self, session => session.write_request_header(request, end).await)
    }

    async fn write_request_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        either!(self, session => session.write_request_body(data, end).await)
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        either!(self, session => session.finish_request_body().await)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        either!(self, session => session.set_read_timeout(timeout));
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        either!(self, session => session.set_write_timeout(timeout));
    }

    async fn read_response_header(&mut self) -> Result<()> {
        either!(self, session => session.read_response_header().await)
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        either!(self, session => session.read_response_body().await)
    }

    fn response_finished(&self) -> bool {
        either!(self, session => session.response_finished())
    }

    async fn shutdown(&mut self, code: u32, why: &str) {
        either!(self, session => session.shutdown(code, why).await);
    }

    async fn abandon(&mut self, why: &str) {
        either!(self, session => session.abandon(why).await);
    }

    fn response_header(&self) -> Option<&ResponseHeader> {
        either!(self, session => session.response_header())
    }

    fn was_upgraded(&self) -> bool {
        either!(self, session => session.was_upgraded())
    }

    fn digest(&self) -> Option<&Digest> {
        either!(self, session => session.digest())
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        either!(self, session => session.digest_mut())
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        either!(self, session => session.server_addr())
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        either!(self, session => session.client_addr())
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        either!(self, session => session.read_trailers().await)
    }

    fn fd(&self) -> UniqueIDType {
        either!(self, session => session.fd())
    }

    async fn check_response_end_or_error(&mut self, headers: bool) -> Result<bool> {
        either!(self, session => session.check_response_end_or_error(headers).await)
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        either!(self, session => session.take_request_body_writer())
    }

    async fn finish_custom(&mut self) -> Result<()> {
        either!(self, session => session.finish_custom().await)
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        either!(self, session => session.take_custom_message_reader())
    }

    async fn drain_custom_messages(&mut self) -> Result<()> {
        either!(self, session => session.drain_custom_messages().await)
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        either!(self, session => session.take_custom_message_writer())
    }
}
