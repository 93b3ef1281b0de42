//! The front: accepts connections, does TLS, reads each request's head, refuses
//! what is not clean HTTP, and hands the rest to Pingora's proxy with the bytes of
//! one request and no more.
//!
//! It owns what lies before and between requests: connection limits, PROXY
//! protocol and handshake, the wait for the next request and for a slow head,
//! pipelined requests, draining. It knows no route.

mod entry;
mod head;
mod hit;
mod http1;
mod idle;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{
    apps::{HttpServerOptions, ServerApp},
    listeners::tls::{Acceptor, TlsSettings},
    protocols::{ALPN, Stream},
    server::{ShutdownWatch, configuration::ServerConf},
};
use pingora_proxy::{HttpProxy, ProxyHttp, http_proxy};

use self::http1::Ended;
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

/// Accepts connections of all listeners.
pub struct Front<G> {
    proxy: Arc<HttpProxy<G>>,
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

impl<G> Front<G>
where
    G: ProxyHttp + Send + Sync + 'static,
    G::CTX: Send + Sync,
{
    /// A front before a gateway. `tls` is in the order of the listeners.
    pub fn new(
        conf: &Arc<ServerConf>,
        gateway: G,
        resources: Arc<Resources>,
        snapshots: Arc<SnapshotCell>,
        tls: Vec<Option<TlsSettings>>,
    ) -> Self {
        let mut proxy = http_proxy(conf, gateway);
        let limits = &resources.limits;
        let mut options = HttpServerOptions::default();
        // Only connections that have shown the preface get this far.
        options.h2c = true;
        options.h2_idle_timeout = Some(limits.idle_timeout.get());
        proxy.server_options = Some(options);
        proxy.h2_options = Some(http2_options(limits));
        let doors = resources.listeners.iter().zip(tls);
        let doors = doors
            .map(|(listener, tls)| Door { listener: Arc::clone(listener), tls: tls.map(TlsSettings::build) });
        Self { proxy: Arc::new(proxy), doors: doors.collect(), resources, snapshots }
    }

    /// Where a connection has come in.
    fn door(&self, stream: &Stream) -> Option<&Door> {
        let socket = stream.get_socket_digest()?;
        let local = socket.local_addr()?.as_inet()?;
        self.doors.iter().find(|door| door.listener.accepts(local))
    }

    /// Serves a connection; returns why it ended.
    async fn serve(
        &self,
        stream: Stream,
        Door { listener, tls }: &Door,
        counted: &mut ConnectionGuard,
        shutdown: &ShutdownWatch,
    ) -> CloseReason {
        let limit = self.resources.limits.header_timeout.get();
        let ready = self.resources.lifecycle.is_ready();
        let stream = match entry::enter(stream, listener, tls.as_ref(), limit, ready).await {
            Ok(stream) => stream,
            Err(reason) => return reason,
        };
        let is_http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut gate = Box::new(GatedStream::new(stream));
        if !is_http2 {
            match http1::serve(
                &self.proxy,
                gate,
                listener,
                counted,
                &self.resources,
                &self.snapshots,
                shutdown,
            )
            .await
            {
                Ended::Because(reason) => return reason,
                Ended::IsHttp2(stream) => gate = stream,
            }
        }
        counted.set_protocol(ConnectionProtocol::Http2);
        self.proxy.process_new(gate, shutdown).await;
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

#[async_trait]
impl<G> ServerApp for Front<G>
where
    G: ProxyHttp + Send + Sync + 'static,
    G::CTX: Send + Sync,
{
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let Some(door) = self.door(&stream) else {
            tracing::warn!("a connection came through no configured listener");
            return None;
        };
        let Some(_open) = door.listener.admit() else {
            door.listener.metrics.rejected(RejectReason::ConnectionLimit);
            return None;
        };
        let mut counted = door.listener.metrics.accepted();
        let reason = self.serve(stream, door, &mut counted, shutdown).await;
        counted.set_reason(reason);
        None
    }
}
