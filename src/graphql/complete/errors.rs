//! The errors of a response, each at its position.

use crate::graphql::{
    errors::GraphqlError,
    response::{SlotId, Tree},
};

/// An error that has not found its position yet.
#[derive(Debug)]
pub(in crate::graphql) struct Failed {
    pub(in crate::graphql) error: GraphqlError,
    /// The part of the response that it belongs to.
    pub(in crate::graphql) slot: SlotId,
}

/// The errors of a response: one for each position that is null because of one, up to a limit.
#[derive(Debug)]
pub(in crate::graphql) struct Errors {
    list: Vec<Failed>,
    max: usize,
    /// How many there were in all.
    pub(in crate::graphql) total: usize,
}

/// How many errors there were at some point.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct Mark(usize);

impl Errors {
    pub(in crate::graphql) fn new(max: usize) -> Self {
        Self { list: Vec::new(), max, total: 0 }
    }

    pub(in crate::graphql) fn mark(&self) -> Mark {
        Mark(self.list.len())
    }

    /// A position became null because of an error. Errors within it since the mark, whose
    /// positions are gone, go with them.
    pub(in crate::graphql) fn absorb(&mut self, mark: Mark, failed: Failed) {
        self.total -= self.list.len().saturating_sub(mark.0);
        self.list.truncate(mark.0);
        self.push(failed);
    }

    /// The same for a part of the response that was made before.
    pub(in crate::graphql) fn absorb_under(&mut self, tree: &Tree, slot: SlotId, failed: Failed) {
        let before = self.list.len();
        self.list.retain(|known| !tree.is_under(known.slot, slot));
        self.total -= before - self.list.len();
        self.push(failed);
    }

    fn push(&mut self, failed: Failed) {
        self.total += 1;
        if self.list.len() < self.max {
            self.list.push(failed);
        }
    }

    pub(in crate::graphql) fn iter(&self) -> impl Iterator<Item = &GraphqlError> {
        self.list.iter().map(|failed| &failed.error)
    }

    pub(in crate::graphql) fn is_empty(&self) -> bool {
        self.total == 0
    }
}
