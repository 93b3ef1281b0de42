//! Plans of documents that were seen before, and refusals of those that were refused.
//!
//! Bounded by an estimate of the bytes that its entries take. The key is a hash of everything
//! that a plan depends on, so no text is kept.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::{errors::GraphqlError, plan::Plan};

/// What became of a document.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// It can be executed.
    Plan(Arc<Plan>),
    /// It cannot. At least one error.
    Refused(Arc<[GraphqlError]>),
}

/// The hash of a document, the name of its operation and the generation of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub fn new(text: &str, operation: Option<&str>, generation: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&generation.to_le_bytes());
        // No name is not the empty name, and no part of one is part of the other.
        hasher.update(&operation.map_or(u64::MAX, |name| name.len() as u64).to_le_bytes());
        hasher.update(operation.unwrap_or_default().as_bytes());
        hasher.update(text.as_bytes());
        Self(hasher.finalize().into())
    }
}

#[derive(Clone)]
struct Entry {
    prepared: Prepared,
    bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Entry> for ByBytes {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.bytes
    }
}

/// The plans of one schema.
pub(super) struct PlanCache {
    entries: Cache<Key, Entry, ByBytes>,
}

/// What an entry takes besides its plan, generously: key, pointers, the table.
const ENTRY_BYTES: u64 = 512;
/// What a plan takes for each byte of its document, generously: a field with its key, path and
/// arguments is some ten bytes of a document, and half a kilobyte of a plan.
const PLAN_FACTOR: u64 = 64;

impl PlanCache {
    /// A cache of at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let typical = ENTRY_BYTES + 300 * PLAN_FACTOR;
        let items = usize::try_from(bytes_max / typical).unwrap_or(usize::MAX).clamp(16, 100_000);
        Self { entries: Cache::with_weighter(items, bytes_max, ByBytes) }
    }

    pub fn get(&self, key: &Key) -> Option<Prepared> {
        self.entries.get(key).map(|entry| entry.prepared)
    }

    pub fn insert(&self, key: Key, text_len: usize, prepared: &Prepared) {
        let bytes = ENTRY_BYTES
            + match prepared {
                Prepared::Plan(_) => PLAN_FACTOR.saturating_mul(text_len as u64),
                Prepared::Refused(errors) => errors
                    .iter()
                    .map(|error| {
                        (size_of::<GraphqlError>() + error.message.len() + 16 * error.locations.len()) as u64
                    })
                    .sum(),
            };
        self.entries.insert(key, Entry { prepared: prepared.clone(), bytes });
    }

    /// The estimated bytes of all entries.
    pub fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// How many documents are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
