//! Keeps one connection to Redis, in the background. No request ever waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rand::Rng;
use redis::RedisError;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    failure::{Blame, blame, classify},
    target::{Connection, Target},
};
use crate::telemetry::{cache::BackendFailure, metrics::LinkMetrics};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How often a connection that nobody complains of is looked at.
const CHECK: Duration = Duration::from_secs(5);

/// The connection, as long as there is one.
pub struct Link {
    target: Target,
    current: ArcSwapOption<Connection>,
    /// Counts connections; zero while there is none.
    generation: watch::Sender<u64>,
    doubted: Notify,
    /// The server answers but is the wrong one.
    replace: AtomicBool,
    /// What is done while there is no connection.
    without: &'static str,
    metrics: Arc<LinkMetrics>,
}

impl Link {
    /// A link that is not connected yet; [`maintain`](Self::maintain) does that. `without` says
    /// what is done while there is no connection, for the log.
    pub fn new(target: Target, without: &'static str, metrics: Arc<LinkMetrics>) -> Self {
        metrics.set_up(false);
        Self {
            target,
            current: ArcSwapOption::empty(),
            generation: watch::Sender::new(0),
            doubted: Notify::new(),
            replace: AtomicBool::new(false),
            without,
            metrics,
        }
    }

    /// Where Redis is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The connection, if there is one at the moment.
    pub fn connection(&self) -> Option<Arc<Connection>> {
        self.current.load_full()
    }

    /// The number of the connection in use, zero while there is none, and its changes.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The number of the connection in use, zero while there is none.
    pub fn number(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells of a failure that may be the connection's.
    pub fn doubt(&self, failure: BackendFailure) {
        match blame(failure) {
            Blame::Command => return,
            Blame::Connection => {}
            Blame::Server => self.replace.store(true, Ordering::Relaxed),
        }
        self.doubted.notify_one();
    }

    /// Connects, watches over the connection and replaces it. Never ends.
    pub async fn maintain(&self, mut connected: impl FnMut()) {
        let (mut attempt, mut number, mut pause) = (0_usize, 0, FIRST_PAUSE);
        loop {
            match self.target.connect(attempt).await {
                Ok(connection) => {
                    number += 1;
                    pause = FIRST_PAUSE;
                    let connection = Arc::new(connection);
                    self.current.store(Some(Arc::clone(&connection)));
                    self.generation.send_replace(number);
                    self.metrics.set_up(true);
                    tracing::info!(number, "connected to Redis");
                    connected();
                    if self.watch_over(&connection).await == Verdict::Dead {
                        self.disconnected();
                    } else {
                        // The old one serves until there is a new one, but not in a tight circle.
                        sleep(jittered(LAST_PAUSE / 4)).await;
                    }
                }
                Err(error) => {
                    self.refused(&error, pause == FIRST_PAUSE);
                    sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
            attempt = attempt.wrapping_add(1);
        }
    }

    /// Ends when the connection is not to be used any longer.
    async fn watch_over(&self, connection: &Connection) -> Verdict {
        self.replace.store(false, Ordering::Relaxed);
        loop {
            // Whether somebody complained or the time is over makes no difference.
            let _ = timeout(CHECK, self.doubted.notified()).await;
            if self.replace.swap(false, Ordering::Relaxed) {
                tracing::warn!("Redis takes no writes; looking for one that does");
                return Verdict::Wrong;
            }
            match timeout(self.target.patience(), connection.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(reason = %classify(&error), "lost the connection to Redis");
                    return Verdict::Dead;
                }
                Err(_) => {
                    tracing::warn!("Redis does not answer");
                    return Verdict::Dead;
                }
            }
            // Complaints come by the thousand; each look answers all of them.
            sleep(FIRST_PAUSE).await;
        }
    }

    fn disconnected(&self) {
        self.current.store(None);
        self.generation.send_replace(0);
        self.metrics.set_up(false);
    }

    fn refused(&self, error: &RedisError, first: bool) {
        let reason = classify(error);
        self.metrics.refused(reason);
        if self.current.load().is_some() {
            // The one to be replaced, and there is no other: it may still answer lookups.
            return;
        }
        // An error of the client library may hold the address, never the password.
        if first {
            tracing::warn!(%reason, "cannot connect to Redis; {}", self.without);
        } else {
            tracing::debug!(%reason, "cannot connect to Redis");
        }
    }
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Dead,
    Wrong,
}

/// Between half of the time and all of it, so that nodes do not come back all at once.
pub fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.5..=1.0))
}
