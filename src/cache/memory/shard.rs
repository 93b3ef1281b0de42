//! One part of the tier: a table, the slots and the order they go in, under one lock.

use std::sync::Arc;

use hashbrown::HashTable;

use super::{
    policy::Policy,
    slots::{Slot, Slots},
};
use crate::{
    cache::{
        entry::{Stamp, StoredEntry},
        key::EntryKey,
    },
    config::cache::Eviction,
};

/// Bytes that a table or an order of its own size needs for growing to twice that, while
/// the old one is still there; the first one is that small.
fn growth(allocated: usize) -> usize {
    (2 * allocated).max(256)
}

/// What happened to the entries of a shard since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub insertions: u64,
    pub replaced: u64,
    pub evicted: u64,
    pub expired: u64,
    pub removed: u64,
}

/// Entries up to a number of bytes, which counts everything allocated for them here.
pub(super) struct Shard {
    capacity: usize,
    table: HashTable<u32>,
    slots: Slots,
    policy: Policy,
    /// Bytes of all entries, without the upkeep.
    weights: usize,
    /// Where the search for useless entries goes on: below this slot.
    swept_above: u32,
    pub counts: Counts,
}

impl Shard {
    /// Bytes of upkeep that a single entry cannot do without, for a moment.
    pub const LEAST_UPKEEP: usize = 64 * size_of::<Slot>() + 1024;

    pub fn new(eviction: Eviction, capacity: usize) -> Self {
        Self {
            capacity,
            table: HashTable::new(),
            slots: Slots::default(),
            policy: Policy::new(eviction, capacity),
            weights: 0,
            swept_above: 0,
            counts: Counts::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all entries and of everything allocated for them.
    pub fn bytes(&self) -> usize {
        self.weights + self.upkeep()
    }

    /// Bytes of the table, the slots and the order.
    pub fn upkeep(&self) -> usize {
        self.table.allocation_size() + self.slots.allocated() + self.policy.allocated()
    }

    pub fn peek(&self, key: &EntryKey) -> Option<&Arc<StoredEntry>> {
        self.find(key).map(|at| &self.slots[at].entry)
    }

    /// Finds an entry and counts the use, for policies whose order does not change by it.
    pub fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        let at = self.find(key)?;
        self.policy.used(&self.slots, at);
        Some(Arc::clone(&self.slots[at].entry))
    }

    /// Finds an entry and counts the use.
    pub fn get_in_order(&mut self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        let at = self.find(key)?;
        self.policy.used_in_order(&mut self.slots, at);
        Some(Arc::clone(&self.slots[at].entry))
    }

    /// Puts an entry in, after making room for it. What had to go is put into `gone`, to be
    /// freed when the lock is not held any more. `false` if there is no room even then.
    pub fn insert(
        &mut self,
        key: EntryKey,
        entry: Arc<StoredEntry>,
        weight: u32,
        gone: &mut Vec<Arc<StoredEntry>>,
    ) -> bool {
        // The entry of the same key may be the one that has to go: look again every time.
        let mut found = self.find(&key);
        while self.bytes() + self.growth(found, weight) > self.capacity {
            let Some(victim) = self.policy.victim(&mut self.slots) else { return false };
            gone.extend(self.take(victim));
            self.counts.evicted += 1;
            found = self.find(&key);
        }
        self.counts.insertions += 1;
        match found {
            Some(at) => gone.push(self.replace(at, entry, weight)),
            None => self.add(Slot::new(key, entry, weight)),
        }
        true
    }

    pub fn remove(&mut self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        let at = self.find(key)?;
        self.counts.removed += 1;
        self.take(at)
    }

    /// Removes all entries, which are returned as slots to be freed without the lock.
    pub fn clear(&mut self, eviction: Eviction) -> Slots {
        self.counts.removed += self.slots.len() as u64;
        self.weights = 0;
        self.table = HashTable::new();
        self.policy = Policy::new(eviction, self.capacity);
        std::mem::take(&mut self.slots)
    }

    /// Looks at up to `budget` further entries and takes out the useless ones. Returns how
    /// many it looked at, and whether all have been looked at now.
    pub fn sweep(&mut self, now: Stamp, budget: usize, gone: &mut Vec<Arc<StoredEntry>>) -> (usize, bool) {
        // Downwards: the slot that fills a gap was looked at before.
        if self.swept_above == 0 {
            self.swept_above = u32::MAX;
        }
        self.swept_above = self.swept_above.min(self.slots.len() as u32);
        let end = self.swept_above.saturating_sub(u32::try_from(budget).unwrap_or(u32::MAX));
        let looked_at = self.swept_above - end;
        while self.swept_above > end {
            self.swept_above -= 1;
            if now >= self.slots[self.swept_above].entry.times().useless_at {
                gone.extend(self.take(self.swept_above));
                self.counts.expired += 1;
            }
        }
        (looked_at as usize, end == 0)
    }

    /// Copies up to `count` entries from the slots below `end`, downwards, and returns the
    /// end for the next call; 0 if there are no more.
    pub fn copy_below(&self, end: u32, count: usize, copies: &mut Vec<(EntryKey, Arc<StoredEntry>)>) -> u32 {
        let end = end.min(self.slots.len() as u32);
        let start = end.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        let slots = (start..end).rev().map(|at| &self.slots[at]);
        copies.extend(slots.map(|slot| (slot.key, Arc::clone(&slot.entry))));
        start
    }

    fn find(&self, key: &EntryKey) -> Option<u32> {
        self.table.find(hash(key), |at| self.slots[*at].key == *key).copied()
    }

    /// Bytes that an entry of this weight adds, at most and for a moment.
    fn growth(&self, found: Option<u32>, weight: u32) -> usize {
        if let Some(at) = found {
            return weight.saturating_sub(self.slots[at].weight) as usize;
        }
        let is_full = self.table.len() == self.table.capacity();
        let tables = [self.table.allocation_size(), self.policy.allocated()];
        let tables = if is_full { tables.into_iter().map(growth).sum() } else { 0 };
        weight as usize + self.slots.growth() + tables
    }

    fn add(&mut self, slot: Slot) {
        let (hashed, buckets) = (hash(&slot.key), self.table.num_buckets());
        self.weights += slot.weight as usize;
        let at = self.slots.push(slot);
        self.table.insert_unique(hashed, at, |at| hash(&self.slots[*at].key));
        if self.table.num_buckets() > buckets {
            self.policy.resize(self.table.num_buckets());
        }
        self.policy.added(&mut self.slots, at);
    }

    fn replace(&mut self, at: u32, entry: Arc<StoredEntry>, weight: u32) -> Arc<StoredEntry> {
        let slot = &mut self.slots[at];
        let old_weight = std::mem::replace(&mut slot.weight, weight);
        let old = std::mem::replace(&mut slot.entry, entry);
        self.weights = self.weights + weight as usize - old_weight as usize;
        self.counts.replaced += 1;
        self.policy.replaced(&mut self.slots, at, old_weight);
        old
    }

    fn take(&mut self, at: u32) -> Option<Arc<StoredEntry>> {
        self.policy.unlink(&mut self.slots, at);
        if let Ok(found) = self.table.find_entry(hash(&self.slots[at].key), |other| *other == at) {
            found.remove();
        }
        let slot = self.slots.swap_remove(at)?;
        let from = self.slots.len() as u32;
        if at != from {
            let hashed = hash(&self.slots[at].key);
            if let Some(place) = self.table.find_mut(hashed, |other| *other == from) {
                *place = at;
            }
            self.policy.moved(&mut self.slots, at);
        }
        self.weights -= slot.weight as usize;
        self.shrink();
        Some(slot.entry)
    }

    /// Gives memory back when much less is needed than there was.
    fn shrink(&mut self) {
        let (len, buckets) = (self.table.len(), self.table.num_buckets());
        if len == 0 || (buckets > 64 && len < buckets / 10) {
            self.table.shrink_to(2 * len, |at| hash(&self.slots[*at].key));
            self.policy.resize(if len == 0 { 0 } else { self.table.num_buckets() });
            self.slots.shrink();
        }
    }
}

/// Keys are uniform already.
fn hash(key: &EntryKey) -> u64 {
    u128::from_le_bytes(key.0) as u64
}
