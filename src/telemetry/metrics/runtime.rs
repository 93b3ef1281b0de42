//! What the asynchronous runtime of the proxy says of itself.

use std::sync::OnceLock;

use tokio::runtime::Handle;

use super::{
    family::Family,
    instrument::{Counter, Gauge, SecondsCounter},
    registry::{MetricsError, Registrar},
};

/// The series of the runtime that serves connections.
pub struct RuntimeMetrics {
    runtime: OnceLock<Handle>,
    tasks: Gauge,
    queue: Gauge,
    busy: Family<SecondsCounter>,
    parks: Family<Counter>,
}

impl RuntimeMetrics {
    /// Registers the families.
    #[rustfmt::skip]
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        Ok(Self {
            runtime: OnceLock::new(),
            tasks: r.gauge("proxy_runtime_alive_tasks",
                "Tasks that have begun and not ended.", &[])?.get(&[]),
            queue: r.gauge("proxy_runtime_queue_depth",
                "Tasks that wait for any worker.", &[])?.get(&[]),
            busy: r.seconds("proxy_runtime_busy_seconds_total",
                "Time that a worker was not waiting.", &["worker"])?,
            parks: r.counter("proxy_runtime_parks_total",
                "Times that a worker had nothing to do.", &["worker"])?,
        })
    }

    /// Called from the runtime to be watched; the first one counts.
    pub fn watch_current(&self) {
        if self.runtime.get().is_none()
            && let Ok(handle) = Handle::try_current()
        {
            let _ = self.runtime.set(handle);
        }
    }

    /// Brings the series up to date: called before a scrape.
    pub fn observe(&self) {
        let Some(runtime) = self.runtime.get().map(Handle::metrics) else { return };
        let shown = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.tasks.set(shown(runtime.num_alive_tasks()));
        self.queue.set(shown(runtime.global_queue_depth()));
        for worker in 0..runtime.num_workers() {
            let mut digits = itoa::Buffer::new();
            let name = digits.format(worker);
            self.busy.get(&[name]).set(runtime.worker_total_busy_duration(worker));
            self.parks.get(&[name]).show(runtime.worker_park_count(worker));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::metrics::Metrics;

    #[tokio::test]
    async fn the_runtime_it_was_called_from_is_shown() {
        let metrics = Metrics::new("1", "a").unwrap();
        metrics.runtime().observe();
        assert!(!String::from_utf8(metrics.render()).unwrap().contains("proxy_runtime_parks_total{"));
        metrics.runtime().watch_current();
        tokio::task::yield_now().await;
        metrics.runtime().observe();
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains(r#"proxy_runtime_parks_total{worker="0"}"#), "{text}");
        assert!(text.contains(r#"proxy_runtime_busy_seconds_total{worker="0"}"#), "{text}");
    }
}
