//! Whether a failed attempt may be repeated, and how many repeats are too many.

use std::time::{Duration, Instant};

use http::Method;

use super::window::{Counts, Window};
use crate::config::upstream::RetryConfig;
pub use crate::config::upstream::RetryOn as Failure;

/// The window the budget is taken over, as the configuration promises.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// How far an attempt had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No connection yet: nothing was sent.
    Connecting,
    /// The backend declares that it has not processed what was sent (RFC 9113 section 8.7).
    Unprocessed,
    /// Some of the request may have reached the backend.
    Sent,
    /// The response header arrived; none of it was passed on.
    Answered,
    /// Some of the response was passed on to the client.
    Responding,
}

/// What decides about a request's repetition, apart from the failure.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Whether it carries an `Idempotency-Key`.
    pub has_idempotency_key: bool,
    /// Whether its body, as far as it was sent, can be sent again.
    pub body_replayable: bool,
}

/// The compiled `retry:` section of an upstream, with its running budget.
#[derive(Debug)]
pub struct RetryPolicy {
    config: RetryConfig,
    /// All: requests. Marked: retries.
    window: Window,
}

impl RetryPolicy {
    /// A policy with a budget of its own.
    pub fn new(config: RetryConfig) -> Self {
        Self { config, window: Window::new(BUDGET_WINDOW) }
    }

    pub(super) fn config(&self) -> &RetryConfig {
        &self.config
    }

    /// Attempts allowed for one request, the first one included.
    pub fn attempts(&self) -> u8 {
        self.config.attempts
    }

    /// Whether this failure of attempt number `attempt` (from 1) may be repeated.
    ///
    /// While connecting, nothing was sent and every method may be; where the backend has
    /// processed nothing, every method whose body can be sent again. Otherwise only an idempotent method (RFC 9110 section 9.2.2) or a
    /// request with an `Idempotency-Key`, whose body can be sent again. A
    /// response that began ends it, except a 502, 503 or 504 of which nothing
    /// was passed on. The budget is asked separately, by [`Self::withdraw`].
    pub fn may_retry(&self, request: Request<'_>, stage: Stage, failure: Failure, attempt: u8) -> bool {
        if attempt >= self.config.attempts || !self.config.on.contains(&failure) {
            return false;
        }
        let is_safe =
            (request.method.is_idempotent() || request.has_idempotency_key) && request.body_replayable;
        match stage {
            Stage::Connecting => true,
            Stage::Unprocessed => request.body_replayable,
            Stage::Sent => is_safe,
            Stage::Answered => is_safe && failure == Failure::GatewayError,
            Stage::Responding => false,
        }
    }

    /// Counts a new request, which earns its share of a retry.
    pub fn deposit(&self, now: Instant) {
        if self.config.attempts > 1 {
            self.window.add(now, Counts { all: 1, marked: 0 });
        }
    }

    /// Takes one retry from the budget; false if there is none left.
    pub fn withdraw(&self, now: Instant) -> bool {
        self.window.add_if(now, Counts { all: 0, marked: 1 }, |counts| {
            (counts.marked + 1) as f64 <= self.allowance(counts.all)
        })
    }

    /// Retries allowed in a window with so many requests.
    fn allowance(&self, requests: u64) -> f64 {
        let floor = f64::from(self.config.min_per_second) * BUDGET_WINDOW.as_secs_f64();
        self.config.budget * requests as f64 + floor
    }
}

#[cfg(test)]
mod tests;
