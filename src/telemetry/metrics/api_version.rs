//! What is counted for the versions of the API.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

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
    sunset: Family<Gauge>,
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
            sunset: r.gauge(
                "proxy_api_version_sunset_timestamp_seconds",
                "When a version of the API is over, in seconds since 1970.",
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

    /// Shows when versions are over: called before a scrape, with all of them.
    pub fn set_sunsets<'a>(&self, sunsets: impl Iterator<Item = (&'a str, SystemTime)>) {
        self.sunset.retain(|_| false);
        for (version, at) in sunsets {
            let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.sunset.get(&[version]).set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
    }
}
