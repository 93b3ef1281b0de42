//! What is counted of traces.

use super::{
    handles::Handles,
    instrument::Counter,
    registry::{MetricsError, Registrar},
};
use crate::telemetry::{
    label::Label,
    trace::{ContextFormat, ContextResult},
};

/// The series of traces.
pub struct TraceMetrics {
    /// One for each [`ContextFormat`].
    contexts: Box<[Handles<ContextResult, Counter>]>,
}

impl TraceMetrics {
    /// Registers the families and makes their series.
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        let contexts = r.counter(
            "proxy_trace_contexts_total",
            "Requests by the format of the trace they state and what became of it.",
            &["format", "result"],
        )?;
        let of_format = |format: &ContextFormat| Handles::new(&contexts, &[format.as_str()]);
        Ok(Self { contexts: ContextFormat::ALL.iter().map(of_format).collect() })
    }

    /// Counts a request by the trace it states.
    pub fn context(&self, format: ContextFormat, result: ContextResult) {
        if let Some(results) = self.contexts.get(format.index()) {
            results.get(result).inc();
        }
    }
}
