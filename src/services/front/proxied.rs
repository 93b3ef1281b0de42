//! PROXY protocol ahead of a TLS handshake.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    Error, ErrorType, OrErr, Result,
    listeners::PreTlsProcess,
    protocols::{GetSocketDigest, l4::stream::Stream},
};
use tokio::{io::AsyncReadExt, time::timeout};

use super::head::with_peer;
use crate::{
    proxy_protocol::{self, Parsed},
    runtime::{listener::Listener, resources::Resources},
    telemetry::reason::RejectReason,
};

/// Reads the header off connections of TLS listeners that demand one.
pub struct ProxiedTls(pub Arc<Resources>);

#[async_trait]
impl PreTlsProcess for ProxiedTls {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        let Some(socket) = stream.get_socket_digest() else { return Ok(()) };
        let Some(local) = socket.local_addr().and_then(|a| a.as_inet()) else { return Ok(()) };
        let Some(listener) = self.0.listener_at(local) else {
            return Ok(());
        };
        let Some(from) = &listener.proxy_protocol else { return Ok(()) };
        let peer = socket.peer_addr().and_then(|a| a.as_inet()).map(|a| a.ip());
        if !peer.is_some_and(|peer| from.contains(peer)) {
            listener.metrics.rejected(RejectReason::UntrustedPeer);
            return Error::e_explain(ErrorType::AcceptError, "PROXY protocol from a stranger");
        }
        let limit = self.0.limits.header_timeout.get();
        let header = timeout(limit, read_header(stream, listener)).await;
        if let Some(source) = header.or_err(ErrorType::AcceptError, "PROXY protocol header")?? {
            stream.set_socket_digest(with_peer(stream, source));
        }
        Ok(())
    }
}

/// Reads byte by byte: what follows the header belongs to the handshake.
async fn read_header(stream: &mut Stream, listener: &Listener) -> Result<Option<SocketAddr>> {
    let mut header = Vec::with_capacity(proxy_protocol::MAX_LEN);
    loop {
        let byte = stream.read_u8().await.or_err(ErrorType::AcceptError, "PROXY protocol header")?;
        header.push(byte);
        match proxy_protocol::parse(&header) {
            Parsed::Incomplete => {}
            Parsed::Done { addr, .. } => return Ok(addr),
            Parsed::Invalid(reason) => {
                listener.metrics.rejected(RejectReason::ProxyProtocol);
                return Error::e_explain(ErrorType::AcceptError, format!("PROXY protocol: {reason}"));
            }
        }
    }
}
