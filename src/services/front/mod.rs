//! The front: accepts connections, does TLS, reads each request's head, refuses
//! what is not clean HTTP, and hands the rest to Pingora's proxy with the bytes of
//! one request and no more.
//!
//! It owns what lies before and between requests: connection limits, PROXY
//! protocol and handshake, the wait for the next request and for a slow head,
//! pipelined requests, draining. It knows no route.

mod connector;
mod entry;
mod head;
mod hit;
mod http1;
mod idle;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use pingora_core::{
    apps::{HttpServerOptions, ServerApp},
    listeners::tls::{Acceptor, TlsSettings},
    protocols::{ALPN, GetSocketDigest, Stream},
    server::{ShutdownWatch, configuration::ServerConf},
    services::listening::Service,
};
use pingora_proxy::{HttpProxy, ProxyHttp, ProxyServiceBuilder};

use self::{connector::Connector, http1::Ended};
use crate::{
    config::process::LimitsConfig,
    downstream::GatedStream,
    runtime::{listener::Listener, resources::Resources, snapshot::SnapshotCell},
    telemetry::{
        label::ConnectionProtocol,
        metrics::ConnectionGuard,
        reason::{CloseReason, RejectReason},
    },
};

/// Pingora's proxy, with sessions of ours beside its own.
pub type Proxy<G> = HttpProxy<G, Connector>;

/// Takes the connections of all listeners.
pub struct Front {
    resources: Arc<Resources>,
    snapshots: Arc<SnapshotCell>,
    doors: Vec<Door>,
}

/// A listener, and who does its handshakes where it speaks TLS.
///
/// Pingora could do them below us, but then a connection would be counted, limited and
/// timed only after its handshake.
struct Door {
    listener: Arc<Listener>,
    tls: Option<Acceptor>,
}

impl Front {
    /// A front. `tls` is in the order of the listeners.
    pub fn new(
        resources: Arc<Resources>,
        snapshots: Arc<SnapshotCell>,
        tls: Vec<Option<TlsSettings>>,
    ) -> Self {
        let doors = resources.listeners.iter().zip(tls);
        let doors = doors
            .map(|(listener, tls)| Door { listener: Arc::clone(listener), tls: tls.map(TlsSettings::build) });
        Self { doors: doors.collect(), resources, snapshots }
    }

    /// The service that accepts connections, hands them to this front, and serves through a
    /// gateway what the front lets in.
    pub fn before<G>(self, gateway: G, conf: &Arc<ServerConf>) -> Service<Proxy<G>>
    where
        G: ProxyHttp + Send + Sync + 'static,
        G::CTX: Send + Sync + 'static,
    {
        let limits = &self.resources.limits;
        let mut options = HttpServerOptions::default();
        // The service gives away whatever does not say that it is HTTP/2: everything, but for
        // what comes back from here.
        options.force_custom = true;
        options.h2_idle_timeout = Some(limits.idle_timeout.get());
        let http2 = http2_options(limits);
        let front = Arc::new(self);
        let mut service = ProxyServiceBuilder::new(conf, gateway)
            .name("proxy")
            .custom(
                Connector::new(conf),
                Arc::new(move |proxy, stream, shutdown: &ShutdownWatch| {
                    let (front, shutdown) = (Arc::clone(&front), shutdown.clone());
                    Box::pin(async move {
                        front.take(&proxy, stream, &shutdown).await;
                        None
                    })
                }),
            )
            .server_options(options)
            .build();
        if let Some(proxy) = service.app_logic_mut() {
            proxy.h2_options = Some(http2);
        }
        service
    }

    async fn take<G>(&self, proxy: &Arc<Proxy<G>>, stream: Stream, shutdown: &ShutdownWatch)
    where
        G: ProxyHttp + Send + Sync + 'static,
        G::CTX: Send + Sync,
    {
        self.resources.pipeline.open(proxy);
        let Some(door) = self.door(&stream) else {
            tracing::warn!("a connection came through no configured listener");
            return;
        };
        let Some(_open) = door.listener.admit() else {
            door.listener.metrics.rejected(RejectReason::ConnectionLimit);
            return;
        };
        self.resources.metrics.runtime().watch_current();
        let mut counted = door.listener.metrics.accepted();
        let reason = self.serve(proxy, stream, door, &mut counted, shutdown).await;
        counted.set_reason(reason);
    }

    /// Where a connection has come in.
    fn door(&self, stream: &Stream) -> Option<&Door> {
        let socket = stream.get_socket_digest()?;
        let local = socket.local_addr()?.as_inet()?;
        self.doors.iter().find(|door| door.listener.accepts(local))
    }

    /// Serves a connection; returns why it ended.
    async fn serve<G>(
        &self,
        proxy: &Arc<Proxy<G>>,
        stream: Stream,
        Door { listener, tls }: &Door,
        counted: &mut ConnectionGuard,
        shutdown: &ShutdownWatch,
    ) -> CloseReason
    where
        G: ProxyHttp + Send + Sync + 'static,
        G::CTX: Send + Sync,
    {
        let limit = self.resources.limits.header_timeout.get();
        let ready = self.resources.lifecycle.is_ready();
        let stream = match entry::enter(stream, listener, tls.as_ref(), limit, ready).await {
            Ok(stream) => stream,
            Err(reason) => return reason,
        };
        let is_http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut gate = Box::new(GatedStream::new(stream));
        if !is_http2 {
            match http1::serve(proxy, gate, listener, counted, &self.resources, &self.snapshots, shutdown)
                .await
            {
                Ended::Because(reason) => return reason,
                Ended::IsHttp2(stream) => gate = stream,
            }
        }
        counted.set_protocol(ConnectionProtocol::Http2);
        // Also on plain text: without it, the proxy would send the connection back here.
        gate.announce_http2();
        proxy.process_new(gate, shutdown).await;
        if self.resources.lifecycle.is_draining() { CloseReason::Draining } else { CloseReason::Client }
    }
}

fn http2_options(limits: &LimitsConfig) -> pingora_core::protocols::http::v2::server::H2Options {
    let mut options = pingora_core::protocols::http::v2::server::H2Options::new();
    options
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes.get()).unwrap_or(u32::MAX));
    options
}

/// The address at the other end of a connection.
fn peer(stream: &impl GetSocketDigest) -> Option<IpAddr> {
    Some(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip())
}
