//! Looks up and probes the upstreams of the first snapshot, then lets the listeners open.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{
    server::ShutdownWatch,
    services::{ServiceReadyNotifier, background::BackgroundService},
};

use crate::{
    runtime::{reload, resources::Resources, snapshot::SnapshotCell},
    upstream::Prober,
};

/// Listeners depend on this task.
pub struct WarmUp {
    /// Whose lifecycle turns warm.
    pub resources: Arc<Resources>,
    /// Holds the first snapshot.
    pub cell: Arc<SnapshotCell>,
    /// Connects to the backends.
    pub prober: Arc<Prober>,
}

#[async_trait]
impl BackgroundService for WarmUp {
    async fn start_with_ready_notifier(&self, _shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        reload::warm(&self.cell.load_full(), &self.prober).await;
        self.resources.lifecycle.set_warm();
        ready.notify_ready();
        tracing::info!("upstreams are warm");
    }
}
