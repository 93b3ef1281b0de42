//! Which requests that were not sampled are kept after the fact.

use std::time::{Duration, Instant};

use super::bucket::Bucket;
use crate::{
    config::trace::{KeepConfig, RouteKeepConfig},
    telemetry::label::label,
};

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

/// Which requests of a route are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepRule {
    errors: bool,
    retries: bool,
    /// Zero: none for being slow.
    slower_than: Duration,
}

impl KeepRule {
    /// The rule that holds where routes have none.
    pub fn new(config: &KeepConfig) -> Self {
        let KeepConfig { errors, retries, slower_than, per_second: _ } = *config;
        Self { errors, retries, slower_than: slower_than.get() }
    }

    /// The same with what a route says instead.
    #[must_use]
    pub fn with(self, own: &RouteKeepConfig) -> Self {
        Self {
            errors: own.errors.unwrap_or(self.errors),
            retries: own.retries.unwrap_or(self.retries),
            slower_than: own.slower_than.map_or(self.slower_than, |period| period.get()),
        }
    }

    /// Why a request is worth keeping, if it is.
    fn reason(self, ending: Ending) -> Option<Kept> {
        if ending.failed && self.errors {
            Some(Kept::Error)
        } else if ending.attempts > 1 && self.retries {
            Some(Kept::Retry)
        } else if !self.slower_than.is_zero() && ending.duration >= self.slower_than {
            Some(Kept::Slow)
        } else {
            None
        }
    }
}

/// How many may still be kept, over all routes.
#[derive(Debug)]
pub struct Keep(Bucket);

impl Keep {
    /// As many as configured.
    pub fn new(config: &KeepConfig) -> Self {
        Self(Bucket::new(config.per_second))
    }

    /// Why a request is kept, if it is. Takes from the bucket.
    pub fn reason(&self, rule: KeepRule, ending: Ending, now: Instant) -> Option<Kept> {
        rule.reason(ending).filter(|_| self.0.take(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;

    const FINE: Ending = Ending { failed: false, attempts: 1, duration: Duration::from_millis(10) };

    #[test]
    fn errors_retries_and_slow_requests_are_kept() {
        let of = |ending| KeepRule::new(&KeepConfig::default()).reason(ending);
        assert_eq!(of(FINE), None);
        assert_eq!(of(Ending { failed: true, attempts: 2, ..FINE }), Some(Kept::Error));
        assert_eq!(of(Ending { attempts: 2, ..FINE }), Some(Kept::Retry));
        assert_eq!(of(Ending { duration: Duration::from_secs(1), ..FINE }), Some(Kept::Slow));
    }

    #[test]
    fn each_kind_can_be_turned_off() {
        let none =
            KeepConfig { errors: false, retries: false, slower_than: Period::default(), per_second: 9 };
        let worst = Ending { failed: true, attempts: 3, duration: Duration::from_secs(60) };
        assert_eq!(KeepRule::new(&none).reason(worst), None);
    }

    #[test]
    fn a_route_says_what_it_wants_otherwise_and_no_more() {
        let own = RouteKeepConfig { errors: Some(false), ..RouteKeepConfig::default() };
        let rule = KeepRule::new(&KeepConfig::default()).with(&own);
        assert_eq!(rule.reason(Ending { failed: true, ..FINE }), None);
        assert_eq!(rule.reason(Ending { attempts: 2, ..FINE }), Some(Kept::Retry));
        let own = RouteKeepConfig { slower_than: Some(Period::millis(5)), ..RouteKeepConfig::default() };
        assert_eq!(rule.with(&own).reason(FINE), Some(Kept::Slow));
    }

    #[test]
    fn no_more_are_kept_than_the_bucket_holds() {
        let config = KeepConfig { per_second: 2, ..KeepConfig::default() };
        let (keep, rule, now) = (Keep::new(&config), KeepRule::new(&config), Instant::now());
        let worst = Ending { failed: true, ..FINE };
        assert_eq!((0..5).filter(|_| keep.reason(rule, worst, now).is_some()).count(), 2);
        assert_eq!(keep.reason(rule, FINE, now), None);
    }
}
