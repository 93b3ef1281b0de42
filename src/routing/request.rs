//! What of a request routing looks at.

use http::{HeaderMap, Method};

/// The parts of a request that choose its route.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The host asked for: in any case, perhaps with a port or a trailing dot. Empty: unknown.
    pub host: &'a str,
    /// The path as the [`PathPolicy`](super::PathPolicy) leaves it, not decoded.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The header fields.
    pub headers: &'a HeaderMap,
}
