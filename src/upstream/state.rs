//! What an upstream looks like from outside, for `/config`, the log and the status page.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use serde::Serialize;

use super::{backend::Backend, health::Health};
use crate::telemetry::label::BreakerState;

/// An upstream at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpstreamState {
    /// Its name.
    pub name: Arc<str>,
    /// Where its circuit breaker stands, if it has one.
    pub breaker: Option<BreakerState>,
    /// Its backends, in the order written.
    pub backends: Vec<BackendState>,
}

/// A backend at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendState {
    /// `host:port` as written.
    pub name: String,
    /// The address connected to.
    pub address: SocketAddr,
    /// Its share relative to the others'.
    pub weight: u32,
    /// What probes say.
    pub health: Health,
    /// Whether it is left alone for failing requests.
    pub ejected: bool,
    /// Requests on it now.
    pub in_flight: u32,
    /// Attempts so far.
    pub attempts: u64,
    /// Failed attempts so far.
    pub failures: u64,
    /// Ejections so far.
    pub ejections: u64,
    /// The estimate of the time to the first byte, in milliseconds.
    pub latency_ms: f64,
}

impl BackendState {
    pub(super) fn of(backend: &Backend, now: Instant) -> Self {
        Self {
            name: backend.name().to_owned(),
            address: backend.address(),
            weight: backend.weight(),
            health: backend.health(),
            ejected: backend.is_ejected(now),
            in_flight: backend.in_flight(),
            attempts: backend.attempts(),
            failures: backend.failures(),
            ejections: backend.ejections(),
            latency_ms: backend.latency(now).as_secs_f64() * 1e3,
        }
    }
}
