//! Looks up and probes the upstreams of the first snapshot, lets the listeners
//! open, and calls the process ready once they have.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use pingora_core::{
    server::ShutdownWatch,
    services::{ServiceReadyNotifier, background::BackgroundService},
};
use tokio::net::TcpStream;

use crate::{
    runtime::{lifecycle::pause, reload, resources::Resources, snapshot::SnapshotCell},
    upstream::Prober,
};

/// Time between two looks whether a listener is open. It takes a millisecond or two.
const TICK: Duration = Duration::from_millis(2);

/// Listeners depend on this task.
pub struct WarmUp {
    /// Whose lifecycle turns ready.
    pub resources: Arc<Resources>,
    /// Holds the first snapshot.
    pub cell: Arc<SnapshotCell>,
    /// Connects to the backends.
    pub prober: Arc<Prober>,
}

#[async_trait]
impl BackgroundService for WarmUp {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        reload::warm(&self.cell.load_full(), &self.prober, &self.resources).await;
        tracing::info!("upstreams are warm");
        ready.notify_ready();
        for listener in &self.resources.listeners {
            if !listening(listener.address, &mut shutdown).await {
                return;
            }
        }
        self.resources.lifecycle.set_ready();
        tracing::info!("listeners are open");
    }
}

/// Waits until a socket is bound. Pingora tells nobody, so this asks the socket.
/// `false`: the process shuts down.
async fn listening(address: SocketAddr, shutdown: &mut ShutdownWatch) -> bool {
    while TcpStream::connect(reachable(address)).await.is_err() {
        if !pause(shutdown, TICK).await {
            return false;
        }
    }
    true
}

/// An address to connect to in order to reach a listener on this host.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
