//! Plans of documents that were seen before, and refusals of those that were refused.
//!
//! Bounded by the bytes that its entries take, counted from what they consist of. The key is a hash of everything
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
/// What an entry takes as a rule: for how many of them there is room at first.
const TYPICAL_BYTES: u64 = 8 << 10;

impl PlanCache {
    /// A cache of at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / TYPICAL_BYTES).unwrap_or(usize::MAX).clamp(16, 100_000);
        Self { entries: Cache::with_weighter(items, bytes_max, ByBytes) }
    }

    pub fn get(&self, key: &Key) -> Option<Prepared> {
        self.entries.get(key).map(|entry| entry.prepared)
    }

    /// Keeps what became of a document of so many bytes.
    pub fn insert(&self, key: Key, text_len: usize, prepared: &Prepared) {
        let bytes = match prepared {
            Prepared::Plan(plan) => plan.bytes(text_len),
            Prepared::Refused(errors) => errors.iter().map(GraphqlError::bytes).sum(),
        };
        let bytes = ENTRY_BYTES + bytes as u64;
        self.entries.insert(key, Entry { prepared: prepared.clone(), bytes });
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// How many documents are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::{errors::ErrorCode, plan::Plan, sdl};

    const SDL: &str = "schema @source(name: \"s\", route: \"/\") { query: Query }\n\
                       type Query { a(x: Int): Thing @rest(source: \"s\", get: \"/a\") }\n\
                       type Thing { b: Int }";

    fn plan(text: &str) -> Prepared {
        let schema = sdl::read(SDL).unwrap_or_else(|problems| panic!("{problems:?}")).schema;
        let document = async_graphql::parser::parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        Prepared::Plan(Arc::new(Plan::compile(&schema, &document, None, &operation.node).unwrap()))
    }

    fn weight(text: &str) -> u64 {
        let cache = PlanCache::new(64 << 20);
        cache.insert(Key::new(text, None, 1), text.len(), &plan(text));
        cache.bytes()
    }

    #[test]
    fn plans_and_refusals_never_take_more_than_they_may() {
        let max = 256 << 10;
        let cache = PlanCache::new(max);
        for number in 0..10_000 {
            let text = format!("{{ a{number}: a(x: {number}) {{ b }} }}");
            let prepared = match number % 2 {
                0 => plan("{ c: a(x: 1) { b } }"),
                _ => Prepared::Refused([GraphqlError::new(ErrorCode::Internal, text.as_str())].into()),
            };
            cache.insert(Key::new(&text, None, 1), text.len(), &prepared);
            assert!(cache.bytes() <= max, "{number}: {} bytes", cache.bytes());
        }
        assert!(cache.len() > 50, "{} entries", cache.len());
    }

    #[test]
    fn what_a_plan_consists_of_is_counted() {
        let one = weight("{ a { b } }");
        assert!(weight("{ a { b c: b d: b } }") >= one + 2 * 200, "each field");
        let text = "x".repeat(1000);
        assert!(weight(&format!("{{ a {{ {text}: b }} }}")) > one + 3 * 900, "names, paths");
        assert!(weight("query ($x: Int) { a(x: $x) { b } }") > one + 34 * 100, "variables");
    }
}
