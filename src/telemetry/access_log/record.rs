//! What a line tells, and in which order.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::line::{Line, key};
use crate::{
    config::telemetry::AccessLogPath,
    telemetry::{label::Protocol, reason::ErrorReason},
};

/// One finished request. Plain data, borrowed from wherever it is.
///
/// Byte slices hold what the client sent, which need not be UTF-8.
#[derive(Clone, Debug)]
pub struct AccessRecord<'a> {
    /// When the head of the request had arrived.
    pub time: SystemTime,
    /// The value of `X-Request-Id`, accepted or made.
    pub request_id: &'a str,
    /// The trace it belongs to, in hexadecimal.
    pub trace_id: Option<&'a [u8; 32]>,
    /// Its own span there, in hexadecimal.
    pub span_id: Option<&'a [u8; 16]>,
    /// The address of the client, from forwarding headers only if those are trusted.
    pub client: Option<IpAddr>,
    /// The name of the listener.
    pub listener: &'a str,
    /// The protocol spoken with the client.
    pub protocol: Protocol,
    /// The TLS version spoken with the client, such as `TLSv1.3`.
    pub tls_version: Option<&'a str>,
    /// The method as sent.
    pub method: &'a str,
    /// The host as sent.
    pub host: &'a [u8],
    /// The path as sent. A query behind it is cut off.
    pub path: &'a [u8],
    /// The path pattern of the route.
    pub pattern: Option<&'a str>,
    /// The name of the route.
    pub route: Option<&'a str>,
    /// The status sent to the client; `None` when it got no response.
    pub status: Option<u16>,
    /// Body bytes received from the client.
    pub bytes_in: u64,
    /// Body bytes sent to the client.
    pub bytes_out: u64,
    /// From the head of the request to the last byte of the response.
    pub duration: Duration,
    /// The name of the upstream.
    pub upstream: Option<&'a str>,
    /// The address of the backend of the last attempt.
    pub backend: Option<&'a str>,
    /// Attempts made.
    pub attempts: u32,
    /// From the start of the last attempt to the first byte of its response.
    pub upstream_first_byte: Option<Duration>,
    /// Whether the last attempt used a kept-alive connection.
    pub upstream_reused: Option<bool>,
    /// Why the request did not get the answer it asked for.
    pub error: Option<ErrorReason>,
    /// More about the error: for operators, not told to the client.
    pub detail: Option<&'a str>,
    /// What the cache did, on routes that have one.
    pub cache: Option<&'a str>,
    /// Where the cache found a response.
    pub cache_tier: Option<&'a str>,
    /// The version of the API it is for.
    pub api_version: Option<&'a str>,
    /// What stated that version.
    pub api_version_source: Option<&'a str>,
    /// Whether it is one of the gateway's own, made for an operation of GraphQL.
    pub internal: bool,
    /// What an operation of GraphQL does.
    pub graphql: Option<&'a str>,
    /// Its name.
    pub graphql_operation: Option<&'a str>,
    /// What stands for the caller.
    pub identity: Option<&'a str>,
    /// The value of `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
}

/// Longest path written, in bytes as sent.
const PATH_MAX: usize = 2048;
/// Longest of all other texts, in bytes as sent.
const TEXT_MAX: usize = 256;

impl AccessRecord<'_> {
    /// Writes the fields; those without a value are left out. Keys are stable.
    pub(super) fn write(&self, mut line: Line<'_>, path: AccessLogPath) {
        line.time(key!("time"), self.time);
        if let Some(status) = self.status {
            line.bare_number(key!("status"), status.into());
        }
        line.bare_text(key!("method"), self.method.as_bytes(), TEXT_MAX);
        if let Some(path) = self.path(path) {
            line.bare_text(key!("path"), path, PATH_MAX);
        }
        line.number(key!("duration_us"), micros(self.duration));
        line.text(key!("host"), self.host, TEXT_MAX);
        if let Some(client) = self.client {
            line.address(key!("client"), client);
        }
        line.text(key!("request_id"), self.request_id.as_bytes(), TEXT_MAX);
        if let Some(id) = self.trace_id {
            line.digits(key!("trace_id"), id);
        }
        if let Some(id) = self.span_id {
            line.digits(key!("span_id"), id);
        }
        line.word(key!("protocol"), self.protocol.as_str());
        line.option(key!("tls_version"), self.tls_version, TEXT_MAX);
        line.text(key!("listener"), self.listener.as_bytes(), TEXT_MAX);
        line.option(key!("route"), self.route, TEXT_MAX);
        line.option(key!("upstream"), self.upstream, TEXT_MAX);
        line.option(key!("backend"), self.backend, TEXT_MAX);
        line.number(key!("attempts"), self.attempts.into());
        if let Some(duration) = self.upstream_first_byte {
            line.number(key!("upstream_first_byte_us"), micros(duration));
        }
        if let Some(reused) = self.upstream_reused {
            line.boolean(key!("upstream_reused"), reused);
        }
        line.number(key!("bytes_in"), self.bytes_in);
        line.number(key!("bytes_out"), self.bytes_out);
        if let Some(error) = self.error {
            line.word(key!("error"), error.as_str());
        }
        line.option(key!("detail"), self.detail, TEXT_MAX);
        line.option(key!("cache"), self.cache, TEXT_MAX);
        line.option(key!("cache_tier"), self.cache_tier, TEXT_MAX);
        line.option(key!("api_version"), self.api_version, TEXT_MAX);
        line.option(key!("api_version_source"), self.api_version_source, TEXT_MAX);
        if self.internal {
            line.boolean(key!("internal"), true);
        }
        line.option(key!("graphql"), self.graphql, TEXT_MAX);
        line.option(key!("graphql_operation"), self.graphql_operation, TEXT_MAX);
        line.option(key!("identity"), self.identity, TEXT_MAX);
        if let Some(user_agent) = self.user_agent {
            line.text(key!("user_agent"), user_agent, TEXT_MAX);
        }
        line.end();
    }

    fn path(&self, form: AccessLogPath) -> Option<&[u8]> {
        match form {
            AccessLogPath::Pattern => self.pattern.map(str::as_bytes),
            AccessLogPath::Full => {
                let end = memchr::memchr2(b'?', b'#', self.path).unwrap_or(self.path.len());
                Some(&self.path[..end])
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
