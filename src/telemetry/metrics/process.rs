//! What is counted once for the process.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    family::Family,
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::label::{DiscoveryOutcome, Outcome};

/// The series of the process: configuration, certificates, discovery, itself.
pub struct ProcessMetrics {
    certificate_expiry: Family<Gauge>,
    certificate_reloads: Handles<Outcome, Counter>,
    dns_updates: Handles<DiscoveryOutcome, Counter>,
    config_reloads: Handles<Outcome, Counter>,
    last_reload: Gauge,
    generation: Gauge,
    draining: Gauge,
    workers: Gauge,
    access_log_dropped: Counter,
    pub(super) scrape_duration: Histogram,
}

impl ProcessMetrics {
    /// Registers the families and makes their series.
    #[rustfmt::skip]
    pub(super) fn register(r: &Registrar<'_>, version: &str, revision: &str) -> Result<Self, MetricsError> {
        let certificate_reloads = r.counter("proxy_tls_certificate_reloads_total",
            "Times that certificate files were read again.", &["result"])?;
        let discovery_updates = r.counter("proxy_discovery_updates_total",
            "Times that the backends of an upstream were looked up.", &["source", "result"])?;
        let config_reloads = r.counter("proxy_config_reloads_total",
            "Times that the configuration was read again.", &["result"])?;
        let build = r.gauge("proxy_build_info",
            "Always 1; the labels tell what is running.", &["version", "revision"])?;
        build.get(&[version, revision]).set(1);
        let gauge = |name, help| Ok::<_, MetricsError>(r.gauge(name, help, &[])?.get(&[]));
        Ok(Self {
            certificate_expiry: r.gauge("proxy_tls_certificate_expiry_timestamp_seconds",
                "When a certificate expires, in seconds since 1970.", &["cert"])?,
            certificate_reloads: Handles::new(&certificate_reloads, &[]),
            dns_updates: Handles::new(&discovery_updates, &["dns"]),
            config_reloads: Handles::new(&config_reloads, &[]),
            last_reload: gauge("proxy_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read, in seconds since 1970.")?,
            generation: gauge("proxy_config_generation",
                "The number of the configuration in force.")?,
            draining: gauge("proxy_draining",
                "Whether the process is about to end: 1 or 0.")?,
            workers: gauge("proxy_runtime_workers",
                "Worker threads of the proxy.")?,
            access_log_dropped: r.counter("proxy_access_log_dropped_total",
                "Access log lines lost because they could not be written in time.", &[])?.get(&[]),
            scrape_duration: r.histogram("proxy_metrics_scrape_duration_seconds",
                "Time to write the metrics, of the scrapes before this one.", &[], REQUEST)?.get(&[]),
        })
    }

    /// Tells when each certificate expires, in seconds since 1970: all of them at
    /// once. Certificates not named any more lose their series.
    pub fn set_certificates<'a>(&self, expiries: impl IntoIterator<Item = (&'a str, i64)>) {
        let mut known: Vec<&str> = Vec::new();
        for (cert, expiry) in expiries {
            self.certificate_expiry.get(&[cert]).set(expiry);
            known.push(cert);
        }
        self.certificate_expiry.retain(|labels| labels.iter().all(|cert| known.contains(&cert.as_str())));
    }

    /// Counts a time that certificate files were read again.
    pub fn certificates_reloaded(&self, outcome: Outcome) {
        self.certificate_reloads.get(outcome).inc();
    }

    /// Counts looks at DNS for the backends of an upstream.
    pub fn dns_updates(&self, outcome: DiscoveryOutcome, count: usize) {
        self.dns_updates.get(outcome).add(count as u64);
    }

    /// Tells which configuration is in force, from the start or from a reload.
    pub fn config_in_force(&self, generation: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_reload.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Counts a reload. After a successful one, call [`Self::config_in_force`] too.
    pub fn config_reloaded(&self, outcome: Outcome) {
        self.config_reloads.get(outcome).inc();
    }

    /// Whether the process is about to end.
    pub fn set_draining(&self, draining: bool) {
        self.draining.set(i64::from(draining));
    }

    /// The worker threads of the proxy.
    pub fn set_workers(&self, threads: usize) {
        self.workers.set(i64::try_from(threads).unwrap_or(i64::MAX));
    }

    /// The counter for [`AccessLog`](crate::telemetry::access_log::AccessLog) to count lost lines with.
    pub fn access_log_dropped(&self) -> Counter {
        self.access_log_dropped.clone()
    }
}
