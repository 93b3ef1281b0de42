//! What is counted once for the process.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    family::Family,
    handles::Handles,
    instrument::{CONNECT, Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::{
    access_log::LineCounters,
    label::{BodyCoding, Direction, DiscoveryOutcome, Label, LogLine, Outcome},
};

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
    access_log_lines: Counter,
    access_log_skipped: Counter,
    access_log_queue: Gauge,
    log_lines: Arc<Handles<LogLine, Counter>>,
    reload_duration: Histogram,
    routes: Gauge,
    upstreams: Gauge,
    memory_limit: Gauge,
    dns_lookups: Histogram,
    compression: Box<[Handles<Direction, Counter>]>,
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
            access_log_lines: r.counter("proxy_access_log_lines_total",
                "Access log lines handed over to be written.", &[])?.get(&[]),
            access_log_skipped: r.counter("proxy_access_log_skipped_total",
                "Requests without an access log line because of sampling.", &[])?.get(&[]),
            access_log_queue: gauge("proxy_access_log_queue_length",
                "Access log lines that wait to be written.")?,
            log_lines: Arc::new(Handles::new(&r.counter("proxy_log_lines_total",
                "Lines of the process's own log.", &["level"])?, &[])),
            reload_duration: r.histogram("proxy_config_reload_duration_seconds",
                "Time to read and build a configuration, first probes included.", &[], REQUEST)?.get(&[]),
            routes: gauge("proxy_config_routes",
                "Routes of the configuration in force.")?,
            upstreams: gauge("proxy_config_upstreams",
                "Upstreams of the configuration in force.")?,
            memory_limit: gauge("proxy_memory_limit_bytes",
                "Memory that the process may use: of its control group, or else of the machine.")?,
            dns_lookups: r.histogram("proxy_dns_lookup_duration_seconds",
                "Time to look up the name of a backend.", &[], CONNECT)?.get(&[]),
            compression: {
                let bytes = r.counter("proxy_compression_bytes_total",
                    "Bytes into the encoders of responses and out of them.", &["encoding", "direction"])?;
                BodyCoding::ALL.iter().map(|coding| Handles::new(&bytes, &[coding.as_str()])).collect()
            },
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

    /// What [`AccessLog`](crate::telemetry::access_log::AccessLog) counts with.
    pub fn access_log_counters(&self) -> LineCounters {
        LineCounters {
            written: self.access_log_lines.clone(),
            skipped: self.access_log_skipped.clone(),
            dropped: self.access_log_dropped.clone(),
        }
    }

    /// Shows how many access log lines wait.
    pub fn set_access_log_queue(&self, lines: usize) {
        self.access_log_queue.set(i64::try_from(lines).unwrap_or(i64::MAX));
    }

    /// The counters of the lines of the process's own log.
    pub fn log_lines(&self) -> Arc<Handles<LogLine, Counter>> {
        Arc::clone(&self.log_lines)
    }

    /// Records the time that a reload took, whatever came of it.
    pub fn reload_took(&self, duration: Duration) {
        self.reload_duration.observe(duration);
    }

    /// Shows how much is configured.
    pub fn set_configured(&self, routes: usize, upstreams: usize) {
        self.routes.set(i64::try_from(routes).unwrap_or(i64::MAX));
        self.upstreams.set(i64::try_from(upstreams).unwrap_or(i64::MAX));
    }

    /// Shows how much memory the process may use.
    pub fn set_memory_limit(&self, bytes: u64) {
        self.memory_limit.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Records the times of name look-ups.
    pub fn lookups_took(&self, durations: &[Duration]) {
        durations.iter().for_each(|&duration| self.dns_lookups.observe(duration));
    }

    /// Counts bytes that went into an encoder, and those that came out.
    pub fn compressed(&self, coding: BodyCoding, bytes_in: u64, bytes_out: u64) {
        if let Some(handles) = self.compression.get(coding.index()) {
            handles.get(Direction::In).add(bytes_in);
            handles.get(Direction::Out).add(bytes_out);
        }
    }
}
