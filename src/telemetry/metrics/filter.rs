//! The time that requests spend in the gateway itself.

use std::time::Duration;

use super::{
    handles::Handles,
    instrument::{Histogram, LOOKUP},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::label::label;

label! {
    /// A step of a request that takes time of the gateway's own.
    Filter {
        /// Finding its route and version.
        Route = "route",
        /// Finding out who calls, on routes that ask.
        Auth = "auth",
        /// Charging it to limits, on routes that have any.
        RateLimit = "rate_limit",
        /// Asking all tiers of the cache for its response.
        Cache = "cache",
        /// Mapping its body and that of the response to other versions of the API.
        Mapping = "mapping",
    }
}

/// The series of the steps of requests.
///
/// Requests that memory answers before they become a session are not among them: reading the
/// clock would take longer than their steps do.
pub struct FilterMetrics(Handles<Filter, Histogram>);

impl FilterMetrics {
    /// Registers the family and makes its series.
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        let durations = r.histogram(
            "proxy_filter_duration_seconds",
            "Time that a step of a request took, waits for others included.",
            &["filter"],
            LOOKUP,
        )?;
        Ok(Self(Handles::new(&durations, &[])))
    }

    /// Records the time of a step.
    pub fn took(&self, filter: Filter, duration: Duration) {
        self.0.get(filter).observe(duration);
    }
}
