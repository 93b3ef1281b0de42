//! The trace a request belongs to: read from its fields, passed on to backends, told in spans.
//!
//! A request holds ids and flags, nothing else; fields are read and written by hand. Spans are
//! made when it is over, from plain data, and only if somebody wants them.

mod b3;
mod baggage;
mod bucket;
mod context;
mod export;
mod handover;
mod id;
mod jaeger;
mod keep;
mod queue;
mod record;
mod request;
mod sampling;
mod settings;
mod span;
mod spans;
mod w3c;

pub use baggage::Baggage;
pub use context::{Remote, Said};
pub use export::Export;
pub use handover::Handover;
pub use id::{Hex, SpanId, TraceId};
pub use keep::{Ending, Keep, KeepRule, Kept};
pub use queue::SpanQueue;
pub use record::{
    AttemptRecord, CacheRecord, CacheStep, CacheSteps, LookupResult, MappedBodies, MappedBody, RequestRecord,
    Step,
};
pub use request::{RequestTrace, is_trace_field};
pub use sampling::{Parents, Threshold};
pub use settings::{RouteTracing, Spans, Tracing};
pub use spans::Detail;

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

label! {
    /// What became of a span.
    SpanOutcome {
        /// The collector has it.
        Exported = "exported",
        /// The collector could not be reached, or refused it.
        Failed = "failed",
        /// There was no room in the queue, or no time at the end.
        Dropped = "dropped",
    }
}
