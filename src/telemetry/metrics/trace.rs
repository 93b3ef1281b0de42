//! What is counted of traces.

use std::time::Duration;

use super::{
    handles::Handles,
    instrument::{Counter, Gauge, Histogram, REQUEST},
    registry::{MetricsError, Registrar},
};
use crate::telemetry::{
    label::Label,
    trace::{ContextFormat, ContextResult, SpanOutcome},
};

/// The series of traces.
pub struct TraceMetrics {
    /// One for each [`ContextFormat`].
    contexts: Box<[Handles<ContextResult, Counter>]>,
    spans: Handles<SpanOutcome, Counter>,
    limited: Counter,
    queue: Gauge,
    exports: Histogram,
}

impl TraceMetrics {
    /// Registers the families and makes their series.
    #[rustfmt::skip]
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        let contexts = r.counter("proxy_trace_contexts_total",
            "Requests by the format of the trace they state and what became of it.", &["format", "result"])?;
        let of_format = |format: &ContextFormat| Handles::new(&contexts, &[format.as_str()]);
        let spans = r.counter("proxy_spans_total",
            "Spans that were exported, could not be exported, or were dropped.", &["outcome"])?;
        Ok(Self {
            contexts: ContextFormat::ALL.iter().map(of_format).collect(),
            spans: Handles::new(&spans, &[]),
            limited: r.counter("proxy_trace_parent_limited_total",
                "Requests that were not sampled on their caller's word because too many were.", &[])?.get(&[]),
            queue: r.gauge("proxy_span_queue_length",
                "Spans waiting to be exported.", &[])?.get(&[]),
            exports: r.histogram("proxy_trace_export_duration_seconds",
                "Time to hand a batch of spans to the collector, failures included.", &[], REQUEST)?.get(&[]),
        })
    }

    /// Counts a request by the trace it states.
    pub fn context(&self, format: ContextFormat, result: ContextResult) {
        if let Some(results) = self.contexts.get(format.index()) {
            results.get(result).inc();
        }
    }

    /// Counts a caller's wish to be sampled that was not heeded.
    pub fn parent_limited(&self) {
        self.limited.inc();
    }

    /// Shows how many spans wait.
    pub fn queue_length(&self, spans: usize) {
        self.queue.set(i64::try_from(spans).unwrap_or(i64::MAX));
    }

    /// Counts spans for which there was no room or no time.
    pub fn dropped(&self, spans: usize) {
        self.spans.get(SpanOutcome::Dropped).add(spans as u64);
    }

    /// Counts a batch of spans, by what became of them, and the time it took.
    pub fn exported(&self, taken: usize, failed: usize, took: Duration) {
        self.spans.get(SpanOutcome::Exported).add(taken as u64);
        self.spans.get(SpanOutcome::Failed).add(failed as u64);
        self.exports.observe(took);
    }
}
