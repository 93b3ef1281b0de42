//! What is counted for the versions of the API.

use std::{sync::Arc, time::SystemTime};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::api_version::{Callers, Calls, VersionOrigin, VersionRefusal};

/// The families of the versions of the API, and who calls which.
pub struct ApiVersionFamilies {
    requests: Family<Counter>,
    refusals: Handles<VersionRefusal, Counter>,
    calls: Family<Counter>,
    days_to_sunset: Family<Gauge>,
    callers: Callers,
}

impl ApiVersionFamilies {
    /// Registers the families.
    pub(super) fn register(r: &Registrar<'_>) -> Result<Arc<Self>, MetricsError> {
        let refusals = r.counter(
            "proxy_api_version_refusals_total",
            "Requests refused for the version they state.",
            &["reason"],
        )?;
        Ok(Arc::new(Self {
            requests: r.counter(
                "proxy_api_version_requests_total",
                "Requests by the version of the API they are for, and what stated it.",
                &["route", "version", "source"],
            )?,
            refusals: Handles::new(&refusals, &[]),
            calls: r.counter(
                "proxy_api_version_calls_total",
                "Requests for versions that end, by their caller.",
                &["version", "consumer"],
            )?,
            days_to_sunset: r.gauge(
                "proxy_api_version_days_to_sunset",
                "Whole days until a version of the API is over, negative afterwards.",
                &["version"],
            )?,
            callers: Callers::default(),
        }))
    }

    /// The handles of a route for one of its versions.
    pub fn route(&self, route: &str, version: &str) -> Handles<VersionOrigin, Counter> {
        Handles::new(&self.requests, &[route, version])
    }

    /// Counts a request refused for its version.
    pub fn refused(&self, reason: VersionRefusal) {
        self.refusals.get(reason).inc();
    }

    /// Counts the call of a version that ends.
    pub fn called(&self, version: &str, route: &str, consumer: &str, now: SystemTime) {
        self.callers.called(version, route, consumer, now, |consumer| self.calls.get(&[version, consumer]));
    }

    /// Who calls versions that end.
    pub fn callers(&self) -> Vec<Calls> {
        self.callers.report()
    }

    /// Shows the days that are left of versions, and of no others.
    pub fn set_days_to_sunset<'a>(&self, days: impl Iterator<Item = (&'a str, f64)>) {
        self.days_to_sunset.retain(|_| false);
        for (version, days) in days {
            self.days_to_sunset.get(&[version]).set(days.floor() as i64);
        }
    }
}
