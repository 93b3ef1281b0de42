//! S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).
//!
//! New entries go through a small queue, a tenth of the bytes. What was asked for there
//! moves on to the main queue, the rest is evicted and leaves its fingerprint; who comes back
//! while the fingerprint is remembered goes to the main queue at once. A scan therefore passes
//! through the small queue alone. In the main queue every use, up to three, is one round more.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    ghost::Ghost,
    queue::Queue,
    slots::{Slot, Slots},
};

/// Uses that are counted.
const MAX_USES: u8 = 3;
/// Uses in the small queue that lead to the main queue. With the two of the paper, hit ratios
/// are the same within half a percent (`benches/cache_eviction.rs`), but lower after shifts.
const PROMOTED_AT: u8 = 1;

pub(super) struct S3Fifo {
    small: Queue,
    main: Queue,
    ghost: Ghost,
    small_bytes: usize,
    small_limit: usize,
}

impl S3Fifo {
    /// `capacity`: bytes of the whole shard.
    pub fn new(capacity: usize) -> Self {
        Self {
            small: Queue::new(),
            main: Queue::new(),
            ghost: Ghost::default(),
            small_bytes: 0,
            small_limit: capacity / 10,
        }
    }

    /// Counts a use. Two at once may count as one.
    pub fn used(slot: &Slot) {
        let uses = slot.uses.load(Relaxed);
        if uses < MAX_USES {
            slot.uses.store(uses + 1, Relaxed);
        }
    }

    pub fn added(&mut self, slots: &mut Slots, at: u32) {
        let entries = slots.len();
        if self.ghost.take(fingerprint(&slots[at]), entries) {
            self.push_main(slots, at);
        } else {
            self.small_bytes += slots[at].weight as usize;
            self.small.push_front(slots, at);
        }
    }

    /// A new entry under the same key keeps the place and the uses of the old one.
    pub fn replaced(&mut self, slot: &Slot, old_weight: u32) {
        if !slot.in_main {
            self.small_bytes = self.small_bytes + slot.weight as usize - old_weight as usize;
        }
    }

    pub fn unlink(&mut self, slots: &mut Slots, at: u32) {
        if slots[at].in_main {
            self.main.unlink(slots, at);
        } else {
            self.small_bytes -= slots[at].weight as usize;
            self.small.unlink(slots, at);
        }
    }

    pub fn moved(&mut self, slots: &mut Slots, at: u32) {
        let queue = if slots[at].in_main { &mut self.main } else { &mut self.small };
        queue.moved(slots, at);
    }

    /// The slot to be evicted, which is remembered if it was in the small queue.
    pub fn victim(&mut self, slots: &mut Slots) -> Option<u32> {
        while self.small_bytes > self.small_limit || self.main.back().is_none() {
            let Some(at) = self.small.back() else { break };
            if *slots[at].uses.get_mut() < PROMOTED_AT {
                self.ghost.add(fingerprint(&slots[at]));
                return Some(at);
            }
            self.unlink(slots, at);
            self.push_main(slots, at);
        }
        loop {
            let at = self.main.back()?;
            match slots[at].uses.get_mut() {
                0 => return Some(at),
                uses => *uses -= 1,
            }
            self.main.move_to_front(slots, at);
        }
    }

    /// Bytes that are allocated or set aside.
    pub fn allocated(&self) -> usize {
        self.ghost.allocated()
    }

    /// Remembers as many evicted keys as there are entries.
    pub fn resize(&mut self, entries: usize) {
        self.ghost.resize(entries);
    }

    fn push_main(&mut self, slots: &mut Slots, at: u32) {
        slots[at].in_main = true;
        *slots[at].uses.get_mut() = 0;
        self.main.push_front(slots, at);
    }
}

/// Bits of the key that neither the shard nor its table go by.
fn fingerprint(slot: &Slot) -> u32 {
    (u128::from_le_bytes(slot.key.0) >> 96) as u32
}
