//! Leaves Redis alone for a while after failures in a row.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{config::redis::RedisBreakerConfig, telemetry::label::BreakerState};

/// Closed → open after so many failures in a row; after a time one lookup may try again,
/// and what becomes of it decides. Two atomic loads for each lookup, no lock.
#[derive(Debug)]
pub struct Breaker {
    limit: u32,
    open: Duration,
    started: Instant,
    failures: AtomicU32,
    /// Milliseconds since `started` until which none may pass; zero while closed.
    open_until: AtomicU64,
}

impl Breaker {
    /// A closed one.
    pub fn new(config: &RedisBreakerConfig) -> Self {
        Self {
            limit: config.failures.max(1),
            open: config.open.get(),
            started: Instant::now(),
            failures: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
        }
    }

    /// Whether a lookup may be made. One that is let through while the breaker is open
    /// keeps all others out for another such time, so none has to report back.
    pub fn admits(&self, now: Instant) -> bool {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.millis(now);
        now >= until && self.open_until.compare_exchange(until, self.end(now), Relaxed, Relaxed).is_ok()
    }

    /// A lookup was answered, or the connection is a new one. True if that closed the breaker.
    pub fn succeeded(&self) -> bool {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        self.open_until.load(Relaxed) != 0 && self.open_until.swap(0, Relaxed) != 0
    }

    /// A lookup was not answered. True if that opened the breaker.
    pub fn failed(&self, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        if failures < self.limit {
            return false;
        }
        self.open_until.swap(self.end(self.millis(now)), Relaxed) == 0
    }

    /// Where it stands.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.open_until.load(Relaxed) {
            0 => BreakerState::Closed,
            until if self.millis(now) < until => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.started))
    }

    fn end(&self, now: u64) -> u64 {
        now.saturating_add(millis(self.open)).max(1)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;

    const OPEN: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        let breaker = Breaker::new(&RedisBreakerConfig { failures: 3, open: Period(OPEN) });
        let now = breaker.started;
        (breaker, now)
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let (breaker, now) = breaker();
        assert!(!breaker.failed(now) && !breaker.failed(now));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed(now) && !breaker.failed(now) && breaker.admits(now));
        assert!(breaker.failed(now), "the third in a row opens it");
        assert!(!breaker.admits(now));
        assert_eq!(breaker.state(now), BreakerState::Open);
    }

    #[test]
    fn one_lookup_at_a_time_tries_again() {
        let (breaker, now) = breaker();
        assert_eq!((0..3).filter(|_| breaker.failed(now)).count(), 1);
        let later = now + OPEN;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "only one");
        assert!(!breaker.failed(later), "it was open before");
        assert!(!breaker.admits(later + OPEN / 2));
        // One that never comes back keeps nobody out for ever.
        assert!(breaker.admits(later + OPEN));
        assert!(breaker.admits(later + OPEN * 2));
        assert!(breaker.succeeded());
        assert!(breaker.admits(later));
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }
}
