//! Where the entries of one shard lie: densely, so that walking them is counting, and in
//! chunks, so that growing neither copies them nor doubles what is allocated.

use std::{
    ops::{Index, IndexMut},
    sync::{Arc, atomic::AtomicU8},
};

use crate::cache::{entry::StoredEntry, key::EntryKey};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Slots in a chunk.
const CHUNK: usize = 64;

/// One entry and what its policy knows of it. The numbers are places in [`Slots`].
pub(super) struct Slot {
    pub key: EntryKey,
    pub entry: Arc<StoredEntry>,
    /// Bytes of the entry, as counted when it came.
    pub weight: u32,
    /// The neighbour towards the front of its queue; with `ttl` the place in the heap.
    pub prev: u32,
    /// The neighbour towards the back of its queue.
    pub next: u32,
    /// Whether it is in the main queue (S3-FIFO).
    pub in_main: bool,
    /// How often it was asked for, up to 3 (S3-FIFO). Counted under a read lock.
    pub uses: AtomicU8,
}

impl Slot {
    pub fn new(key: EntryKey, entry: Arc<StoredEntry>, weight: u32) -> Self {
        Self { key, entry, weight, prev: NONE, next: NONE, in_main: false, uses: AtomicU8::new(0) }
    }
}

/// The slots `0..len`, without holes.
#[derive(Default)]
pub(super) struct Slots {
    chunks: Vec<Vec<Slot>>,
    len: usize,
}

impl Slots {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a slot behind the last one and says where.
    pub fn push(&mut self, slot: Slot) -> u32 {
        let at = self.len;
        if at / CHUNK == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[at / CHUNK].push(slot);
        self.len += 1;
        at as u32
    }

    /// Takes a slot out; the last one moves to its place, if it was another.
    pub fn swap_remove(&mut self, at: u32) -> Option<Slot> {
        let end = self.len.checked_sub(1)?;
        let last = self.chunks[end / CHUNK].pop()?;
        self.len = end;
        // One empty chunk stays, so that an entry going and one coming do not allocate.
        self.chunks.truncate(end / CHUNK + 2);
        if at as usize == end { Some(last) } else { Some(std::mem::replace(&mut self[at], last)) }
    }

    /// Gives back what it can of the memory not needed.
    pub fn shrink(&mut self) {
        self.chunks.truncate(self.len.div_ceil(CHUNK));
        self.chunks.shrink_to(2 * self.chunks.len());
    }

    /// Bytes allocated.
    pub fn allocated(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Slot>() + self.chunks.capacity() * size_of::<Vec<Slot>>()
    }

    /// Bytes that the next push allocates, at most and for a moment.
    pub fn growth(&self) -> usize {
        if self.len < self.chunks.len() * CHUNK {
            return 0;
        }
        let is_full = self.chunks.len() == self.chunks.capacity();
        let index = if is_full { (2 * self.chunks.len()).max(4) * size_of::<Vec<Slot>>() } else { 0 };
        CHUNK * size_of::<Slot>() + index
    }
}

impl Index<u32> for Slots {
    type Output = Slot;

    fn index(&self, at: u32) -> &Slot {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}
