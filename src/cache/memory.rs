//! The memory tier: entries of this process, up to a number of bytes.
//!
//! The tier is cut into shards by key, each with its own lock, table, slots and order. The
//! bytes of a shard are those of its entries ([`StoredEntry::weight`]) and of everything that
//! is allocated for keeping them, and room is made before anything is allocated: the bound
//! holds at every moment. What is taken out is freed after the lock is released.
//!
//! A hit takes one lock (a shared one unless the order is `lru`), one look into the table and
//! one reference count; it neither copies nor allocates.
//!
//! The engine is our own: see `benches/README.md` for what was compared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use parking_lot::RwLock;

use super::{
    entry::{Stamp, StoredEntry},
    key::EntryKey,
};
use crate::config::cache::{Eviction, MemoryTierConfig};
use policy::Policy;
use shard::Shard;

mod ghost;
mod heap;
mod policy;
mod queue;
mod s3fifo;
mod shard;
mod slots;

/// Bytes a shard has at least, and that make a further one worth it.
const SMALL_SHARD: u64 = 4 << 20;
/// Bytes a shard has at most: growing its table holds its lock for some milliseconds then.
const LARGE_SHARD: u64 = 256 << 20;
/// Entries dealt with under one lock when walking through all of them.
const BATCH: usize = 64;

/// What became of an entry that was to be put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Whether it is in the tier. If not, an older one of the same key is not either.
    pub stored: bool,
    /// How many entries had to go, the one it replaced among them.
    pub displaced: usize,
}

/// The tier in figures. Every entry that was ever inserted is in `entries` or `gone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Entries now.
    pub entries: usize,
    /// Bytes now: entries and upkeep.
    pub bytes: usize,
    /// Bytes now, of tables, slots and orders alone.
    pub upkeep: usize,
    /// Bytes at most.
    pub capacity: usize,
    /// Lookups that found an entry.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Entries put in.
    pub insertions: u64,
    /// Entries refused because they are too large.
    pub refused: u64,
    /// Entries that are not there any more.
    pub gone: Gone,
}

/// Entries that are not there any more, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Evicted, because others needed the room.
    pub capacity: u64,
    /// Of no use any more.
    pub expired: u64,
    /// Replaced by a newer one of the same key.
    pub replaced: u64,
    /// Removed by [`MemoryTier::remove`] and [`MemoryTier::clear`].
    pub removed: u64,
}

/// The tier in this process.
pub struct MemoryTier {
    /// A power of two of them; none if the tier is off.
    shards: Box<[Cell]>,
    eviction: Eviction,
    max_object: usize,
    capacity: usize,
    refused: AtomicU64,
    /// The shard in which the search for useless entries goes on.
    sweeping: AtomicUsize,
}

/// A shard on cache lines of its own, with what is counted without its lock.
#[repr(align(128))]
struct Cell {
    shard: RwLock<Shard>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl MemoryTier {
    /// The tier of this configuration, empty.
    pub fn new(config: &MemoryTierConfig) -> Self {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        Self::with_shards(config, shards(config.capacity.get(), config.max_object.get(), cpus))
    }

    fn with_shards(config: &MemoryTierConfig, shards: usize) -> Self {
        let capacity = usize::try_from(config.capacity.get()).unwrap_or(usize::MAX);
        let of_shard = capacity / shards.max(1);
        let cell = |_| Cell {
            shard: RwLock::new(Shard::new(config.eviction, of_shard)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        // Weights are kept in 32 bits.
        let max_object = config.max_object.get().min(u64::from(u32::MAX)) as usize;
        Self {
            shards: (0..shards).map(cell).collect(),
            eviction: config.eviction,
            max_object: max_object.min(of_shard.saturating_sub(Shard::LEAST_UPKEEP)),
            capacity: of_shard * shards,
            refused: AtomicU64::new(0),
            sweeping: AtomicUsize::new(0),
        }
    }

    /// Weight of the heaviest entry that is not refused, in bytes; 0 if the tier is off.
    pub fn max_object(&self) -> usize {
        self.max_object
    }

    /// The entry of a key. Counts as a use.
    pub fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        let cell = self.cell(key)?;
        let found = if Policy::orders_by_use(self.eviction) {
            cell.shard.write().get_in_order(key)
        } else {
            cell.shard.read().get(key)
        };
        let counter = if found.is_some() { &cell.hits } else { &cell.misses };
        counter.fetch_add(1, Relaxed);
        found
    }

    /// The entry of a key. Does not count as a use.
    pub fn peek(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.cell(key)?.shard.read().peek(key).cloned()
    }

    /// Puts an entry in, in place of an older one of the same key. Others go if it needs
    /// their room. An entry that is too large is refused; the older one is removed all the
    /// same, because it is not the present state of the resource.
    pub fn insert(&self, key: EntryKey, entry: Arc<StoredEntry>) -> Inserted {
        let Some(cell) = self.cell(&key) else { return Inserted::default() };
        let weight = entry.weight();
        let mut gone = Vec::new();
        let stored = match u32::try_from(weight) {
            Ok(small) if weight <= self.max_object => cell.shard.write().insert(key, entry, small, &mut gone),
            _ => {
                gone.extend(cell.shard.write().remove(&key));
                false
            }
        };
        if !stored {
            self.refused.fetch_add(1, Relaxed);
        }
        Inserted { stored, displaced: gone.len() }
    }

    /// Takes an entry out.
    pub fn remove(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.cell(key)?.shard.write().remove(key)
    }

    /// Takes all entries out.
    pub fn clear(&self) {
        for cell in &self.shards {
            let slots = cell.shard.write().clear(self.eviction);
            drop(slots);
        }
    }

    /// Calls `visit` with up to `limit` entries, in no order and without holding a lock. An
    /// entry that is there all the time is not left out; one may come twice when others go
    /// meanwhile.
    pub fn for_each(&self, limit: usize, mut visit: impl FnMut(&EntryKey, &Arc<StoredEntry>)) {
        let mut left = limit;
        let mut batch = Vec::with_capacity(BATCH.min(limit));
        for cell in &self.shards {
            let mut end = u32::MAX;
            while left > 0 && end > 0 {
                end = cell.shard.read().copy_below(end, BATCH.min(left), &mut batch);
                left -= batch.len();
                batch.drain(..).for_each(|(key, entry)| visit(&key, &entry));
            }
        }
    }

    /// Looks at up to `budget` entries, going on where the last call ended, and removes those
    /// that are of no use any more ([`Times::useless_at`](super::entry::Times)). Returns how
    /// many it removed. No call looks at all entries more than once.
    pub fn drop_useless(&self, now: Stamp, budget: usize) -> usize {
        let (mut left, mut shards_left, mut dropped) = (budget, self.shards.len(), 0);
        while left > 0 && shards_left > 0 {
            let current = self.sweeping.load(Relaxed);
            let Some(cell) = self.shards.get(current % self.shards.len()) else { break };
            let mut gone = Vec::new();
            let (looked_at, is_done) = cell.shard.write().sweep(now, left.min(BATCH), &mut gone);
            left -= looked_at;
            dropped += gone.len();
            if is_done {
                self.sweeping.store(current.wrapping_add(1), Relaxed);
                shards_left -= 1;
            }
        }
        dropped
    }

    /// The tier in figures, each shard at its own moment.
    pub fn stats(&self) -> MemoryStats {
        let mut stats = MemoryStats {
            capacity: self.capacity,
            refused: self.refused.load(Relaxed),
            ..MemoryStats::default()
        };
        for cell in &self.shards {
            stats.hits += cell.hits.load(Relaxed);
            stats.misses += cell.misses.load(Relaxed);
            let shard = cell.shard.read();
            stats.entries += shard.len();
            stats.bytes += shard.bytes();
            stats.upkeep += shard.upkeep();
            stats.insertions += shard.counts.insertions;
            stats.gone.capacity += shard.counts.evicted;
            stats.gone.expired += shard.counts.expired;
            stats.gone.replaced += shard.counts.replaced;
            stats.gone.removed += shard.counts.removed;
        }
        stats
    }

    /// The shard of a key, by bits that its table does not go by.
    fn cell(&self, key: &EntryKey) -> Option<&Cell> {
        let bits = (u128::from_le_bytes(key.0) >> 64) as u32 as usize;
        self.shards.get(bits & self.shards.len().wrapping_sub(1))
    }
}

/// How many shards: four for each CPU, so that two threads seldom meet, but none that is
/// small or in which the largest entry would displace more than half, and none so large that
/// growing it is felt.
fn shards(capacity: u64, max_object: u64, cpus: usize) -> usize {
    if capacity == 0 {
        return 0;
    }
    let least = max_object.saturating_mul(2).max(SMALL_SHARD);
    let wanted = (4 * cpus as u64).max(capacity / LARGE_SHARD).min(1 << 16);
    let possible = (capacity / least).max(1);
    let shards = wanted.next_power_of_two().min(1 << possible.ilog2());
    shards as usize
}

#[cfg(test)]
mod tests;
