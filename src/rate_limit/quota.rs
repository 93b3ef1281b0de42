//! A limit in numbers.

use std::{num::NonZeroU32, time::Duration};

use crate::config::rate_limit::RateLimitConfig;

/// A rate and a burst, in the terms of GCRA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Time in which a bucket regains one request.
    pub interval: Duration,
    /// Requests that a full bucket lets pass at once.
    pub burst: NonZeroU32,
}

impl Quota {
    /// That of a limit. Its ranges are `config`'s to check, before.
    pub fn new(config: &RateLimitConfig) -> Self {
        Self { interval: config.rate.period / config.rate.requests.get(), burst: config.burst() }
    }

    /// Nanoseconds in which a bucket regains one request; at least one.
    pub fn interval_nanos(&self) -> u64 {
        nanos(self.interval).max(1)
    }

    /// Nanoseconds in which an empty bucket is full again.
    pub fn span_nanos(&self) -> u64 {
        self.interval_nanos().saturating_mul(self.burst.get().into())
    }

    /// Microseconds in which a bucket regains one request: what Redis counts in. Rounded up,
    /// so that all nodes together let no more pass than the rate says.
    pub fn interval_micros(&self) -> u64 {
        self.interval_nanos().div_ceil(1_000)
    }

    /// Microseconds in which an empty bucket is full again.
    pub fn span_micros(&self) -> u64 {
        self.interval_micros().saturating_mul(self.burst.get().into())
    }
}

/// What a bucket said to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passes.
    Passed {
        /// Requests that could follow at once.
        left: u32,
        /// Time after which the bucket is full again, if nothing else is taken.
        full_in: Duration,
    },
    /// It does not.
    Refused {
        /// Time after which one would.
        wait: Duration,
    },
}

impl Decision {
    /// One that passes and leaves `left` requests.
    pub fn passed(quota: &Quota, left: u32) -> Self {
        Self::Passed { left, full_in: quota.interval.saturating_mul(quota.burst.get().saturating_sub(left)) }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
