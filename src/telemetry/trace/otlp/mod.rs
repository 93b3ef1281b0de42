//! OTLP: spans as bytes, and the bytes on their way to a collector.
//!
//! Spans are written straight from what is known of a request: between the request and the
//! collector nothing is taken apart and put together again.

mod client;
mod message;
mod transport;
mod wire;

pub use message::{EncodedSpans, SpanBatch, SpanKind, SpanWriter};

pub(super) use client::{Client, Refusal};
pub(super) use message::Envelope;
pub(super) use transport::Tls;
