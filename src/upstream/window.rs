//! Two counts over a sliding window of time, without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::clock;

const BUCKETS: usize = 10;
const COUNT_BITS: u32 = 22;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const TAG_MASK: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// Events of a window and how many of them were marked (failed, repeated …).
///
/// The window is ten buckets; the oldest one is forgotten whole, so a count
/// covers nine to ten tenths of the window. A bucket is one word (tag of its
/// turn, all, marked), which makes starting it anew atomic. Counts saturate at
/// four million a bucket.
#[derive(Debug)]
pub(super) struct Window {
    bucket_nanos: u64,
    buckets: [AtomicU64; BUCKETS],
}

/// The counts of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) all: u64,
    pub(super) marked: u64,
}

impl Counts {
    fn unpack(word: u64) -> Self {
        Self { all: (word >> COUNT_BITS) & COUNT_MAX, marked: word & COUNT_MAX }
    }

    /// What a bucket holds of the turn with this tag.
    fn of(word: u64, tag: u64) -> Self {
        if word >> (2 * COUNT_BITS) == tag { Self::unpack(word) } else { Self::default() }
    }

    fn pack(self, tag: u64) -> u64 {
        tag << (2 * COUNT_BITS) | self.all.min(COUNT_MAX) << COUNT_BITS | self.marked.min(COUNT_MAX)
    }

    fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, marked: self.marked + other.marked }
    }
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { bucket_nanos: (clock::span(length) / BUCKETS as u64).max(1), buckets: Default::default() }
    }

    /// Adds to the counts.
    pub(super) fn add(&self, now: Instant, more: Counts) {
        let (_, bucket, tag) = self.bucket(now);
        let _always =
            bucket.fetch_update(Relaxed, Relaxed, |word| Some(Counts::of(word, tag).plus(more).pack(tag)));
    }

    /// Adds to the counts if the counts so far allow it; says whether it did.
    ///
    /// Two callers in the same bucket cannot both be let in by the same counts.
    pub(super) fn add_if(&self, now: Instant, more: Counts, allow: impl Fn(Counts) -> bool) -> bool {
        let (turn, bucket, tag) = self.bucket(now);
        bucket
            .fetch_update(Relaxed, Relaxed, |word| {
                let current = Counts::of(word, tag);
                let total = self.sum(turn, Some(bucket)).plus(current);
                allow(total).then(|| current.plus(more).pack(tag))
            })
            .is_ok()
    }

    /// The turn of the clock, its bucket, and the tag that says the bucket is of this turn.
    fn bucket(&self, now: Instant) -> (u64, &AtomicU64, u64) {
        let turn = clock::nanos(now) / self.bucket_nanos;
        (turn, &self.buckets[turn as usize % BUCKETS], turn & TAG_MASK)
    }

    /// The counts of the window that ends now.
    pub(super) fn counts(&self, now: Instant) -> Counts {
        self.sum(clock::nanos(now) / self.bucket_nanos, None)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
    }

    fn sum(&self, turn: u64, except: Option<&AtomicU64>) -> Counts {
        self.buckets
            .iter()
            .filter(|bucket| except.is_none_or(|e| !std::ptr::eq(e, *bucket)))
            .map(|bucket| bucket.load(Relaxed))
            .filter(|word| turn.wrapping_sub(word >> (2 * COUNT_BITS)) & TAG_MASK < BUCKETS as u64)
            .fold(Counts::default(), |sum, word| sum.plus(Counts::unpack(word)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Counts = Counts { all: 1, marked: 0 };
    const BAD: Counts = Counts { all: 1, marked: 1 };

    #[test]
    fn counts_fade_after_the_window() {
        let window = Window::new(Duration::from_secs(10));
        let start = Instant::now();
        window.add(start, GOOD);
        window.add(start + Duration::from_secs(5), BAD);
        assert_eq!(window.counts(start + Duration::from_secs(5)), Counts { all: 2, marked: 1 });
        assert_eq!(window.counts(start + Duration::from_secs(12)), Counts { all: 1, marked: 1 });
        assert_eq!(window.counts(start + Duration::from_secs(30)), Counts::default());
        window.add(start + Duration::from_secs(30), GOOD);
        assert_eq!(window.counts(start + Duration::from_secs(30)), Counts { all: 1, marked: 0 });
        window.clear();
        assert_eq!(window.counts(start + Duration::from_secs(30)), Counts::default());
    }

    proptest! {
        /// Whatever the order of events, a count lies between those of nine and ten tenths of the window.
        #[test]
        fn counts_are_those_of_the_window(steps in prop::collection::vec((0u64..2_000, any::<bool>()), 1..200)) {
            let window = Window::new(Duration::from_secs(1));
            let mut now = Instant::now();
            let mut events = Vec::new();
            for (millis, marked) in steps {
                now += Duration::from_millis(millis);
                window.add(now, if marked { BAD } else { GOOD });
                events.push((now, marked));
                let since = |length| events.iter().filter(move |(at, _)| now.duration_since(*at) < Duration::from_millis(length));
                let counts = window.counts(now);
                prop_assert!(since(900).count() as u64 <= counts.all && counts.all <= since(1001).count() as u64);
                prop_assert!(since(900).filter(|e| e.1).count() as u64 <= counts.marked);
                prop_assert!(counts.marked <= since(1001).filter(|e| e.1).count() as u64);
            }
        }
    }
}
