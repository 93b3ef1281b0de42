//! The cache of the process: both tiers, what is on its way into them, and what has been
//! declared void.

mod find;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{
    entry::{Stamp, StoredEntry, Times},
    fill::{Admission, Fill},
    invalidation::{self, InvalidationLog, Judgement, Record},
    key::{EntryKey, KeyMaker, Tag},
    memory::MemoryTier,
    redis::{LeaseGuard, RedisTier, StreamId},
};
use crate::telemetry::{
    cache::{Tier, WriteResult},
    metrics::{CacheFamilies, TierMetrics},
};

/// Both tiers and what belongs to them. One a process.
pub struct CacheStore {
    keys: KeyMaker,
    memory: MemoryTier,
    redis: Option<RedisTier>,
    invalidations: InvalidationLog,
    /// The newest last. There may be several: not every request waits for another's fetch.
    fills: Mutex<HashMap<EntryKey, Vec<Arc<Fill>>>>,
    /// Spares the lock while nothing is being filled.
    filling: AtomicUsize,
    next_fill: AtomicU64,
    /// The latest moment that was given to a request.
    latest: AtomicU64,
    /// Leaves to fetch for all nodes that this node holds.
    leases: Mutex<HashMap<EntryKey, LeaseGuard>>,
    metrics: Arc<CacheFamilies>,
    memory_metrics: Arc<TierMetrics>,
}

/// What there is for a key.
#[derive(Clone)]
pub enum Found {
    /// A stored response.
    Stored {
        /// The response.
        entry: Arc<StoredEntry>,
        /// Where it was found.
        tier: Tier,
        /// Since when a purge has made it stale.
        stale_since: Option<Stamp>,
    },
    /// A response that is still arriving.
    Filling(Arc<Fill>),
}

impl CacheStore {
    /// An empty cache.
    pub fn new(
        keys: KeyMaker,
        memory: MemoryTier,
        redis: Option<RedisTier>,
        invalidations: InvalidationLog,
        metrics: Arc<CacheFamilies>,
    ) -> Self {
        Self {
            keys,
            memory,
            redis,
            invalidations,
            fills: Mutex::default(),
            filling: AtomicUsize::new(0),
            next_fill: AtomicU64::new(1),
            latest: AtomicU64::new(0),
            leases: Mutex::default(),
            memory_metrics: Arc::clone(metrics.tier(Tier::Memory)),
            metrics,
        }
    }

    /// Makes the names of entries and tags.
    pub fn keys(&self) -> &KeyMaker {
        &self.keys
    }

    /// The tier in this process.
    pub fn memory(&self) -> &MemoryTier {
        &self.memory
    }

    /// The shared tier.
    pub fn redis(&self) -> Option<&RedisTier> {
        self.redis.as_ref()
    }

    /// What has been declared void.
    pub fn invalidations(&self) -> &InvalidationLog {
        &self.invalidations
    }

    /// What is counted for the cache.
    pub fn metrics(&self) -> &Arc<CacheFamilies> {
        &self.metrics
    }

    /// The present moment by the clock that all nodes share: that of Redis, if there is one.
    /// All moments of entries are by this clock.
    pub fn now(&self) -> Stamp {
        self.redis.as_ref().and_then(RedisTier::now).unwrap_or_else(Stamp::now)
    }

    /// The present moment, for a request that is sent now.
    pub fn requested(&self) -> Stamp {
        let now = self.now();
        self.latest.fetch_max(now.0, Ordering::Relaxed);
        now
    }

    /// The present moment, for what is declared void now: not before any request so far, though
    /// the clock may have been set back meanwhile.
    pub fn voided(&self) -> Stamp {
        self.now().max(Stamp(self.latest.load(Ordering::Relaxed)))
    }

    /// A moment of an entry by this machine's own clock, which Pingora goes by.
    pub fn on_the_wall(&self, moment: Stamp) -> SystemTime {
        let (own, now) = (Stamp::now(), self.now());
        SystemTime::from(own.plus(moment.since(now)).minus(now.since(moment)))
    }

    /// Most bytes of a body that any tier keeps.
    pub fn max_object(&self) -> usize {
        self.memory.max_object().max(self.redis.as_ref().map_or(0, RedisTier::max_object))
    }

    /// The entry of a slot, if memory has a fresh one. Waits for nothing.
    pub fn fresh(&self, slot: &EntryKey, now: Stamp) -> Option<Arc<StoredEntry>> {
        let entry = self.memory.get(slot)?;
        let valid = matches!(self.invalidations.judge(&entry), Judgement::Valid);
        (valid && entry.times().is_fresh(now)).then_some(entry)
    }

    /// Counts a hit that [`fresh`](Self::fresh) made possible.
    pub fn served_from_memory(&self) {
        self.memory_metrics.hit();
    }

    /// Keeps a response in both tiers, as far as each takes it. Nothing is kept of what was
    /// declared void on its way.
    pub fn keep(&self, slot: EntryKey, entry: Arc<StoredEntry>) {
        let lease = self.leases.lock().remove(&slot);
        if self.invalidations.judge(&entry) == Judgement::Void {
            // Its place may be taken by one that was fetched later.
            return;
        }
        if let Some(redis) = &self.redis {
            redis.put(slot, Arc::clone(&entry), lease);
        }
        let inserted = self.memory.insert(slot, entry);
        if self.memory.max_object() > 0 {
            self.memory_metrics.written(if inserted.stored {
                WriteResult::Stored
            } else {
                WriteResult::TooLarge
            });
        }
    }

    /// Drops the entry of one slot from both tiers. `false`: memory had none.
    pub fn remove(&self, slot: EntryKey) -> bool {
        if let Some(redis) = &self.redis {
            redis.remove([slot]);
        }
        self.memory.remove(&slot).is_some()
    }

    /// Gives back the leave to fetch, if it is held: the fetch led to nothing. `declined`:
    /// nobody is to wait for this response on any node.
    pub fn end_lease(&self, slot: &EntryKey, declined: bool) {
        if self.redis.is_none() {
            return;
        }
        if let Some(lease) = self.leases.lock().remove(slot)
            && declined
        {
            lease.decline();
        }
    }

    /// Forgets leaves to fetch that have run out: what they were for was given up without a word.
    pub fn drop_old_leases(&self) {
        self.leases.lock().retain(|_, lease| !lease.has_run_out());
    }

    /// Makes records count: on this node before it returns, on the others as soon as they
    /// hear of it. Gives the place of the record among those of all nodes, if Redis took it
    /// within `wait`; if not, it is told later.
    pub async fn invalidate(&self, records: &[Record], wait: Duration) -> Option<StreamId> {
        self.invalidations.apply_all(records, self.voided());
        let redis = self.redis.clone()?;
        let messages: Vec<_> = records.chunks(invalidation::MAX_RECORDS).map(invalidation::encode).collect();
        // A task of its own: giving up waiting must not give up telling.
        let publishing = tokio::spawn(async move {
            let (first, others) = messages.split_first()?;
            let mut published = redis.publish(first.clone()).await;
            for message in others {
                // The place of the last counts, and none if any is told later.
                let next = redis.publish(message.clone()).await;
                published = published.and(next);
            }
            published.ok()
        });
        timeout(wait, publishing).await.ok()?.ok()?
    }

    /// The fill of a slot that is under way.
    pub fn filling(&self, slot: EntryKey) -> Option<Arc<Fill>> {
        if self.filling.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.fills.lock().get(&slot)?.last().cloned()
    }

    /// One of the fills of a slot.
    pub fn fill_of(&self, slot: EntryKey, id: &[u8]) -> Option<Arc<Fill>> {
        self.fills.lock().get(&slot)?.iter().find(|fill| fill.id() == id).cloned()
    }

    /// Begins a fill. Later lookups of the slot follow it.
    pub fn begin_fill(&self, slot: EntryKey, admission: Admission) -> Arc<Fill> {
        let fill = Fill::new(admission, self.next_fill.fetch_add(1, Ordering::Relaxed));
        self.fills.lock().entry(slot).or_default().push(Arc::clone(&fill));
        self.filling.fetch_add(1, Ordering::Release);
        fill
    }

    /// Ends a fill for later lookups; those that follow it already go on.
    pub fn end_fill(&self, slot: EntryKey, fill: &Fill) {
        let mut fills = self.fills.lock();
        let Some(of_slot) = fills.get_mut(&slot) else { return };
        let Some(at) = of_slot.iter().position(|other| other.id() == fill.id()) else { return };
        of_slot.remove(at);
        if of_slot.is_empty() {
            fills.remove(&slot);
        }
        self.filling.fetch_sub(1, Ordering::Release);
    }
}

impl Found {
    /// Whether it may be served without asking the upstream.
    pub fn is_fresh(&self, now: Stamp) -> bool {
        match self {
            Self::Stored { entry, stale_since: None, .. } => entry.times().is_fresh(now),
            Self::Stored { .. } => false,
            Self::Filling(fill) => fill.admission.times.is_fresh(now),
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Stored { entry, .. } => entry.status(),
            Self::Filling(fill) => fill.admission.status,
        }
    }

    /// Its fields in HTTP/1.1 form.
    pub fn fields(&self) -> &[u8] {
        match self {
            Self::Stored { entry, .. } => entry.fields(),
            Self::Filling(fill) => &fill.admission.fields,
        }
    }

    /// Its moments.
    pub fn times(&self) -> Times {
        match self {
            Self::Stored { entry, .. } => entry.times(),
            Self::Filling(fill) => fill.admission.times,
        }
    }

    /// Its tags.
    pub fn tags(&self) -> Vec<Tag> {
        match self {
            Self::Stored { entry, .. } => entry.tags().collect(),
            Self::Filling(fill) => fill.admission.tags.to_vec(),
        }
    }

    /// The request fields it depends on, hashed.
    pub fn variance(&self) -> Option<[u8; 16]> {
        match self {
            Self::Stored { entry, .. } => entry.variance(),
            Self::Filling(fill) => fill.admission.variance,
        }
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        self.times().requested > other.times().requested
    }
}

#[cfg(test)]
mod tests;
