//! What an operation is executed for, and what comes of it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{call::CallRecord, errors::ErrorCode};

/// Who asks for an operation, and how.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The variables as they were sent.
    pub variables: Option<&'a Map<String, Value>>,
    /// Who asks.
    pub caller: Caller<'a>,
    /// When the response must be there.
    pub deadline: Instant,
    /// Whether the caller may look at the schema.
    pub introspection: bool,
    /// Whether `extensions.trace` is wanted and the caller may see it.
    pub trace: bool,
}

/// What is known of whoever asks.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Whether it is known who it is. If not, the rest is empty.
    pub is_authenticated: bool,
    /// What the credentials are good for.
    pub scopes: &'a [Box<str>],
    /// What the caller is.
    pub roles: &'a [Box<str>],
    /// What else is said of the caller; `sub` is the subject.
    pub claims: &'a Map<String, Value>,
}

/// What came of an operation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The whole response as JSON.
    pub body: Bytes,
    /// The codes of its errors, in their order.
    pub errors: Vec<ErrorCode>,
    /// Whether execution began. If not, the response has no `data` (a request error).
    pub started: bool,
    /// How the response may be reused.
    pub cache: ResponseCache,
    /// The calls that were made, in the order they began.
    pub calls: Vec<CallRecord>,
    /// The targets that a successful mutation makes void, the source's prefix in front.
    pub invalidated: Vec<String>,
    /// What it cost by the rules of the schema.
    pub cost: u64,
    /// Where the time went.
    pub timings: Timings,
}

/// How a response may be reused: hints of the schema, capped by what the answers allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseCache {
    /// How long. Zero: not at all.
    pub max_age: Duration,
    /// Whether it is for this caller only.
    pub is_private: bool,
    /// Whether it is not to be stored at all: errors, mutations, answers that forbid it.
    pub no_store: bool,
}

/// Where the time of an operation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the variables to the first call: coercion, cost, authorisation.
    pub admit: Duration,
    /// From the first call to the response.
    pub execute: Duration,
}
