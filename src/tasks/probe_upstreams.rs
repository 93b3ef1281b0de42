//! Health probes and DNS look-ups of the upstreams that the current snapshot holds.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::{
    runtime::{lifecycle::pause, resources::Resources, snapshot::SnapshotCell},
    upstream::Prober,
};

/// How often the task looks whether something is due.
const TICK: Duration = Duration::from_millis(100);

/// Drives probes and look-ups.
pub struct ProbeUpstreams {
    /// Holds the upstreams to be looked after.
    pub cell: Arc<SnapshotCell>,
    /// Counts what is done.
    pub resources: Arc<Resources>,
    /// Connects to them.
    pub prober: Arc<Prober>,
}

#[async_trait]
impl BackgroundService for ProbeUpstreams {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut running: HashMap<String, tokio::task::JoinHandle<()>> = HashMap::new();
        while pause(&mut shutdown, TICK).await {
            let snapshot = self.cell.load_full();
            let now = Instant::now();
            running.retain(|_, round| !round.is_finished());
            for (name, named) in &snapshot.upstreams {
                // A slow upstream must not hold up the others, nor pile up rounds of its own.
                if running.contains_key(name) || !named.upstream.is_due(now) {
                    continue;
                }
                let named = named.clone();
                let prober = Arc::clone(&self.prober);
                let metrics = Arc::clone(&self.resources.metrics);
                let round =
                    tokio::spawn(async move { named.maintain(&prober, now, metrics.process()).await });
                running.insert(name.clone(), round);
            }
        }
        for round in running.into_values() {
            round.abort();
        }
    }
}
