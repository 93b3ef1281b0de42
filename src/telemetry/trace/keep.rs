//! Which requests that were not sampled are kept after the fact.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{config::trace::KeepConfig, telemetry::label::label};

label! {
    /// Why a request was kept.
    Kept {
        /// It ended in an error.
        Error = "error",
        /// It took more than one attempt.
        Retry = "retry",
        /// It took long.
        Slow = "slow",
    }
}

/// What a request looks like when it is over.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Whether it failed, and not by the client's doing.
    pub failed: bool,
    /// How many attempts it took.
    pub attempts: u8,
    /// How long it took.
    pub duration: Duration,
}

/// The rule, and how many may still be kept.
#[derive(Debug)]
pub struct Keep {
    config: KeepConfig,
    bucket: Bucket,
}

impl Keep {
    /// The rule.
    pub fn new(config: &KeepConfig) -> Self {
        Self { bucket: Bucket::new(config.per_second), config: config.clone() }
    }

    /// Why a request is to be kept, if it is. Takes from the bucket.
    pub fn reason(&self, ending: Ending, now: Instant) -> Option<Kept> {
        let slow = self.config.slower_than.get();
        let reason = if ending.failed && self.config.errors {
            Kept::Error
        } else if ending.attempts > 1 && self.config.retries {
            Kept::Retry
        } else if !slow.is_zero() && ending.duration >= slow {
            Kept::Slow
        } else {
            return None;
        };
        self.bucket.take(now).then_some(reason)
    }
}

/// A token bucket that holds a second's tokens and is one number: the moment at which it will
/// be full again, in nanoseconds since it was made.
#[derive(Debug)]
struct Bucket {
    epoch: Instant,
    /// Nanoseconds a token takes to come. `None`: there are none.
    interval: Option<u64>,
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

impl Bucket {
    fn new(per_second: u32) -> Self {
        let interval = SECOND.checked_div(per_second.into());
        Self { epoch: Instant::now(), interval, full_at: AtomicU64::new(0) }
    }

    fn take(&self, now: Instant) -> bool {
        let Some(interval) = self.interval else { return false };
        let elapsed = now.saturating_duration_since(self.epoch).as_nanos();
        let now = u64::try_from(elapsed).unwrap_or(u64::MAX / 2);
        let taken = |full_at: u64| {
            let next = full_at.max(now) + interval;
            (next - now <= SECOND).then_some(next)
        };
        self.full_at.fetch_update(Relaxed, Relaxed, taken).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;

    const FINE: Ending = Ending { failed: false, attempts: 1, duration: Duration::from_millis(10) };

    #[test]
    fn errors_retries_and_slow_requests_are_kept() {
        let keep = Keep::new(&KeepConfig::default());
        let of = |ending| keep.reason(ending, Instant::now());
        assert_eq!(of(FINE), None);
        assert_eq!(of(Ending { failed: true, attempts: 2, ..FINE }), Some(Kept::Error));
        assert_eq!(of(Ending { attempts: 2, ..FINE }), Some(Kept::Retry));
        assert_eq!(of(Ending { duration: Duration::from_secs(1), ..FINE }), Some(Kept::Slow));
    }

    #[test]
    fn each_kind_can_be_turned_off() {
        let none =
            KeepConfig { errors: false, retries: false, slower_than: Period::default(), per_second: 9 };
        let keep = Keep::new(&none);
        let worst = Ending { failed: true, attempts: 3, duration: Duration::from_secs(60) };
        assert_eq!(keep.reason(worst, Instant::now()), None);
    }

    #[test]
    fn a_second_has_so_many_tokens() {
        let bucket = Bucket::new(10);
        let start = bucket.epoch + Duration::from_secs(5);
        assert_eq!((0..20).filter(|_| bucket.take(start)).count(), 10);
        let later = start + Duration::from_millis(300);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 3);
        assert!(!Bucket::new(0).take(start));
    }
}
