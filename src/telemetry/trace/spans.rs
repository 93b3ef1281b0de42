//! From a finished request to its spans, by the HTTP semantic conventions of OpenTelemetry.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use http::{Method, Version};
use opentelemetry::trace::{SpanKind, TraceState};
use opentelemetry_sdk::trace::SpanData;

use super::{
    SpanId,
    record::{AttemptRecord, CacheRecord, CacheStep, LookupResult, RequestRecord, Step},
    span::Span,
};
use crate::{
    config::{
        telemetry::{AccessLogPath, TelemetryConfig},
        trace::SpansConfig,
    },
    telemetry::{
        cache::{CacheResult, Tier},
        reason::ErrorReason,
    },
};

/// How much spans tell.
#[derive(Clone, Debug)]
pub struct Detail {
    path: AccessLogPath,
    spans: SpansConfig,
}

impl Detail {
    /// As configured; the path as in the access log.
    pub fn new(telemetry: &TelemetryConfig, spans: &SpansConfig) -> Self {
        Self { path: telemetry.access_log.path, spans: spans.clone() }
    }

    /// The spans of a request, its own first.
    pub fn spans(&self, record: &RequestRecord<'_>) -> Vec<SpanData> {
        let state = record.trace.state().and_then(|state| state.parse().ok()).unwrap_or_default();
        let teller = Teller { detail: self, record, state };
        let mut spans = Vec::with_capacity(1 + record.attempts.len() + record.mapped.len());
        spans.push(teller.request());
        let attempts = record.attempts.iter().enumerate();
        spans.extend(attempts.map(|(index, attempt)| teller.attempt(index, attempt)));
        if let Some(cache) = &record.cache {
            teller.cache(cache, &mut spans);
        }
        spans.extend(record.mapped.iter().map(|mapped| {
            let way = if mapped.response { "response" } else { "request" };
            let mut span = teller.child("mapping", SpanKind::Internal, mapped.started, mapped.took);
            span.add("nilegate.mapping.body", way);
            span.done()
        }));
        spans
    }
}

struct Teller<'a> {
    detail: &'a Detail,
    record: &'a RequestRecord<'a>,
    /// What vendors added to the trace.
    state: TraceState,
}

impl Teller<'_> {
    fn wall(&self, at: Instant) -> SystemTime {
        let before = self.record.ended.saturating_duration_since(at);
        self.record.ended_at.checked_sub(before).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn span(&self, id: SpanId, parent: Option<SpanId>, name: impl Into<Cow<'static, str>>) -> Span {
        Span::new(self.record.trace.trace, id, parent, self.state.clone(), name.into())
    }

    /// A span below the request's.
    fn child(&self, name: &'static str, kind: SpanKind, from: Instant, took: Duration) -> Span {
        let mut span = self.span(SpanId::random(), Some(self.record.trace.span), name);
        span.kind(kind, false);
        let to = (from + took).min(self.record.ended);
        span.times(self.wall(from), self.wall(to));
        span
    }

    fn request(&self) -> SpanData {
        let (record, trace) = (self.record, self.record.trace);
        let method = name(record.method);
        let what = record.pattern.filter(|pattern| !pattern.is_empty()).or(record.route);
        let mut span = match what {
            _ if record.revalidation => self.span(trace.span, trace.parent, "revalidate"),
            Some(what) => self.span(trace.span, trace.parent, format!("{method} {what}")),
            None => self.span(trace.span, trace.parent, method),
        };
        match record.revalidation || record.inner {
            true => span.kind(SpanKind::Internal, false),
            false => span.kind(SpanKind::Server, trace.parent.is_some()),
        }
        span.times(self.wall(record.started), record.ended_at);
        self.request_attributes(&mut span);
        let failed = record.status.is_some_and(|status| status >= 500)
            || record.status.is_none() && record.error.is_some_and(|error| error != ErrorReason::ClientAbort);
        if failed {
            span.failed();
        }
        if let Some(link) = trace.link() {
            span.link(link.trace, link.span, link.sampled == Some(true));
        }
        if let Some(cache) = &record.cache {
            self.cache_events(cache, &mut span);
        }
        span.done()
    }

    fn request_attributes(&self, span: &mut Span) {
        let record = self.record;
        let scheme = if record.tls { "https" } else { "http" };
        method(record.method, span);
        span.add("url.scheme", scheme);
        span.option("url.path", self.path().filter(|path| !path.is_empty()));
        span.option("url.query", record.query.filter(|_| self.detail.spans.query));
        span.option("http.route", record.pattern);
        span.number_option("http.response.status_code", record.status);
        span.word("network.protocol.version", version(record.version));
        if let Some(peer) = record.peer {
            span.text("network.peer.address", Short::of_ip(peer).as_str());
        }
        if let Some(client) = record.client {
            span.text("client.address", Short::of_ip(client).as_str());
        }
        let (host, port) = split_port(record.host);
        span.option("server.address", Some(host).filter(|host| !host.is_empty()));
        span.number_option("server.port", port.or(record.port));
        span.option("user_agent.original", record.user_agent);
        error_type(record.error.map(ErrorReason::as_str), record.status, 500, span);
        span.option("nilegate.route", record.route);
        span.option("nilegate.upstream", record.upstream);
        span.option("nilegate.api_version", record.api_version);
        if let Some((kind, name)) = record.graphql {
            span.add("graphql.operation.type", kind);
            span.option("graphql.operation.name", name);
        }
        if let Some(cache) = record.cache {
            span.add("nilegate.cache", cache.result.as_str());
            span.word("nilegate.cache.tier", cache.tier.map(Tier::as_str));
        }
        span.word("nilegate.kept", record.kept.map(super::Kept::as_str));
        span.option("nilegate.request_id", Some(record.request_id).filter(|id| !id.is_empty()));
        if self.detail.spans.legacy_names {
            legacy(record.method, self.url(scheme, record.host), record.status, span);
        }
    }

    fn attempt(&self, index: usize, attempt: &AttemptRecord<'_>) -> SpanData {
        let record = self.record;
        let mut own = self.span(attempt.span, Some(record.trace.span), name(record.method));
        let span = &mut own;
        span.kind(SpanKind::Client, false);
        span.times(self.wall(attempt.started), self.wall(attempt.ended));
        method(record.method, span);
        let (host, port) = split_port(attempt.backend);
        span.text("server.address", host);
        span.number("server.port", port.unwrap_or(attempt.address.port()).into());
        let scheme = if attempt.tls { "https" } else { "http" };
        let url = self.url(scheme, attempt.backend);
        span.add("url.full", url.clone());
        span.add("url.scheme", scheme);
        span.text("network.peer.address", Short::of_ip(attempt.address.ip()).as_str());
        span.number("network.peer.port", attempt.address.port().into());
        span.number_option("http.response.status_code", attempt.status);
        if index > 0 {
            span.number_option("http.request.resend_count", u64::try_from(index).ok());
        }
        span.option("nilegate.upstream", record.upstream);
        span.add("nilegate.connection.reused", attempt.reused);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        span.number_option("nilegate.connect_us", attempt.connect.map(micros));
        span.number_option("nilegate.tls_us", attempt.handshake.map(micros));
        span.number_option("nilegate.first_byte_us", attempt.first_byte.map(micros));
        // Without an answer it is the request's own end that ended the attempt.
        let cut_off = record.error.filter(|_| attempt.status.is_none());
        let reason = attempt.failure.map(|failure| failure.as_str()).or(cut_off.map(ErrorReason::as_str));
        if error_type(reason, attempt.status, 400, span) {
            span.failed();
        }
        if self.detail.spans.legacy_names {
            legacy(record.method, url, attempt.status, span);
        }
        own.done()
    }

    /// What took no time worth a span.
    fn cache_events(&self, cache: &CacheRecord<'_>, span: &mut Span) {
        let at = self.wall(cache.steps.first().map_or(self.record.started, |step| step.started));
        if let Some(outcome) = cache.revalidation {
            span.event("cache.revalidation", at, &[("cache.result", outcome.as_str())]);
        }
        // What memory had ready was found without a look at the clock.
        if cache.steps.is_empty()
            && let Some(tier) = cache.tier
        {
            let told = [("cache.tier", tier.as_str()), ("cache.result", cache.result.as_str())];
            span.event("cache.lookup", at, &told);
        }
    }

    /// Where the cache looked, and how long the request waited for another one.
    fn cache(&self, cache: &CacheRecord<'_>, spans: &mut Vec<SpanData>) {
        spans.extend(cache.steps.iter().map(|step| self.cache_step(step)));
        if let Some(waited) = cache.waited.filter(|waited| !waited.is_zero()) {
            let from = self.wait_began(cache.steps, waited);
            let mut span = self.child("cache.wait", SpanKind::Internal, from, waited);
            span.add("cache.collapsed", matches!(cache.result, CacheResult::Hit | CacheResult::Stale));
            spans.push(span.done());
        }
    }

    fn cache_step(&self, step: &CacheStep) -> SpanData {
        let (name, kind, command) = match step.what {
            Step::Lookup(Tier::Memory, _) => ("cache.lookup", SpanKind::Internal, None),
            Step::Lookup(Tier::Redis, _) => ("cache.lookup", SpanKind::Client, Some("GETRANGE")),
            Step::Lease => ("cache.lease", SpanKind::Client, Some("EVAL")),
        };
        let mut span = self.child(name, kind, step.started, step.took);
        if let Step::Lookup(tier, result) = step.what {
            span.add("cache.tier", tier.as_str());
            span.add("cache.result", result.as_str());
            if result == LookupResult::Failed {
                span.failed();
            }
        }
        if let Some(command) = command {
            span.add("db.system.name", "redis");
            span.add("db.operation.name", command);
        }
        span.done()
    }

    /// The end of the step after which so much time went by: Pingora tells only how long the
    /// wait was.
    fn wait_began(&self, steps: &[CacheStep], waited: Duration) -> Instant {
        let record = self.record;
        let next = record.attempts.first().map_or(record.ended, |attempt| attempt.started);
        let begins = steps.iter().skip(1).map(|step| step.started).chain([next]);
        let ends = steps.iter().map(|step| step.started + step.took);
        let gap = |(end, next): &(Instant, Instant)| next.saturating_duration_since(*end).abs_diff(waited);
        ends.zip(begins).min_by_key(gap).map_or(record.started, |(end, _)| end)
    }

    /// The path, as much of it as may be told.
    fn path(&self) -> Option<&str> {
        match self.detail.path {
            AccessLogPath::Pattern => self.record.pattern,
            AccessLogPath::Full => Some(self.record.path),
        }
    }

    fn url(&self, scheme: &str, authority: &str) -> String {
        let query = self.record.query.filter(|_| self.detail.spans.query);
        let mark = if query.is_some() { "?" } else { "" };
        let path = self.path().unwrap_or_default();
        [scheme, "://", authority, path, mark, query.unwrap_or_default()].concat()
    }
}

fn method(method: &Method, span: &mut Span) {
    if is_known(method) {
        span.add("http.request.method", name(method));
    } else {
        span.add("http.request.method", "_OTHER");
        span.text("http.request.method_original", method.as_str());
    }
}

/// The names that were in use before the conventions became stable.
fn legacy(method: &Method, url: String, status: Option<u16>, span: &mut Span) {
    span.text("http.method", method.as_str());
    span.add("http.url", url);
    span.number_option("http.status_code", status);
}

/// A method that the conventions know, and what they call all others.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "HTTP",
    }
}

fn is_known(method: &Method) -> bool {
    name(method) == method.as_str()
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// Our own reason, or else a status that counts as an error. `false`: there is neither.
fn error_type(reason: Option<&'static str>, status: Option<u16>, from: u16, span: &mut Span) -> bool {
    match (reason, status) {
        (Some(reason), _) => span.add("error.type", reason),
        (None, Some(status)) if status >= from => span.text("error.type", Short::of(status).as_str()),
        _ => return false,
    }
    true
}

/// A host, and the port behind it.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, port.parse().ok())
        }
        _ => (authority, None),
    }
}

/// An address or a number as text, on the stack.
struct Short {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Short {
    /// The longest address has 45.
    const MAX: usize = 48;

    fn of(value: impl fmt::Display) -> Self {
        let mut text = Self { bytes: [0; Self::MAX], length: 0 };
        // What does not fit is cut off.
        let _ = write!(text, "{value}");
        text
    }

    /// The most frequent kind by hand: formatting would be a tenth of a span.
    fn of_ip(ip: IpAddr) -> Self {
        let IpAddr::V4(ip) = ip else { return Self::of(ip) };
        let mut text = Self { bytes: [0; Self::MAX], length: 0 };
        for (index, octet) in ip.octets().into_iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            let mut digits = itoa::Buffer::new();
            // 15 bytes fit.
            let _ = text.write_str(dot).and_then(|()| text.write_str(digits.format(octet)));
        }
        text
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
