//! From a finished request to its spans, by the HTTP semantic conventions of OpenTelemetry.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    time::{Duration, Instant, UNIX_EPOCH},
};

use http::{Method, Version};

use super::{
    SpanId,
    otlp::{EncodedSpans, SpanKind, SpanWriter},
    record::{AttemptRecord, CacheRecord, CacheStep, LookupResult, RequestRecord, Step},
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

    /// Adds the spans of a request, its own first.
    pub fn write(&self, record: &RequestRecord<'_>, spans: &mut EncodedSpans) {
        let since_1970 = record.ended_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        let teller = Teller { detail: self, record, ended };
        spans.add(|span| teller.request(span));
        for (index, attempt) in record.attempts.iter().enumerate() {
            spans.add(|span| teller.attempt(index, attempt, span));
        }
        if let Some(cache) = &record.cache {
            teller.cache(cache, spans);
        }
        for mapped in record.mapped {
            let way = if mapped.response { "response" } else { "request" };
            spans.add(|span| {
                teller.child("mapping", SpanKind::Internal, mapped.started, mapped.took, span);
                span.text("nilegate.mapping.body", &[way]);
            });
        }
    }
}

struct Teller<'a> {
    detail: &'a Detail,
    record: &'a RequestRecord<'a>,
    /// The end of the request in nanoseconds since 1970.
    ended: u64,
}

impl Teller<'_> {
    fn wall(&self, at: Instant) -> u64 {
        let before = self.record.ended.saturating_duration_since(at).as_nanos();
        self.ended.saturating_sub(u64::try_from(before).unwrap_or(u64::MAX))
    }

    /// The ids of a span of the request's trace.
    fn ids(&self, id: SpanId, parent: Option<SpanId>, span: &mut SpanWriter<'_, '_>) {
        let trace = self.record.trace;
        let parent = parent.map(SpanId::bytes);
        span.ids(&trace.trace.bytes(), &id.bytes(), parent.as_ref(), trace.state().unwrap_or_default());
    }

    /// What begins a span below the request's.
    fn child(
        &self,
        name: &str,
        kind: SpanKind,
        from: Instant,
        took: Duration,
        span: &mut SpanWriter<'_, '_>,
    ) {
        self.ids(SpanId::random(), Some(self.record.trace.span), span);
        span.head(&[name], kind, false);
        let to = (from + took).min(self.record.ended);
        span.times(self.wall(from), self.wall(to));
    }

    fn request(&self, span: &mut SpanWriter<'_, '_>) {
        let (record, trace) = (self.record, self.record.trace);
        self.ids(trace.span, trace.parent, span);
        let method = if is_known(record.method) { record.method.as_str() } else { "HTTP" };
        let what = record.pattern.filter(|pattern| !pattern.is_empty()).or(record.route);
        let (kind, remote) = match record.revalidation {
            true => (SpanKind::Internal, false),
            false => (SpanKind::Server, trace.parent.is_some()),
        };
        match what {
            _ if record.revalidation => span.head(&["revalidate"], kind, remote),
            Some(what) => span.head(&[method, " ", what], kind, remote),
            None => span.head(&[method], kind, remote),
        }
        span.times(self.wall(record.started), self.ended);
        self.request_attributes(span);
        let failed = record.status.is_some_and(|status| status >= 500)
            || record.status.is_none() && record.error.is_some_and(|error| error != ErrorReason::ClientAbort);
        if failed {
            span.failed();
        }
        if let Some(link) = trace.link() {
            span.link(&link.trace.bytes(), &link.span.bytes(), link.sampled == Some(true));
        }
        if let Some(cache) = &record.cache {
            self.cache_events(cache, span);
        }
    }

    fn request_attributes(&self, span: &mut SpanWriter<'_, '_>) {
        let record = self.record;
        let scheme = if record.tls { "https" } else { "http" };
        method(record.method, span);
        span.text("url.scheme", &[scheme]);
        span.option("url.path", self.path().filter(|path| !path.is_empty()));
        span.option("url.query", record.query.filter(|_| self.detail.spans.query));
        span.option("http.route", record.pattern);
        span.number_option("http.response.status_code", record.status);
        span.option("network.protocol.version", version(record.version));
        if let Some(peer) = record.peer {
            span.text("network.peer.address", &[Short::of_ip(peer).as_str()]);
        }
        if let Some(client) = record.client {
            span.text("client.address", &[Short::of_ip(client).as_str()]);
        }
        let (host, port) = split_port(record.host);
        span.option("server.address", Some(host).filter(|host| !host.is_empty()));
        span.number_option("server.port", port.or(record.port));
        span.option("user_agent.original", record.user_agent);
        error_type(record.error.map(ErrorReason::as_str), record.status, 500, span);
        span.option("nilegate.route", record.route);
        span.option("nilegate.upstream", record.upstream);
        span.option("nilegate.api_version", record.api_version);
        if let Some(cache) = record.cache {
            span.text("nilegate.cache", &[cache.result.as_str()]);
            span.option("nilegate.cache.tier", cache.tier.map(Tier::as_str));
        }
        span.option("nilegate.kept", record.kept.map(super::Kept::as_str));
        span.option("nilegate.request_id", Some(record.request_id).filter(|id| !id.is_empty()));
        if self.detail.spans.legacy_names {
            legacy(record.method, &self.url(scheme, record.host), record.status, span);
        }
    }

    fn attempt(&self, index: usize, attempt: &AttemptRecord<'_>, span: &mut SpanWriter<'_, '_>) {
        let record = self.record;
        self.ids(attempt.span, Some(record.trace.span), span);
        let name = if is_known(record.method) { record.method.as_str() } else { "HTTP" };
        span.head(&[name], SpanKind::Client, false);
        span.times(self.wall(attempt.started), self.wall(attempt.ended));
        method(record.method, span);
        let (host, port) = split_port(attempt.backend);
        span.text("server.address", &[host]);
        span.number("server.port", port.unwrap_or(attempt.address.port()).into());
        let scheme = if attempt.tls { "https" } else { "http" };
        let url = self.url(scheme, attempt.backend);
        span.text("url.full", &url);
        span.text("url.scheme", &[scheme]);
        span.text("network.peer.address", &[Short::of_ip(attempt.address.ip()).as_str()]);
        span.number("network.peer.port", attempt.address.port().into());
        span.number_option("http.response.status_code", attempt.status);
        if index > 0 {
            span.number("http.request.resend_count", index as u64);
        }
        span.option("nilegate.upstream", record.upstream);
        span.flag("nilegate.connection.reused", attempt.reused);
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
            legacy(record.method, &url, attempt.status, span);
        }
    }

    /// What took no time worth a span.
    fn cache_events(&self, cache: &CacheRecord<'_>, span: &mut SpanWriter<'_, '_>) {
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
    fn cache(&self, cache: &CacheRecord<'_>, spans: &mut EncodedSpans) {
        for step in cache.steps {
            spans.add(|span| self.cache_step(step, span));
        }
        if let Some(waited) = cache.waited.filter(|waited| !waited.is_zero()) {
            let served = matches!(cache.result, CacheResult::Hit | CacheResult::Stale);
            spans.add(|span| {
                let from = self.wait_began(cache.steps, waited);
                self.child("cache.wait", SpanKind::Internal, from, waited, span);
                span.flag("cache.collapsed", served);
            });
        }
    }

    fn cache_step(&self, step: &CacheStep, span: &mut SpanWriter<'_, '_>) {
        let (name, kind, command) = match step.what {
            Step::Lookup(Tier::Memory, _) => ("cache.lookup", SpanKind::Internal, None),
            Step::Lookup(Tier::Redis, _) => ("cache.lookup", SpanKind::Client, Some("GETRANGE")),
            Step::Lease => ("cache.lease", SpanKind::Client, Some("EVAL")),
        };
        self.child(name, kind, step.started, step.took, span);
        if let Step::Lookup(tier, result) = step.what {
            span.text("cache.tier", &[tier.as_str()]);
            span.text("cache.result", &[result.as_str()]);
            if result == LookupResult::Failed {
                span.failed();
            }
        }
        if let Some(command) = command {
            span.text("db.system.name", &["redis"]);
            span.text("db.operation.name", &[command]);
        }
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

    /// A URL, in parts.
    fn url<'u>(&'u self, scheme: &'u str, authority: &'u str) -> [&'u str; 6] {
        let query = self.record.query.filter(|_| self.detail.spans.query);
        let mark = if query.is_some() { "?" } else { "" };
        [scheme, "://", authority, self.path().unwrap_or_default(), mark, query.unwrap_or_default()]
    }
}

fn method(method: &Method, span: &mut SpanWriter<'_, '_>) {
    if is_known(method) {
        span.text("http.request.method", &[method.as_str()]);
    } else {
        span.text("http.request.method", &["_OTHER"]);
        span.text("http.request.method_original", &[method.as_str()]);
    }
}

/// The names that were in use before the conventions became stable.
fn legacy(method: &Method, url: &[&str], status: Option<u16>, span: &mut SpanWriter<'_, '_>) {
    span.text("http.method", &[method.as_str()]);
    span.text("http.url", url);
    span.number_option("http.status_code", status);
}

/// The methods that the conventions know.
fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::CONNECT
            | Method::TRACE
    )
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
fn error_type(reason: Option<&str>, status: Option<u16>, from: u16, span: &mut SpanWriter<'_, '_>) -> bool {
    match (reason, status) {
        (Some(reason), _) => span.text("error.type", &[reason]),
        (None, Some(status)) if status >= from => span.text("error.type", &[Short::of(status).as_str()]),
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
