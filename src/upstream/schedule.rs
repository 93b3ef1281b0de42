//! When a recurring round is due: one at a time, at jittered intervals.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rand::Rng as _;

use super::clock;

/// A round is running.
const RUNNING: u64 = u64::MAX;

/// Due at once, then every interval, give or take a tenth so that many nodes
/// and upstreams do not act in step.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Nanoseconds.
    interval: u64,
    /// Clock nanoseconds of the next round, or `RUNNING`.
    next: AtomicU64,
}

/// A round under way. Dropping it, finished or cancelled, plans the next one.
#[derive(Debug)]
pub(super) struct Round<'a> {
    schedule: &'a Schedule,
    next: u64,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: clock::span(interval), next: AtomicU64::new(0) }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.load(Relaxed) <= clock::nanos(now)
    }

    /// Begins a round if one is due and none is running.
    pub(super) fn begin(&self, now: Instant) -> Option<Round<'_>> {
        let nanos = clock::nanos(now);
        let due = |next: u64| (next <= nanos).then_some(RUNNING);
        self.next.fetch_update(Relaxed, Relaxed, due).ok()?;
        let jitter = rand::rng().random_range(0..=self.interval / 5);
        let next = nanos.saturating_add(self.interval - self.interval / 10).saturating_add(jitter);
        Some(Round { schedule: self, next: next.min(RUNNING - 1) })
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.schedule.next.store(self.next, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_follow_the_interval_and_never_overlap() {
        let schedule = Schedule::new(Duration::from_secs(10));
        let start = Instant::now();
        let round = schedule.begin(start).expect("due at once");
        assert!(schedule.begin(start + Duration::from_secs(60)).is_none(), "one is running");
        drop(round);
        assert!(!schedule.is_due(start + Duration::from_millis(8_990)));
        assert!(schedule.is_due(start + Duration::from_millis(11_010)));
        assert!(schedule.begin(start + Duration::from_millis(11_010)).is_some());
    }
}
