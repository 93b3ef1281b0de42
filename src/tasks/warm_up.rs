//! Looks up and probes the upstreams of the first snapshot, lets the listeners
//! open, and calls the process ready once they have.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{
    server::ShutdownWatch,
    services::{ServiceReadyNotifier, background::BackgroundService},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    runtime::{lifecycle::pause, listener::Listener, reload, resources::Resources, snapshot::SnapshotCell},
    telemetry::supervisor,
    upstream::Prober,
};

/// Time between two looks whether a listener is open. It takes a millisecond or two.
const TICK: Duration = Duration::from_millis(2);
/// Longest time until a listener has closed a connection that says nothing.
const REFUSAL: Duration = Duration::from_secs(1);

/// Listeners depend on this task.
pub struct WarmUp {
    /// Whose lifecycle turns ready.
    pub resources: Arc<Resources>,
    /// Holds the first snapshot.
    pub cell: Arc<SnapshotCell>,
    /// Connects to the backends.
    pub prober: Arc<Prober>,
    /// Whether the listeners are those of another process, which ends.
    pub is_successor: bool,
}

#[async_trait]
impl BackgroundService for WarmUp {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        reload::warm(&self.cell.load_full(), &self.prober, &self.resources).await;
        tracing::info!("upstreams are warm");
        ready.notify_ready();
        for listener in &self.resources.listeners {
            if !listening(listener, &mut shutdown).await {
                return;
            }
        }
        self.resources.lifecycle.set_ready();
        supervisor::ready(self.is_successor);
        tracing::info!("listeners are open");
    }
}

/// Waits until a socket is bound. Pingora tells nobody, so this asks the socket.
/// `false`: the process shuts down.
async fn listening(listener: &Listener, shutdown: &mut ShutdownWatch) -> bool {
    loop {
        if let Ok(mut probe) = TcpStream::connect(listener.reachable()).await {
            // Where strangers are refused, this one has to be gone before they are counted.
            if listener.proxy_protocol.is_some() {
                let _ = probe.shutdown().await;
                let _ = timeout(REFUSAL, probe.read(&mut [0])).await;
            }
            return true;
        }
        if !pause(shutdown, TICK).await {
            return false;
        }
    }
}
