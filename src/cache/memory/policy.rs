//! Who has to go when a shard is full.

use super::{heap::Heap, queue::Queue, s3fifo::S3Fifo, slots::Slots};
use crate::config::cache::Eviction;

/// The order of the slots of one shard. It holds no entry, only places of slots, and has to
/// hear of every slot that comes, changes, moves and goes.
pub(super) enum Policy {
    Lru(Queue),
    Fifo(Queue),
    Ttl(Heap),
    S3Fifo(S3Fifo),
}

impl Policy {
    /// `capacity`: bytes of the shard.
    pub fn new(eviction: Eviction, capacity: usize) -> Self {
        match eviction {
            Eviction::Lru => Self::Lru(Queue::new()),
            Eviction::Fifo => Self::Fifo(Queue::new()),
            Eviction::Ttl => Self::Ttl(Heap::default()),
            Eviction::S3Fifo => Self::S3Fifo(S3Fifo::new(capacity)),
        }
    }

    /// Whether a use changes the order, so that it has to be told by [`Self::used_in_order`].
    pub fn orders_by_use(eviction: Eviction) -> bool {
        eviction == Eviction::Lru
    }

    /// The slot was asked for.
    pub fn used(&self, slots: &Slots, at: u32) {
        if let Self::S3Fifo(_) = self {
            S3Fifo::used(&slots[at]);
        }
    }

    /// The slot was asked for, and the order may change.
    pub fn used_in_order(&mut self, slots: &mut Slots, at: u32) {
        match self {
            Self::Lru(queue) => queue.move_to_front(slots, at),
            Self::Fifo(_) | Self::Ttl(_) | Self::S3Fifo(_) => self.used(slots, at),
        }
    }

    /// The slot is new.
    pub fn added(&mut self, slots: &mut Slots, at: u32) {
        match self {
            Self::Lru(queue) | Self::Fifo(queue) => queue.push_front(slots, at),
            Self::Ttl(heap) => heap.push(slots, at),
            Self::S3Fifo(s3fifo) => s3fifo.added(slots, at),
        }
    }

    /// The slot has another entry, in place of one of this weight.
    pub fn replaced(&mut self, slots: &mut Slots, at: u32, old_weight: u32) {
        match self {
            Self::Lru(queue) | Self::Fifo(queue) => queue.move_to_front(slots, at),
            Self::Ttl(heap) => heap.changed(slots, at),
            Self::S3Fifo(s3fifo) => s3fifo.replaced(&slots[at], old_weight),
        }
    }

    /// The slot is about to go.
    pub fn unlink(&mut self, slots: &mut Slots, at: u32) {
        match self {
            Self::Lru(queue) | Self::Fifo(queue) => queue.unlink(slots, at),
            Self::Ttl(heap) => heap.remove(slots, at),
            Self::S3Fifo(s3fifo) => s3fifo.unlink(slots, at),
        }
    }

    /// The slot that is at `at` now was elsewhere.
    pub fn moved(&mut self, slots: &mut Slots, at: u32) {
        match self {
            Self::Lru(queue) | Self::Fifo(queue) => queue.moved(slots, at),
            Self::Ttl(heap) => heap.moved(slots, at),
            Self::S3Fifo(s3fifo) => s3fifo.moved(slots, at),
        }
    }

    /// The slot that has to go next; it is still linked. `None` if there is no slot.
    pub fn victim(&mut self, slots: &mut Slots) -> Option<u32> {
        match self {
            Self::Lru(queue) | Self::Fifo(queue) => queue.back(),
            Self::Ttl(heap) => heap.top(),
            Self::S3Fifo(s3fifo) => s3fifo.victim(slots),
        }
    }

    /// Bytes that are allocated or set aside.
    pub fn allocated(&self) -> usize {
        match self {
            Self::Lru(_) | Self::Fifo(_) => 0,
            Self::Ttl(heap) => heap.allocated(),
            Self::S3Fifo(s3fifo) => s3fifo.allocated(),
        }
    }

    /// Allocates or sets aside what so many slots need, and not more.
    pub fn resize(&mut self, entries: usize) {
        match self {
            Self::Lru(_) | Self::Fifo(_) => {}
            Self::Ttl(heap) => heap.resize(entries),
            Self::S3Fifo(s3fifo) => s3fifo.resize(entries),
        }
    }
}

#[cfg(test)]
mod tests;
