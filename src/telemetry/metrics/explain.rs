//! What is counted of requests that are to be explained.

use super::{
    handles::Handles,
    instrument::Counter,
    registry::{MetricsError, Registrar},
};
use crate::telemetry::label::label;

label! {
    /// What became of the wish to have a request explained.
    ExplainResult {
        /// It was explained.
        Answered = "answered",
        /// The value is none.
        Malformed = "malformed",
        /// Its time is over.
        Expired = "expired",
        /// It is good for longer than the configuration allows.
        TooLong = "too_long",
        /// It was signed with another secret, or for another request.
        Signature = "signature",
    }
}

/// The series of wishes to have a request explained.
pub struct ExplainMetrics(Handles<ExplainResult, Counter>);

impl ExplainMetrics {
    /// Registers the family and makes its series.
    pub(super) fn register(r: &Registrar<'_>) -> Result<Self, MetricsError> {
        let requests = r.counter(
            "proxy_explain_requests_total",
            "Requests that wished to be explained, by whether they were and why not.",
            &["result"],
        )?;
        Ok(Self(Handles::new(&requests, &[])))
    }

    /// Counts a wish.
    pub fn asked(&self, result: ExplainResult) {
        self.0.get(result).inc();
    }
}
