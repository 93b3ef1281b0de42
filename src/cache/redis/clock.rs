//! The clock of Redis, by which all nodes tell what came first.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::cache::entry::Stamp;

/// Set back by less than this, nothing is wrong: half of what invalidations allow the clocks
/// of two nodes to differ.
const COVERED: Duration = Duration::from_millis(5);

/// Goes on by the steady clock of the machine: setting that of the wall moves nothing, and
/// between two looks no more than drift adds up.
pub struct Clock {
    started: Instant,
    /// What the clock of Redis showed at `started`, in milliseconds; zero until it is known.
    origin: AtomicU64,
}

impl Clock {
    pub fn new() -> Self {
        Self { started: Instant::now(), origin: AtomicU64::new(0) }
    }

    /// What it shows; nothing until Redis was asked.
    pub fn now(&self) -> Option<Stamp> {
        match self.origin.load(Relaxed) {
            0 => None,
            origin => Some(Stamp(origin).plus(self.started.elapsed())),
        }
    }

    /// Sets it to what Redis showed at `moment`, give or take `doubt`. A difference within
    /// that tells nothing. Gives what it showed before, if it is set back by more than matters.
    pub fn set(&self, theirs: Stamp, moment: Instant, doubt: Duration) -> Option<Stamp> {
        let origin = theirs.minus(moment.saturating_duration_since(self.started));
        // Before the first look, moments were told by the wall.
        let since = |clock: Stamp| clock.minus(self.started.elapsed());
        let before = match self.origin.load(Relaxed) {
            0 => since(Stamp::now()),
            before if Stamp(before).since(origin).max(origin.since(Stamp(before))) <= doubt => return None,
            before => Stamp(before),
        };
        self.origin.store(origin.0.max(1), Relaxed);
        (before.since(origin) > doubt + COVERED).then(|| before.plus(self.started.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBT: Duration = Duration::from_millis(10);

    /// How far the clock is from `expected`, within a second for the test itself.
    fn shows(clock: &Clock, expected: Stamp) -> bool {
        let now = clock.now().unwrap();
        now >= expected && now.since(expected) < Duration::from_secs(1)
    }

    #[test]
    fn it_shows_what_redis_showed_and_goes_on() {
        let clock = Clock::new();
        assert_eq!(clock.now(), None);
        let ahead = Stamp::now().plus(Duration::from_secs(60));
        assert_eq!(clock.set(ahead, Instant::now(), DOUBT), None, "nothing was set back");
        assert!(shows(&clock, ahead));
    }

    #[test]
    fn who_sets_it_back_learns_what_it_showed() {
        let clock = Clock::new();
        let wall = Stamp::now();
        let behind = wall.minus(Duration::from_secs(60));
        let before = clock.set(behind, Instant::now(), DOUBT).unwrap();
        assert!(before >= wall && before.since(wall) < Duration::from_secs(1), "that of the wall");
        assert!(shows(&clock, behind));
        let further = behind.minus(Duration::from_secs(60));
        assert!(clock.set(further, Instant::now(), DOUBT).unwrap() >= behind);
        assert!(shows(&clock, further));
    }

    #[test]
    fn a_difference_that_may_be_the_way_to_redis_moves_nothing() {
        let clock = Clock::new();
        let moment = Instant::now();
        clock.set(Stamp(5_000_000), moment, DOUBT);
        let origin = clock.origin.load(Relaxed);
        for near in [4_999_995, 5_000_005] {
            assert_eq!(clock.set(Stamp(near), moment, DOUBT), None);
        }
        assert_eq!(clock.origin.load(Relaxed), origin);
        assert_eq!(clock.set(Stamp(5_000_050), moment, DOUBT), None);
        assert_eq!(clock.origin.load(Relaxed), origin + 50);
    }
}
