//! What is shown of a connection to Redis, whatever it is for.

use super::{
    handles::Handles,
    instrument::{Counter, Gauge},
};
use crate::telemetry::{
    cache::BackendFailure,
    label::{BreakerState, Label},
};

/// The series of one connection. The default shows nothing.
#[derive(Default)]
pub struct LinkMetrics {
    pub(super) up: Gauge,
    pub(super) breaker: Gauge,
    pub(super) refused: Option<Handles<BackendFailure, Counter>>,
}

impl LinkMetrics {
    /// Shows whether Redis can be reached.
    pub fn set_up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    /// Whether Redis can be reached.
    pub fn is_up(&self) -> bool {
        self.up.get() == 1
    }

    /// Shows the circuit breaker.
    pub fn set_breaker(&self, state: BreakerState) {
        self.breaker.set(state.index() as i64);
    }

    /// Counts a connection that did not come about.
    pub fn refused(&self, failure: BackendFailure) {
        if let Some(refused) = &self.refused {
            refused.get(failure).inc();
        }
    }
}
