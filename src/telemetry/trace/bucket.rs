//! How many in a second.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// A token bucket that holds a second's tokens and is one number: the moment at which it will
/// be full again, in nanoseconds since it was made.
#[derive(Debug)]
pub struct Bucket {
    epoch: Instant,
    /// Nanoseconds a token takes to come. `None`: there are none.
    interval: Option<u64>,
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

impl Bucket {
    /// A full one, for so many a second.
    pub fn new(per_second: u32) -> Self {
        let interval = SECOND.checked_div(per_second.into());
        Self { epoch: Instant::now(), interval, full_at: AtomicU64::new(0) }
    }

    /// Takes a token. `false`: there is none.
    pub fn take(&self, now: Instant) -> bool {
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
    use std::time::Duration;

    use super::*;

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
