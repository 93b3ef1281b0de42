//! Where the sessions come from and where their connections go.

use std::time::Duration;

use async_trait::async_trait;
use pingora_core::{
    Error, ErrorType, Result,
    connectors::{
        ConnectorOptions,
        http::{
            Connector,
            custom::{Connection, Connector as CustomConnector},
        },
    },
    protocols::http::client::HttpSession,
    server::configuration::ServerConf,
    upstreams::peer::Peer,
};

use super::{peer::real, session::Exchange};

/// Connects to backends and keeps idle connections, apart from Pingora's own.
pub struct ExchangeConnector {
    inner: Connector,
}

impl ExchangeConnector {
    /// A connector with a pool as large as Pingora's.
    pub fn new(conf: &ServerConf) -> Self {
        Self { inner: Connector::new(Some(ConnectorOptions::from_server_conf(conf))) }
    }
}

#[async_trait]
impl CustomConnector for ExchangeConnector {
    type Session = Exchange;

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<Exchange>, bool)> {
        let Some(peer) = real(peer) else {
            return Error::e_explain(ErrorType::InternalError, "a peer that is not to be mapped");
        };
        let (session, reused) = self.inner.get_http_session(&peer).await?;
        Ok((Connection::Session(Exchange::new(session, peer.is_tls())), reused))
    }

    /// Reuse is up to `get_http_session`, which says whether it took place.
    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _peer: &P) -> Option<Exchange> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        mut session: Exchange,
        peer: &P,
        idle_timeout: Option<Duration>,
    ) {
        let Some(peer) = real(peer) else { return };
        if session.wants_http1() && peer.get_alpn().is_some_and(|alpn| alpn.get_min_http_version() == 1) {
            self.inner.prefer_h1(&peer);
        }
        let complete = session.settle().await;
        let mut inner = session.into_inner();
        match &mut inner {
            _ if complete => {}
            HttpSession::H1(session) => return session.shutdown().await,
            HttpSession::H2(session) => {
                if let Some(mut stream) = session.take_request_body_writer() {
                    // CANCEL (RFC 9113 section 7); the connection serves others.
                    stream.send_reset(8.into());
                }
            }
            HttpSession::Custom(()) => return,
        }
        self.inner.release_http_session(inner, &peer, idle_timeout).await;
    }
}
