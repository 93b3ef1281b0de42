//! The public keys that tokens are signed with, fetched again before anybody needs them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::runtime::{calls::Calls, lifecycle::pause, resources::Resources, snapshot::SnapshotCell};

/// How often the task looks whether something is due.
const TICK: Duration = Duration::from_millis(200);

/// Fetches the keys of the providers that the current snapshot holds.
pub struct RefreshKeys {
    /// Holds the providers.
    pub cell: Arc<SnapshotCell>,
    /// Reaches the upstreams.
    pub resources: Arc<Resources>,
}

#[async_trait]
impl BackgroundService for RefreshKeys {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut running: HashMap<Arc<str>, tokio::task::JoinHandle<()>> = HashMap::new();
        while pause(&mut shutdown, TICK).await {
            running.retain(|_, fetch| !fetch.is_finished());
            let snapshot = self.cell.load();
            for provider in snapshot.auth.due(Instant::now()) {
                // A slow upstream must not hold up the others, nor pile up fetches of its own.
                if running.contains_key(provider.name()) {
                    continue;
                }
                let (provider, cell) = (Arc::clone(provider), Arc::clone(&self.cell));
                let resources = Arc::clone(&self.resources);
                let name = Arc::clone(provider.name());
                let fetch = tokio::spawn(async move {
                    let snapshot = cell.load_full();
                    provider.maintain(&Calls::new(&snapshot, &resources)).await;
                });
                running.insert(name, fetch);
            }
        }
        for fetch in running.into_values() {
            fetch.abort();
        }
    }
}
