//! How long a backend takes: a moving average that believes bad news at once.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::clock;

/// Time in which an old measurement loses 63 % of its weight.
const DECAY: Duration = Duration::from_secs(10);

/// The assumption about a backend never measured. Between a cache and a
/// database, so that a newcomer is neither flooded nor shunned.
const UNMEASURED: Duration = Duration::from_millis(30);

/// Peak EWMA (as in Finagle and Linkerd): a slower sample replaces the
/// estimate, faster ones pull it down slowly, and silence lets it fade, so that
/// a backend once slow is tried again.
///
/// The two words are not written together; a reader between the writes sees an
/// estimate with a wrong age for a moment, which only moves a preference.
#[derive(Debug, Default)]
pub(super) struct Latency {
    seconds: AtomicU64,
    updated: AtomicU64,
}

impl Latency {
    /// Takes a measurement into account.
    pub(super) fn observe(&self, sample: Duration, now: Instant) {
        let sample = sample.as_secs_f64();
        let updated = self.updated.load(Relaxed);
        let known = f64::from_bits(self.seconds.load(Relaxed));
        let next = if updated == 0 || sample >= known {
            sample
        } else {
            let weight = decay(updated, now);
            known * weight + sample * (1.0 - weight)
        };
        self.seconds.store(next.to_bits(), Relaxed);
        self.updated.store(clock::nanos(now), Relaxed);
    }

    /// Takes a failed attempt into account: it may raise the estimate, never
    /// lower it, or a backend that refuses quickly would attract requests.
    pub(super) fn observe_failure(&self, sample: Duration, now: Instant) {
        if sample.as_secs_f64() > self.seconds(now) {
            self.observe(sample, now);
        }
    }

    /// The estimate in seconds.
    pub(super) fn seconds(&self, now: Instant) -> f64 {
        match self.updated.load(Relaxed) {
            0 => UNMEASURED.as_secs_f64(),
            updated => f64::from_bits(self.seconds.load(Relaxed)) * decay(updated, now),
        }
    }
}

/// What is left of a measurement's weight.
fn decay(updated: u64, now: Instant) -> f64 {
    let age = clock::nanos(now).saturating_sub(updated);
    (-(age as f64) / DECAY.as_nanos() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_count_at_once_and_fade() {
        let latency = Latency::default();
        let start = Instant::now();
        assert_eq!(latency.seconds(start), 0.03);
        latency.observe(Duration::from_millis(10), start);
        assert_eq!(latency.seconds(start), 0.01);
        latency.observe(Duration::from_millis(500), start);
        assert_eq!(latency.seconds(start), 0.5);
        latency.observe(Duration::from_millis(10), start + Duration::from_secs(1));
        let after = latency.seconds(start + Duration::from_secs(1));
        assert!((0.4..0.5).contains(&after), "{after}");
        assert!(latency.seconds(start + Duration::from_secs(60)) < 0.01);
    }

    #[test]
    fn a_quick_failure_does_not_look_fast() {
        let latency = Latency::default();
        let now = Instant::now();
        latency.observe(Duration::from_millis(50), now);
        latency.observe_failure(Duration::from_micros(100), now);
        assert_eq!(latency.seconds(now), 0.05);
        latency.observe_failure(Duration::from_secs(5), now);
        assert_eq!(latency.seconds(now), 5.0);
    }
}
