//! Outlier ejection: leaving a backend alone that fails real requests.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{backend::Backend, clock};
use crate::config::upstream::EjectionConfig;

/// The longest ejection, in periods.
const MAX_GROWTH: u32 = 10;

/// What a backend's ejections left behind.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is ejected, in clock nanoseconds.
    until: AtomicU64,
    /// How many periods the last ejection lasted.
    growth: AtomicU32,
    /// Ejections in all.
    total: AtomicU64,
}

impl Record {
    pub(super) fn is_ejected(&self, now: u64) -> bool {
        self.until.load(Relaxed) > now
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// A request went well.
    pub(super) fn succeeded(&self) {
        // Reading first keeps the line shared between cores while all is well.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// Lets the backend back in and forgets its streak.
    pub(super) fn pardon(&self) {
        self.failures.store(0, Relaxed);
        self.until.store(0, Relaxed);
    }
}

/// When a backend is ejected and for how long.
#[derive(Debug)]
pub(super) struct Ejection {
    config: EjectionConfig,
    /// Held while one backend is judged, so that the share is never exceeded.
    turn: Mutex<()>,
}

impl Ejection {
    pub(super) fn new(config: EjectionConfig) -> Self {
        Self { config, turn: Mutex::new(()) }
    }

    pub(super) fn is_off(&self) -> bool {
        self.config.consecutive_failures == 0
    }

    /// A request failed on a backend of the set; says whether that ejected it.
    ///
    /// Each further ejection lasts one period longer, up to ten; each period
    /// spent without one takes a period off again.
    pub(super) fn failed(&self, backend: &Backend, set: &[Arc<Backend>], now: Instant) -> bool {
        let record = backend.ejection();
        let failures = record.failures.fetch_add(1, Relaxed).saturating_add(1);
        if self.is_off() || failures < self.config.consecutive_failures {
            return false;
        }
        let now = clock::nanos(now);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected = set.iter().filter(|b| b.ejection().is_ejected(now)).count();
        if record.is_ejected(now) || ejected >= self.most(set.len()) {
            return false;
        }
        let period = clock::span(self.config.period.get()).max(1);
        let calm = now.saturating_sub(record.until.load(Relaxed)) / period;
        let growth = record.growth.load(Relaxed).saturating_sub(u32::try_from(calm).unwrap_or(u32::MAX));
        let growth = (growth + 1).min(MAX_GROWTH);
        record.growth.store(growth, Relaxed);
        record.until.store(now.saturating_add(period.saturating_mul(u64::from(growth))), Relaxed);
        record.failures.store(0, Relaxed);
        record.total.fetch_add(1, Relaxed);
        true
    }

    /// The most backends ejected at once: the share, rounded down, and never the last one.
    fn most(&self, backends: usize) -> usize {
        // The nudge keeps 0.1 of 10 at 1 in spite of binary fractions.
        let share = (self.config.max_share * backends as f64 + 1e-9) as usize;
        share.min(backends.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests;
