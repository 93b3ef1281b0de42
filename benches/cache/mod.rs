//! What the benches of the memory tier share: keys, entries, and the tier beside other engines.
#![allow(dead_code, reason = "no bench needs all of it")]

use std::sync::Arc;

use http::StatusCode;
use nilegate::{
    cache::{
        entry::{Parts, Stamp, StoredEntry, Times},
        key::EntryKey,
        memory::MemoryTier,
    },
    config::{
        cache::{Eviction, MemoryTierConfig},
        values::ByteSize,
    },
};

pub const STRATEGIES: [(&str, Eviction); 4] =
    [("s3-fifo", Eviction::S3Fifo), ("lru", Eviction::Lru), ("fifo", Eviction::Fifo), ("ttl", Eviction::Ttl)];

/// SplitMix64: small, good enough here, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks from 0, rank r with a probability in proportion to 1 / (r + 1)^exponent.
pub struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let add = |rank: usize| {
            sum += 1.0 / ((rank + 1) as f64).powf(exponent);
            sum
        };
        Self { sums: (0..ranks).map(add).collect() }
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let sum = self.sums.last().copied().unwrap_or_default();
        let at = random.fraction() * sum;
        self.sums.partition_point(|end| *end <= at).min(self.sums.len() - 1)
    }
}

pub fn key(number: u64) -> EntryKey {
    let mut random = Random(number);
    let (high, low) = (random.next(), random.next());
    EntryKey((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
}

pub fn entry(head: usize, body: usize, target: &str, fresh_until: u64) -> Arc<StoredEntry> {
    let (head, body) = (vec![b'a'; head], vec![b'b'; body]);
    let parts = Parts {
        status: StatusCode::OK,
        fields: &head,
        body: &body,
        target: target.as_bytes(),
        variance: None,
        tags: &[],
        times: Times { fresh_until: Stamp(fresh_until), ..Times::default() },
    };
    Arc::new(StoredEntry::new(&parts).expect("lengths that fit"))
}

/// A cache under test.
pub trait Engine: Sync {
    fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>>;
    fn put(&self, key: EntryKey, entry: Arc<StoredEntry>);
    /// Lets deferred work be done.
    fn settle(&self) {}
}

impl Engine for MemoryTier {
    fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.get(key)
    }

    fn put(&self, key: EntryKey, entry: Arc<StoredEntry>) {
        self.insert(key, entry);
    }
}

pub fn tier(eviction: Eviction, capacity: u64) -> MemoryTier {
    let capacity = ByteSize(capacity);
    MemoryTier::new(&MemoryTierConfig { capacity, eviction, max_object: ByteSize::kib(64) })
}

/// Pingora's own, by number of entries: weights have 16 bits, too few for bytes.
pub struct TinyUfo(tinyufo::TinyUfo<EntryKey, Arc<StoredEntry>>);

impl TinyUfo {
    pub fn new(entries: usize) -> Self {
        Self(tinyufo::TinyUfo::new(entries, entries))
    }
}

impl Engine for TinyUfo {
    fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.0.get(key)
    }

    fn put(&self, key: EntryKey, entry: Arc<StoredEntry>) {
        self.0.put(key, entry, 1);
    }
}

/// By number of entries.
pub struct QuickCache(quick_cache::sync::Cache<EntryKey, Arc<StoredEntry>>);

impl QuickCache {
    pub fn new(entries: usize) -> Self {
        Self(quick_cache::sync::Cache::new(entries))
    }
}

impl Engine for QuickCache {
    fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.0.get(key)
    }

    fn put(&self, key: EntryKey, entry: Arc<StoredEntry>) {
        self.0.insert(key, entry);
    }
}

/// By number of entries.
pub struct Moka(moka::sync::Cache<EntryKey, Arc<StoredEntry>>);

impl Moka {
    pub fn new(entries: usize) -> Self {
        Self(moka::sync::Cache::new(entries as u64))
    }
}

impl Engine for Moka {
    fn get(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.0.get(key)
    }

    fn put(&self, key: EntryKey, entry: Arc<StoredEntry>) {
        self.0.insert(key, entry);
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

/// Makes an engine for so many entries.
pub type Make = fn(usize) -> Box<dyn Engine>;

pub const OTHERS: [(&str, Make); 3] = [
    ("tinyufo", |entries| Box::new(TinyUfo::new(entries))),
    ("quick_cache", |entries| Box::new(QuickCache::new(entries))),
    ("moka", |entries| Box::new(Moka::new(entries))),
];
