//! The table of buckets: of fixed size, whatever is asked of it.
//!
//! A bucket that is full again says no more than one that was never there, so it gives way
//! at once and nothing is lost. Only when sixteen buckets in use meet in one set must one of
//! them go that says something: the one of whose burst the smallest part is used up. So
//! nobody gets rid of an empty bucket by flooding the table with other keys, unless by
//! emptying as many others first. The newcomer takes over what its predecessor had used, up
//! to half of its own burst and never its last request: keys that push each other out gain
//! next to nothing by it, and who is new to a crowded table is still served.

use ahash::RandomState;
use governor::{
    clock::{Clock, MonotonicClock, Reference},
    nanos::Nanos,
};
use parking_lot::Mutex;

use super::{key::BucketKey, quota::Quota};
use crate::telemetry::metrics::Counter;

/// Buckets in one set, under one lock.
const WAYS: usize = 16;

/// All buckets of the process, over all limits.
pub struct Buckets<C: Clock = MonotonicClock> {
    clock: C,
    epoch: C::Instant,
    sets: Box<[Mutex<Set>]>,
    /// Random, so that nobody can choose keys that meet in one set.
    placement: RandomState,
    displaced: Counter,
}

/// Moments are nanoseconds since the epoch of the table.
#[derive(Clone, Copy, Default)]
struct Set {
    keys: [u128; WAYS],
    /// When each is full again; what is past is free.
    full_at: [u64; WAYS],
    /// In what time each would fill from empty.
    spans: [u64; WAYS],
}

impl<C: Clock> Buckets<C> {
    /// Room for so many buckets, rounded up to whole sets. `displaced` counts those that give
    /// way before they are full.
    pub fn new(count: usize, clock: C, displaced: Counter) -> Self {
        let sets = (0..count.div_ceil(WAYS).max(1)).map(|_| Mutex::default()).collect();
        let epoch = clock.now();
        Self { clock, epoch, sets, placement: RandomState::new(), displaced }
    }

    /// The clock that buckets fill by.
    pub(super) fn clock(&self) -> &C {
        &self.clock
    }

    /// Nanoseconds since the epoch.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().duration_since(self.epoch).as_u64()
    }

    /// Replaces the moment at which a bucket is full by what `decide` makes of it. `None` is
    /// a bucket of which nothing is known. An error leaves all as it is.
    pub(super) fn update<T, E>(
        &self,
        BucketKey(key): BucketKey,
        quota: &Quota,
        decide: impl FnOnce(Option<u64>) -> Result<(T, u64), E>,
    ) -> Result<T, E> {
        let key = u128::from_le_bytes(key);
        let mut set = self.set(key).lock();
        let (way, before) = match set.way(key) {
            Some(way) => (way, Some(set.full_at[way])),
            None => self.make_room(&set, quota),
        };
        let (value, full_at) = decide(before)?;
        set.keys[way] = key;
        set.full_at[way] = full_at;
        set.spans[way] = quota.span_nanos();
        Ok(value)
    }

    /// Undoes one request.
    pub(super) fn give_back(&self, BucketKey(key): BucketKey, quota: &Quota) {
        let key = u128::from_le_bytes(key);
        let mut set = self.set(key).lock();
        if let Some(way) = set.way(key) {
            set.full_at[way] = set.full_at[way].saturating_sub(quota.interval_nanos());
        }
    }

    /// A place in the set, and what whoever gets it inherits.
    fn make_room(&self, set: &Set, quota: &Quota) -> (usize, Option<u64>) {
        let now = self.now();
        let (mut way, mut least) = (0, f64::INFINITY);
        for candidate in 0..WAYS {
            let Some(used) = set.used(candidate, now) else { return (candidate, None) };
            if used < least {
                (way, least) = (candidate, used);
            }
        }
        self.displaced.inc();
        let span = quota.span_nanos();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the span")]
        let inherited = (span as f64 * least.min(0.5)) as u64;
        (way, Some(now.saturating_add(inherited.min(span - quota.interval_nanos()))))
    }

    fn set(&self, key: u128) -> &Mutex<Set> {
        let hash = u128::from(self.placement.hash_one(key));
        // The upper half of the product: an even spread without a division.
        let index = (hash * self.sets.len() as u128) >> 64;
        &self.sets[index as usize]
    }

    /// Buckets that are not full. Looks at all of them: for a scrape, not for a request.
    pub fn in_use(&self) -> usize {
        let now = self.now();
        let count = |set: &Mutex<Set>| set.lock().full_at.iter().filter(|&&full_at| full_at > now).count();
        self.sets.iter().map(count).sum()
    }

    /// Room for so many.
    pub fn capacity(&self) -> usize {
        self.sets.len() * WAYS
    }
}

impl Set {
    fn way(&self, key: u128) -> Option<usize> {
        let way = self.keys.iter().position(|&known| known == key)?;
        // Never used: the name that is all zeros is that of a free place.
        (self.spans[way] != 0).then_some(way)
    }

    /// The part of its burst that a bucket has used up. `None`: none of it.
    fn used(&self, way: usize, now: u64) -> Option<f64> {
        let debt = self.full_at[way].checked_sub(now).filter(|&debt| debt > 0)?;
        Some(debt as f64 / self.spans[way] as f64)
    }
}

/// The moments of a limiter count from its own beginning.
pub(super) fn since(began: u64, moment: u64) -> Nanos {
    Nanos::from(moment.saturating_sub(began))
}

#[cfg(test)]
mod tests;
