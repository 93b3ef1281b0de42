//! Which keys were evicted lately: fingerprints without entries.

/// Marks in a bucket: one cache line.
const WAYS: usize = 8;

/// A fingerprint (0: none) and when it was added.
#[derive(Clone, Copy, Default)]
struct Mark {
    print: u32,
    at: u32,
}

/// A table of buckets, in which a new mark takes the place of the oldest. There is no queue
/// beside it: a mark is as old as the number of marks that were added after it.
///
/// Two keys with one fingerprint are told apart by nobody, which costs no more than a place
/// in the wrong queue.
#[derive(Default)]
pub(super) struct Ghost {
    /// Allocated with the first mark: a shard that is not full needs none.
    buckets: Vec<[Mark; WAYS]>,
    /// Buckets there are or will be.
    wanted: usize,
    clock: u32,
}

impl Ghost {
    /// Remembers a fingerprint.
    pub fn add(&mut self, print: u32) {
        if self.buckets.is_empty() {
            self.buckets = vec![Default::default(); self.wanted];
        }
        self.clock = self.clock.wrapping_add(1);
        let mark = Mark { print: print.max(1), at: self.clock };
        self.place(mark);
    }

    /// Whether the fingerprint is among the last `limit` ones; it is forgotten.
    pub fn take(&mut self, print: u32, limit: usize) -> bool {
        let (print, clock) = (print.max(1), self.clock);
        let Some(bucket) = self.bucket(print) else { return false };
        let Some(mark) = bucket.iter_mut().find(|mark| mark.print == print) else { return false };
        let age = clock.wrapping_sub(mark.at);
        *mark = Mark::default();
        (age as usize) < limit
    }

    /// Bytes that are allocated or will be with the first mark.
    pub fn allocated(&self) -> usize {
        self.wanted * size_of::<[Mark; WAYS]>()
    }

    /// Makes room for so many fingerprints, rounded up to a power of two; none for zero.
    pub fn resize(&mut self, marks: usize) {
        self.wanted = if marks == 0 { 0 } else { marks.next_power_of_two().div_ceil(WAYS) };
        if self.buckets.is_empty() || self.buckets.len() == self.wanted {
            return;
        }
        let old = std::mem::replace(&mut self.buckets, vec![Default::default(); self.wanted]);
        for mark in old.into_iter().flatten().filter(|mark| mark.print != 0) {
            self.place(mark);
        }
    }

    fn place(&mut self, mark: Mark) {
        let clock = self.clock;
        let Some(bucket) = self.bucket(mark.print) else { return };
        let age = |old: &Mark| match old.print {
            0 => u32::MAX,
            print if print == mark.print => u32::MAX,
            _ => clock.wrapping_sub(old.at),
        };
        if let Some(oldest) = bucket.iter_mut().max_by_key(|old| age(old))
            && age(oldest) >= clock.wrapping_sub(mark.at)
        {
            *oldest = mark;
        }
    }

    fn bucket(&mut self, print: u32) -> Option<&mut [Mark; WAYS]> {
        let mask = self.buckets.len().wrapping_sub(1);
        self.buckets.get_mut(print as usize & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_and_once() {
        let mut ghost = Ghost::default();
        ghost.resize(64);
        (1..=20).for_each(|print| ghost.add(print));
        assert!(ghost.take(20, 10) && ghost.take(11, 10));
        assert!(!ghost.take(10, 10), "ten came after it");
        assert!(!ghost.take(20, 10), "it was forgotten");
    }

    #[test]
    fn a_full_bucket_forgets_its_oldest() {
        let mut ghost = Ghost::default();
        ghost.resize(WAYS);
        (1..=9).for_each(|print| ghost.add(print));
        assert!(!ghost.take(1, 100));
        assert!((2..=9).all(|print| ghost.take(print, 100)));
    }

    #[test]
    fn another_size_keeps_the_youngest() {
        let mut ghost = Ghost::default();
        ghost.add(1);
        assert!(!ghost.take(1, 100), "there is no room at first");
        ghost.resize(64);
        (1..=40).for_each(|print| ghost.add(print));
        ghost.resize(128);
        assert_eq!(ghost.allocated(), 1024);
        ghost.resize(8);
        assert!((33..=40).all(|print| ghost.take(print, 100)));
        assert!(!(1..=32).any(|print| ghost.take(print, 100)));
        ghost.resize(0);
        assert_eq!(ghost.allocated(), 0);
    }
}
