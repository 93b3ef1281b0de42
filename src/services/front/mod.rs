//! The front: accepts connections, reads each request's head, refuses what is
//! not clean HTTP, and hands the rest to Pingora's proxy unread.
//!
//! It owns what lies before and between requests: connection limits, PROXY
//! protocol, the wait for the next request and for a slow head, pipelined
//! requests, draining. It knows no route.

mod head;
mod http1;
mod idle;
mod proxied;

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{
    apps::{HttpServerOptions, ServerApp},
    protocols::{ALPN, Stream},
    server::{ShutdownWatch, configuration::ServerConf},
};
use pingora_proxy::{HttpProxy, ProxyHttp, http_proxy};

pub use proxied::ProxiedTls;

use self::http1::Ended;
use crate::{
    config::process::LimitsConfig,
    downstream::GatedStream,
    runtime::{listener::Listener, resources::Resources},
    telemetry::{
        label::Protocol,
        metrics::ConnectionGuard,
        reason::{CloseReason, RejectReason},
    },
};

/// Accepts connections of all listeners.
pub struct Front<G> {
    proxy: Arc<HttpProxy<G>>,
    resources: Arc<Resources>,
}

impl<G> Front<G>
where
    G: ProxyHttp + Send + Sync + 'static,
    G::CTX: Send + Sync,
{
    /// A front before a gateway.
    pub fn new(conf: &Arc<ServerConf>, gateway: G, resources: Arc<Resources>) -> Self {
        let mut proxy = http_proxy(conf, gateway);
        let limits = &resources.limits;
        let mut options = HttpServerOptions::default();
        // Only connections that have shown the preface get this far.
        options.h2c = true;
        options.h2_idle_timeout = Some(limits.idle_timeout.get());
        proxy.server_options = Some(options);
        proxy.h2_options = Some(http2_options(limits));
        Self { proxy: Arc::new(proxy), resources }
    }

    fn listener_of(&self, stream: &Stream) -> Option<&Arc<Listener>> {
        let socket = stream.get_socket_digest()?;
        let local = socket.local_addr()?.as_inet()?;
        self.resources.listener_at(local)
    }

    async fn serve(
        &self,
        stream: Stream,
        listener: &Listener,
        counted: &mut ConnectionGuard,
        shutdown: &ShutdownWatch,
    ) {
        let is_http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut gate = Box::new(GatedStream::new(stream));
        if !is_http2 {
            match http1::serve(&self.proxy, gate, listener, counted, &self.resources, shutdown).await {
                Ended::Because(reason) => return counted.set_reason(reason),
                Ended::IsHttp2(stream) => gate = stream,
            }
        }
        counted.set_protocol(Protocol::Http2);
        self.proxy.process_new(gate, shutdown).await;
        if self.resources.lifecycle.is_draining() {
            counted.set_reason(CloseReason::Draining);
        }
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
        let Some(listener) = self.listener_of(&stream).cloned() else {
            tracing::warn!("a connection came through no configured listener");
            return None;
        };
        let Some(_open) = listener.admit() else {
            listener.metrics.rejected(RejectReason::ConnectionLimit);
            return None;
        };
        let mut counted = listener.metrics.accepted();
        self.serve(stream, &listener, &mut counted, shutdown).await;
        None
    }
}
