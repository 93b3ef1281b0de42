//! The trace a request belongs to: read from its fields, passed on to backends, told in spans.
//!
//! A request holds ids and flags, nothing else; fields are read and written by hand. Spans are
//! made when it is over, from plain data, and only if somebody wants them.

mod b3;
mod baggage;
mod context;
mod id;
mod jaeger;
mod request;
mod sampling;
mod settings;
mod w3c;

pub use baggage::Baggage;
pub use context::{Remote, Said};
pub use id::{Hex, SpanId, TraceId};
pub use request::{RequestTrace, is_trace_field};
pub use sampling::Threshold;
pub use settings::{RouteTracing, Tracing};

use super::label::label;

label! {
    /// In which format a request states its trace.
    ContextFormat {
        /// W3C.
        Tracecontext = "tracecontext",
        /// Zipkin's, in one field.
        B3 = "b3",
        /// Zipkin's, in several fields.
        B3multi = "b3multi",
        /// Jaeger's.
        Jaeger = "jaeger",
        /// It states none.
        None = "none",
    }
}

label! {
    /// What becomes of the trace that a request states.
    ContextResult {
        /// It goes on.
        Continued = "continued",
        /// Nothing was stated: a new one begins.
        New = "new",
        /// Only whether to sample was stated: a new one begins.
        Decision = "decision",
        /// What was stated is malformed: a new one begins.
        Invalid = "invalid",
        /// Who stated it is not trusted: a new one begins.
        Untrusted = "untrusted",
    }
}
