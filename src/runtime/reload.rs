//! The only writer of the snapshot cell: load, refuse or build, warm, swap, report.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex as SyncMutex;
use serde::Serialize;
use tokio::sync::Mutex;

use super::{
    build::build,
    calls::Calls,
    resources::Resources,
    snapshot::{Snapshot, SnapshotCell},
};
use crate::config::{
    Config,
    difference::{self, Changes},
    finding::Finding,
    load::{self, Loaded},
};
use crate::{
    telemetry::{label, supervisor},
    upstream::Prober,
};

/// Longest time the upstreams of a new snapshot get for their first look-up and probe.
const WARM_UP_LIMIT: Duration = Duration::from_secs(5);

/// What became of a reload.
#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The new snapshot serves.
    Applied {
        /// Its number.
        generation: u64,
        /// What differs from the one before.
        changes: Changes,
    },
    /// The files say what already runs.
    Unchanged {
        /// The number of the snapshot that goes on serving.
        generation: u64,
    },
    /// `process:` differs: the whole file waits for a restart or an upgrade,
    /// so that what runs always equals one file.
    NeedsRestart {
        /// The keys that differ.
        keys: Vec<String>,
    },
    /// The files are wrong; the old snapshot goes on serving.
    Refused {
        /// What is wrong.
        findings: Vec<Finding>,
    },
}

/// Replaces the snapshot by what the files say now.
pub struct Reloader {
    path: PathBuf,
    /// What runs, and where it was said.
    loaded: SyncMutex<Arc<Loaded>>,
    cell: Arc<SnapshotCell>,
    resources: Arc<Resources>,
    /// One reload at a time, whoever asked.
    turn: Mutex<()>,
    fingerprint: SyncMutex<u64>,
    prober: Arc<Prober>,
}

impl Reloader {
    /// A reloader for the files that the first snapshot was built from.
    pub fn new(
        path: PathBuf,
        loaded: Loaded,
        cell: Arc<SnapshotCell>,
        resources: Arc<Resources>,
        prober: Arc<Prober>,
    ) -> Self {
        let fingerprint = SyncMutex::new(loaded.fingerprint);
        let loaded = SyncMutex::new(Arc::new(loaded));
        resources.metrics.process().config_in_force(cell.load().generation);
        Self { path, loaded, cell, resources, turn: Mutex::new(()), fingerprint, prober }
    }

    /// The snapshot cell it writes.
    pub fn cell(&self) -> &Arc<SnapshotCell> {
        &self.cell
    }

    /// The configuration that runs.
    pub fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.lock())
    }

    /// Whether the files differ from the last ones looked at, good or bad.
    pub async fn is_due(&self) -> bool {
        let path = self.path.clone();
        let now = tokio::task::spawn_blocking(move || load::fingerprint(&path)).await;
        let mut known = self.fingerprint.lock();
        match now {
            Ok(now) if now != *known => {
                *known = now;
                true
            }
            _ => false,
        }
    }

    /// Loads, builds, warms and swaps; on any failure the old snapshot goes on serving.
    pub async fn reload(&self) -> Outcome {
        let _turn = self.turn.lock().await;
        let begun = Instant::now();
        supervisor::reloading();
        let outcome = self.attempt().await;
        self.resources.metrics.process().reload_took(begun.elapsed());
        self.report(&outcome);
        outcome
    }

    async fn attempt(&self) -> Outcome {
        let current = self.cell.load_full();
        let (path, resources, before) =
            (self.path.clone(), Arc::clone(&self.resources), Arc::clone(&current));
        let compile =
            move || load::load_with(&path, |config| build(&config.traffic, &resources, Some(&before)));
        let (loaded, next) = match tokio::task::spawn_blocking(compile).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => return Outcome::Refused { findings: error.findings },
            Err(error) => {
                let finding =
                    Finding::about_file(self.path.display().to_string(), format!("cannot be read: {error}"));
                return Outcome::Refused { findings: vec![finding] };
            }
        };
        *self.fingerprint.lock() = loaded.fingerprint;
        let Config { process, traffic } = &loaded.config;
        let running = self.loaded();
        if *process != running.config.process {
            let keys = difference::keys("process", &running.config.process, process);
            return Outcome::NeedsRestart { keys };
        }
        if *traffic == current.config {
            return Outcome::Unchanged { generation: current.generation };
        }
        let next = Arc::new(next);
        warm(&next, &self.prober, &self.resources).await;
        let changes = difference::traffic(&current.config, traffic);
        self.cell.swap(Arc::clone(&next));
        *self.loaded.lock() = Arc::new(loaded);
        Outcome::Applied { generation: next.generation, changes }
    }

    fn report(&self, outcome: &Outcome) {
        let metrics = self.resources.metrics.process();
        let generation = self.cell.load().generation;
        let good = matches!(outcome, Outcome::Applied { .. } | Outcome::Unchanged { .. });
        metrics.config_reloaded(if good { label::Outcome::Success } else { label::Outcome::Failure });
        if good {
            metrics.config_in_force(generation);
            supervisor::reloaded("serving");
        } else {
            supervisor::reloaded("serving; the last reload was refused, the log says why");
        }
        match outcome {
            Outcome::Applied { changes, .. } => {
                tracing::info!(generation, %changes, "configuration applied");
            }
            Outcome::Unchanged { .. } => tracing::info!(generation, "configuration unchanged"),
            Outcome::NeedsRestart { keys } => {
                tracing::warn!(generation, keys = keys.join(", "), "configuration needs a restart");
            }
            Outcome::Refused { findings } => {
                for finding in findings {
                    tracing::error!(generation, "configuration refused: {finding}");
                }
            }
        }
    }
}

/// Looks up and probes the upstreams of a snapshot once, all at the same time, and then fetches
/// the keys that tokens are signed with, all within a limit.
pub async fn warm(snapshot: &Snapshot, prober: &Prober, resources: &Resources) {
    let now = Instant::now();
    let process = resources.metrics.process();
    let rounds = snapshot.upstreams.values().map(|named| named.maintain(prober, now, process));
    let warm = async {
        futures::future::join_all(rounds).await;
        // By upstreams that have been looked up.
        let calls = Calls::new(snapshot, resources);
        futures::future::join_all(snapshot.auth.due(now).map(|provider| provider.maintain(&calls))).await;
    };
    if tokio::time::timeout(WARM_UP_LIMIT, warm).await.is_err() {
        tracing::warn!("upstreams were not warm within {WARM_UP_LIMIT:?}; serving all the same");
    }
}
