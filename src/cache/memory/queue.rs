//! A queue of slots, linked through the slots themselves.

use super::slots::{NONE, Slots};

/// Slots in an order: they come in at the front and leave at the back.
pub(super) struct Queue {
    front: u32,
    back: u32,
}

impl Queue {
    pub const fn new() -> Self {
        Self { front: NONE, back: NONE }
    }

    /// The slot that leaves next.
    pub fn back(&self) -> Option<u32> {
        (self.back != NONE).then_some(self.back)
    }

    pub fn push_front(&mut self, slots: &mut Slots, at: u32) {
        let second = self.front;
        slots[at].prev = NONE;
        slots[at].next = second;
        match second {
            NONE => self.back = at,
            second => slots[second].prev = at,
        }
        self.front = at;
    }

    pub fn unlink(&mut self, slots: &mut Slots, at: u32) {
        let (prev, next) = (slots[at].prev, slots[at].next);
        match prev {
            NONE => self.front = next,
            prev => slots[prev].next = next,
        }
        match next {
            NONE => self.back = prev,
            next => slots[next].prev = prev,
        }
    }

    pub fn move_to_front(&mut self, slots: &mut Slots, at: u32) {
        if self.front != at {
            self.unlink(slots, at);
            self.push_front(slots, at);
        }
    }

    /// Tells the neighbours of a slot that moved that it is at `at` now.
    pub fn moved(&mut self, slots: &mut Slots, at: u32) {
        match slots[at].prev {
            NONE => self.front = at,
            prev => slots[prev].next = at,
        }
        match slots[at].next {
            NONE => self.back = at,
            next => slots[next].prev = at,
        }
    }
}
