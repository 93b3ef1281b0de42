//! How a service is asked, seen from those who ask.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// One request to an upstream.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The name of the upstream.
    pub upstream: &'a str,
    /// The method.
    pub method: Method,
    /// The path, with its query if it has one.
    pub path: &'a str,
    /// The `Host`; `None`: the address of the backend.
    pub host: Option<&'a str>,
    /// Further fields.
    pub headers: HeaderMap,
    /// Bytes of the longest body taken.
    pub body_max: usize,
    /// Longest time until the whole answer is there.
    pub timeout: Duration,
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// There is no answer, or not a whole one; a sentence for the log says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Whoever can ask upstreams.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Asks.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    async fn fetch(&self, call: Call<'_>) -> Result<Reply, Unreachable>;
}
