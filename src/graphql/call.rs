//! What the engine asks of whoever can reach REST services, and what it is told.
//!
//! The engine knows no HTTP client, no route and no cache: it asks a [`Fetch`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use super::schema::SourceId;

/// A REST call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Where it goes.
    pub source: SourceId,
    /// The name of the source, for spans and `extensions`.
    pub service: Arc<str>,
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded, the source's prefix in front.
    pub target: String,
    /// The fields that the schema asks for. Those of the client's request that are passed on
    /// are added by whoever fetches.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// The largest answer in bytes; a larger one is [`CallFailure::TooLarge`].
    pub answer_max: usize,
    /// When the answer must be there.
    pub deadline: Instant,
    /// The response path of the field that asks, such as `patients.appointments`, without
    /// indices. A call for several fields has the first.
    pub field: Arc<str>,
}

/// What a service, or a cache before it, answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, decoded.
    pub body: Bytes,
    /// What may be done with it.
    pub reuse: Reuse,
    /// Where it came from.
    pub cache: CacheResult,
    /// The `Retry-After` of a 429 or 503.
    pub retry_after: Option<Duration>,
}

/// How an answer may be reused (RFC 9111), as the shared cache judges it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// How much longer it is fresh. `None`: nobody said that it is.
    pub fresh_for: Option<Duration>,
    /// Whether it is for this caller only.
    pub is_private: bool,
    /// Whether it is not to be stored at all.
    pub no_store: bool,
}

/// What the cache had to do with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheResult {
    /// Nothing: the route has none, or the request may not use it.
    #[default]
    Bypass,
    /// It had it, fresh.
    Hit,
    /// It had it, stale.
    Stale,
    /// It had it, and the service confirmed it.
    Revalidated,
    /// It did not have it.
    Miss,
}

impl CacheResult {
    /// The word for it in traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// No backend could be reached, or its circuit breaker is open.
    #[error("the service is not available")]
    Unavailable,
    /// The deadline passed.
    #[error("the service did not answer in time")]
    Timeout,
    /// The answer is larger than allowed.
    #[error("the answer of the service is too large")]
    TooLarge,
    /// What came is no HTTP answer, or cannot be decoded.
    #[error("the answer of the service cannot be understood")]
    Invalid,
}

/// Whoever can reach REST services on behalf of one caller.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// No answer, and why. A status of 400 or more is an answer.
    async fn fetch(&self, call: Call) -> Result<Answer, CallFailure>;
}

/// A call that was made, for traces and metrics.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The name of the source.
    pub service: Arc<str>,
    /// The method.
    pub method: Method,
    /// Path and query. It may name patients: for traces that the caller may see, never for logs.
    pub target: String,
    /// The response path of the field that asked first, without indices.
    pub field: Arc<str>,
    /// How many parents it was for.
    pub parents: usize,
    /// The status of the answer, or why there is none.
    pub result: Result<StatusCode, CallFailure>,
    /// What the cache had to do with it.
    pub cache: CacheResult,
    /// When it began, after the beginning of the execution.
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
}
