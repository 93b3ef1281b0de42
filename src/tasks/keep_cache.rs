//! The work of the cache that no request waits for.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};

use crate::runtime::{lifecycle::pause, resources::Resources};

/// How often useless entries are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Entries looked at each time.
const BUDGET: usize = 4096;
/// Longest time the end waits for what is on its way to Redis.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Writes to Redis, follows the invalidations of other nodes, sweeps memory.
pub struct KeepCache {
    /// Holds the cache.
    pub resources: Arc<Resources>,
}

#[async_trait]
impl BackgroundService for KeepCache {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let store = self.resources.cache;
        let sweep = async {
            while pause(&mut shutdown, TICK).await {
                store.sweep(BUDGET);
            }
        };
        match store.redis() {
            None => sweep.await,
            Some(redis) => {
                let shared = redis.run(|notice| store.notice(notice));
                tokio::select! {
                    () = shared => {}
                    () = async { sweep.await; redis.flush(LAST_WRITES).await; redis.leave().await; } => {}
                }
            }
        }
    }
}
