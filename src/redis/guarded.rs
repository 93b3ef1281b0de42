//! A Redis that requests wait for, but not long.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisResult, Value};
use tokio::time::timeout;

use super::{
    breaker::Breaker,
    failure::{Blame, blame, classify},
    link::Link,
    target::{Connection, Target},
};
use crate::{
    config::redis::RedisBreakerConfig,
    telemetry::{cache::BackendFailure, label::BreakerState, metrics::LinkMetrics},
};

/// A link with a circuit breaker and a limit on time.
pub struct Guarded {
    link: Link,
    breaker: Breaker,
    /// Longest time that a request waits for an answer.
    timeout: Duration,
    metrics: Arc<LinkMetrics>,
}

impl Guarded {
    /// Not connected yet; [`maintain`](Self::maintain) does that. `without` says what is done
    /// while there is no connection, for the log.
    pub fn new(
        target: Target,
        breaker: &RedisBreakerConfig,
        timeout: Duration,
        without: &'static str,
        metrics: Arc<LinkMetrics>,
    ) -> Self {
        let link = Link::new(target, without, Arc::clone(&metrics));
        Self { link, breaker: Breaker::new(breaker), timeout, metrics }
    }

    /// The connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Keeps the connection. Never ends.
    pub async fn maintain(&self) {
        let connected = || {
            self.breaker.succeeded();
            self.show_breaker();
        };
        self.link.maintain(connected).await;
    }

    /// Where the circuit breaker stands.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state(Instant::now())
    }

    /// Shows the circuit breaker in the metrics: call it before a scrape, because an open
    /// one becomes half open by time alone.
    pub fn show_breaker(&self) {
        self.metrics.set_breaker(self.breaker());
    }

    /// Asks what a request waits for: within its time, and not at all while the breaker is open.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask<F>(&self, query: impl FnOnce(Arc<Connection>) -> F) -> Result<Value, BackendFailure>
    where
        F: Future<Output = RedisResult<Value>>,
    {
        let connection = self.link.connection().ok_or(BackendFailure::Disconnected)?;
        if !self.breaker.admits(Instant::now()) {
            return Err(BackendFailure::BreakerOpen);
        }
        let failure = match timeout(self.timeout, query(connection)).await {
            Ok(Ok(value)) => {
                self.answered();
                return Ok(value);
            }
            Ok(Err(error)) => classify(&error),
            Err(_) => BackendFailure::Timeout,
        };
        if blame(failure) == Blame::Command {
            self.answered();
        } else if self.breaker.failed(Instant::now()) {
            tracing::warn!(reason = %failure, "Redis is left alone for a while");
            self.show_breaker();
        }
        self.link.doubt(failure);
        Err(failure)
    }

    fn answered(&self) {
        if self.breaker.succeeded() {
            self.show_breaker();
        }
    }
}
