//! The slots by the moment they stop being fresh, the soonest on top.

use super::slots::Slots;
use crate::cache::entry::Stamp;

/// A binary heap that knows where each slot is in it, so that any slot can leave.
#[derive(Default)]
pub(super) struct Heap {
    nodes: Vec<Node>,
}

/// When a slot stops being fresh, and which slot.
type Node = (Second, u32);

/// A moment to 1,024 ms, which halves the heap; from the year 2109 on all are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Second(u32);

impl From<Stamp> for Second {
    fn from(Stamp(millis): Stamp) -> Self {
        Self(u32::try_from(millis >> 10).unwrap_or(u32::MAX))
    }
}

impl Heap {
    /// The slot that stops being fresh first.
    pub fn top(&self) -> Option<u32> {
        self.nodes.first().map(|(_, at)| *at)
    }

    pub fn push(&mut self, slots: &mut Slots, at: u32) {
        self.nodes.push((slots[at].entry.times().fresh_until.into(), at));
        self.rise(slots, self.nodes.len() - 1);
    }

    pub fn remove(&mut self, slots: &mut Slots, at: u32) {
        let place = slots[at].prev as usize;
        self.nodes.swap_remove(place);
        if place < self.nodes.len() {
            self.settle(slots, place);
        }
    }

    /// Puts a slot whose entry changed where it belongs now.
    pub fn changed(&mut self, slots: &mut Slots, at: u32) {
        let place = slots[at].prev as usize;
        self.nodes[place].0 = slots[at].entry.times().fresh_until.into();
        self.settle(slots, place);
    }

    /// Notes that the slot that was elsewhere is at `at` now.
    pub fn moved(&mut self, slots: &Slots, at: u32) {
        self.nodes[slots[at].prev as usize].1 = at;
    }

    /// Bytes allocated.
    pub fn allocated(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Makes room for so many slots, and not for more.
    pub fn resize(&mut self, entries: usize) {
        self.nodes.reserve_exact(entries.saturating_sub(self.nodes.len()));
        self.nodes.shrink_to(entries);
    }

    fn settle(&mut self, slots: &mut Slots, place: usize) {
        let place = self.rise(slots, place);
        self.sink(slots, place);
    }

    fn rise(&mut self, slots: &mut Slots, mut place: usize) -> usize {
        while place > 0 && self.nodes[place].0 < self.nodes[(place - 1) / 2].0 {
            self.nodes.swap(place, (place - 1) / 2);
            self.note(slots, place);
            place = (place - 1) / 2;
        }
        self.note(slots, place);
        place
    }

    fn sink(&mut self, slots: &mut Slots, mut place: usize) {
        loop {
            let children = (2 * place + 1)..(2 * place + 3).min(self.nodes.len());
            let Some(child) = children.min_by_key(|child| self.nodes[*child].0) else { break };
            if self.nodes[place].0 <= self.nodes[child].0 {
                break;
            }
            self.nodes.swap(place, child);
            self.note(slots, place);
            place = child;
        }
        self.note(slots, place);
    }

    fn note(&self, slots: &mut Slots, place: usize) {
        slots[self.nodes[place].1].prev = place as u32;
    }
}
