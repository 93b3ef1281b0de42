//! The tier that all nodes share.
//!
//! Whatever happens to Redis, a lookup ends within its time as found, absent or
//! unavailable, and no request ever waits for a connection or for a write. Commands are
//! few: `GETRANGE`, `SET … PX`, `DEL`, `EVAL`, `PUBLISH` and `SUBSCRIBE`; nothing lists,
//! scans or flushes what others may keep there.
//!
//! [`RedisTier`] is the handle; one task drives [`RedisTier::run`], which keeps the
//! connection, writes what is queued (`queue`, `write`) and follows the
//! invalidations of all nodes (`invalidation`, `follow`, `nodes`).

mod clock;
mod flight;
mod follow;
mod invalidation;
mod lease;
mod lookup;
mod names;
mod nodes;
mod queue;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use self::{
    clock::Clock,
    flight::Flights,
    invalidation::Unpublished,
    lease::Tokens,
    names::Names,
    queue::{Job, Queue},
};
pub use self::{
    invalidation::{Notice, StreamId},
    lease::LeaseGuard,
    nodes::{Confirmation, NodeId},
};
use super::{
    codec::Codec,
    entry::{Stamp, StoredEntry},
    key::EntryKey,
};
use crate::{
    config::{
        cache::{LeaseConfig, RedisConfig},
        finding::Problem,
    },
    redis::{Guarded, Link, Target},
    telemetry::{cache::BackendFailure, label::BreakerState, metrics::TierMetrics},
};

/// What a lookup brought.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The entry. It may be stale, or invalidated: that is for the caller to judge.
    Found(Arc<StoredEntry>),
    /// There is none.
    Absent,
    /// Nobody knows. To a request it is the same as [`Absent`](Self::Absent).
    Unavailable(BackendFailure),
}

/// What a lookup brought that may have waited for another node.
pub enum Leased {
    /// The entry.
    Found(Arc<StoredEntry>),
    /// There is none. With the leave to fetch it for all nodes; without, for this request only.
    Absent(Option<LeaseGuard>),
    /// Nobody knows.
    Unavailable(BackendFailure),
}

/// A handle of the shared tier. Cheap to clone.
#[derive(Clone)]
pub struct RedisTier(Arc<Tier>);

struct Tier {
    node: NodeId,
    names: Names,
    redis: Guarded,
    lease: Option<LeaseConfig>,
    tokens: Tokens,
    codec: Codec,
    flights: Flights<Lookup>,
    queue: Arc<Queue>,
    unpublished: Unpublished,
    clock: Clock,
    /// The number of the connection by which all invalidations so far were heard of.
    heard: AtomicU64,
    metrics: Arc<TierMetrics>,
}

impl RedisTier {
    /// A tier that is not connected yet; [`run`](Self::run) does that. `metrics` are those
    /// of [`Tier::Redis`](crate::telemetry::cache::Tier::Redis).
    ///
    /// # Errors
    /// What is wrong with the configuration, with a path from its section.
    pub fn new(config: &RedisConfig, node: NodeId, metrics: Arc<TierMetrics>) -> Result<Self, Problem> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(problem);
        }
        let server = config.server();
        let redis = Guarded::new(
            Target::new(&server)?,
            &server.breaker,
            config.timeout.get(),
            "responses are kept in memory only",
            metrics.link(),
        );
        Ok(Self(Arc::new(Tier {
            node,
            names: Names::new(&config.prefix),
            redis,
            lease: config.lease.clone(),
            tokens: Tokens::default(),
            codec: Codec::new(config)?,
            flights: Flights::new(),
            queue: Arc::new(Queue::new(&config.queue, Arc::clone(&metrics))),
            unpublished: Unpublished::default(),
            clock: Clock::new(),
            heard: AtomicU64::new(0),
            metrics,
        })))
    }

    /// Does all the work that no request waits for. Never ends; drop it to stop. `apply` is
    /// called for every invalidation, in order, and a node confirms what `apply` has
    /// returned from. Those that this node published come too.
    pub async fn run(&self, apply: impl FnMut(Notice) + Send) {
        tokio::join!(self.0.redis.maintain(), self.0.write(), self.0.follow(apply));
    }

    /// Keeps an entry. Returns at once; what does not fit into the queue or is too large is
    /// not kept, and counted. `lease` is given back when the entry is there.
    pub fn put(&self, key: EntryKey, entry: Arc<StoredEntry>, lease: Option<LeaseGuard>) {
        self.0.queue.push(Job::Put { key, entry, lease });
    }

    /// Drops entries. Returns at once.
    pub fn remove(&self, keys: impl IntoIterator<Item = EntryKey>) {
        keys.into_iter().for_each(|key| self.0.queue.push(Job::Remove(key)));
    }

    /// Waits until all that was queued before is done, but no longer than `wait`. True if it is.
    pub async fn flush(&self, wait: Duration) -> bool {
        timeout(wait, self.0.queue.drained()).await.is_ok()
    }

    /// The name of this node.
    pub fn node(&self) -> &NodeId {
        &self.0.node
    }

    /// Whether there is a connection at the moment.
    pub fn is_connected(&self) -> bool {
        self.0.link().connection().is_some()
    }

    /// Whether everything was applied that had been invalidated when the connection was made.
    /// Until then what is found may be void without anybody here knowing.
    pub fn is_current(&self) -> bool {
        let number = self.0.link().number();
        number != 0 && self.0.heard.load(Ordering::Acquire) == number
    }

    /// Where the circuit breaker stands.
    pub fn breaker(&self) -> BreakerState {
        self.0.redis.breaker()
    }

    /// Shows the circuit breaker in the metrics: call it before a scrape, because an open
    /// one becomes half open by time alone.
    pub fn show_breaker(&self) {
        self.0.redis.show_breaker();
    }

    /// Bytes of the largest entry that is kept, as stored.
    pub fn max_object(&self) -> usize {
        self.0.codec.max_stored()
    }

    /// Jobs on their way to Redis.
    pub fn queued(&self) -> usize {
        self.0.queue.len()
    }

    /// The present moment by the clock of Redis; nothing until that is known.
    pub fn now(&self) -> Option<Stamp> {
        self.0.clock.now()
    }
}

impl Tier {
    /// The connection.
    fn link(&self) -> &Link {
        self.redis.link()
    }
}
