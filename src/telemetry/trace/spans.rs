//! From a finished request to its spans, by the HTTP semantic conventions of OpenTelemetry.

use std::{
    borrow::Cow,
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use http::{Method, Version};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{
    SpanId, TraceId,
    record::{AttemptRecord, CacheRecord, RequestRecord},
};
use crate::{
    config::{
        telemetry::{AccessLogPath, TelemetryConfig},
        trace::SpansConfig,
    },
    telemetry::{
        cache::{CacheResult, RevalidationResult, Tier},
        reason::ErrorReason,
    },
};

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("nilegate").with_version(env!("CARGO_PKG_VERSION")).build()
});

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
        let maker = Maker { detail: self, record };
        let mut spans = Vec::with_capacity(2 + record.attempts.len());
        spans.push(maker.request());
        let attempts = record.attempts.iter().enumerate();
        spans.extend(attempts.map(|(index, attempt)| maker.attempt(index, attempt)));
        if let Some(cache) = &record.cache {
            maker.cache(cache, &mut spans);
        }
        spans.extend(record.mapped.iter().map(|mapped| {
            let way = if mapped.response { "response" } else { "request" };
            let attributes = vec![KeyValue::new("nilegate.mapping.body", way)];
            let span =
                maker.span("mapping", SpanKind::Internal, mapped.started, mapped.started + mapped.took);
            SpanData { attributes, ..span }
        }));
        spans
    }
}

struct Maker<'a> {
    detail: &'a Detail,
    record: &'a RequestRecord<'a>,
}

impl Maker<'_> {
    fn wall(&self, at: Instant) -> SystemTime {
        self.record.ended_at - self.record.ended.saturating_duration_since(at)
    }

    /// A span of its own below the request's.
    fn span(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        from: Instant,
        to: Instant,
    ) -> SpanData {
        self.span_of(SpanId::random(), Some(self.record.trace.span), name, kind, from, to)
    }

    fn span_of(
        &self,
        id: SpanId,
        parent: Option<SpanId>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        from: Instant,
        to: Instant,
    ) -> SpanData {
        let state = self.record.trace.state().and_then(|state| state.parse().ok()).unwrap_or_default();
        SpanData {
            span_context: context(self.record.trace.trace, id, false, state),
            parent_span_id: parent
                .map_or(opentelemetry::SpanId::INVALID, |id| opentelemetry::SpanId::from_bytes(id.bytes())),
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: self.wall(from),
            end_time: self.wall(to),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: SCOPE.clone(),
        }
    }

    fn request(&self) -> SpanData {
        let record = self.record;
        let method = if is_known(record.method) { record.method.as_str() } else { "HTTP" };
        let what = record.pattern.filter(|pattern| !pattern.is_empty()).or(record.route);
        let name = match what {
            _ if record.revalidation => Cow::Borrowed("revalidate"),
            Some(what) => Cow::Owned(format!("{method} {what}")),
            None => Cow::Owned(method.to_owned()),
        };
        let own = record.revalidation || record.inner;
        let kind = if own { SpanKind::Internal } else { SpanKind::Server };
        let trace = record.trace;
        let mut span = self.span_of(trace.span, trace.parent, name, kind, record.started, record.ended);
        span.parent_span_is_remote = trace.parent.is_some() && !own;
        span.attributes = self.request_attributes();
        let failed = record.status.is_some_and(|status| status >= 500)
            || record.status.is_none() && record.error.is_some_and(|error| error != ErrorReason::ClientAbort);
        if failed {
            span.status = Status::error("");
        }
        if let Some(link) = trace.link() {
            let remote = context(link.trace, link.span, true, TraceState::NONE);
            span.links.links.push(Link::with_context(remote));
        }
        span
    }

    fn request_attributes(&self) -> Vec<KeyValue> {
        let record = self.record;
        let scheme = if record.tls { "https" } else { "http" };
        let mut set = Attributes(Vec::with_capacity(20));
        set.method(record.method);
        set.add("url.scheme", scheme);
        set.option("url.path", self.path().map(str::to_owned));
        set.option("url.query", record.query.filter(|_| self.detail.spans.query).map(str::to_owned));
        set.option("http.route", record.pattern.map(str::to_owned));
        set.option("http.response.status_code", record.status.map(i64::from));
        set.option("network.protocol.version", version(record.version));
        set.option("network.peer.address", record.peer.map(|peer| peer.to_string()));
        set.option("client.address", record.client.map(|client| client.to_string()));
        let (host, port) = split_port(record.host);
        set.option("server.address", (!host.is_empty()).then(|| host.to_owned()));
        set.option("server.port", port.or(record.port).map(i64::from));
        set.option("user_agent.original", record.user_agent.map(str::to_owned));
        set.option("error.type", error_type(record.error, record.status, 500));
        set.option("nilegate.route", record.route.map(str::to_owned));
        set.option("nilegate.upstream", record.upstream.map(str::to_owned));
        set.option("nilegate.api_version", record.api_version.map(str::to_owned));
        if let Some((kind, name)) = record.graphql {
            set.add("graphql.operation.type", kind.to_owned());
            set.option("graphql.operation.name", name.map(str::to_owned));
        }
        set.option("nilegate.cache", record.cache.map(|cache| cache.result.as_str()));
        set.option("nilegate.kept", record.kept.map(super::Kept::as_str));
        set.option("nilegate.request_id", Some(record.request_id.to_owned()).filter(|id| !id.is_empty()));
        if self.detail.spans.legacy_names {
            let url = self.url(scheme, record.host);
            set.legacy(record.method, url, record.status);
        }
        set.0
    }

    fn attempt(&self, index: usize, attempt: &AttemptRecord<'_>) -> SpanData {
        let record = self.record;
        let name =
            if is_known(record.method) { record.method.as_str().to_owned() } else { "HTTP".to_owned() };
        let parent = Some(record.trace.span);
        let mut span =
            self.span_of(attempt.span, parent, name, SpanKind::Client, attempt.started, attempt.ended);
        let mut set = Attributes(Vec::with_capacity(16));
        set.method(record.method);
        let (host, port) = split_port(attempt.backend);
        set.add("server.address", host.to_owned());
        set.add("server.port", i64::from(port.unwrap_or(attempt.address.port())));
        let scheme = if attempt.handshake.is_some() { "https" } else { "http" };
        let url = self.url(scheme, attempt.backend);
        set.add("url.full", url.clone());
        set.add("network.peer.address", attempt.address.ip().to_string());
        set.add("network.peer.port", i64::from(attempt.address.port()));
        set.option("http.response.status_code", attempt.status.map(i64::from));
        set.option("http.request.resend_count", i64::try_from(index).ok().filter(|&count| count > 0));
        set.option("nilegate.upstream", record.upstream.map(str::to_owned));
        set.add("nilegate.connection.reused", attempt.reused);
        let micros = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        set.option("nilegate.connect_us", attempt.connect.map(micros));
        set.option("nilegate.tls_us", attempt.handshake.map(micros));
        set.option("nilegate.first_byte_us", attempt.first_byte.map(micros));
        // Without an answer it is the request's own end that ended the attempt.
        let error = attempt.failure.map(|failure| Cow::Borrowed(failure.as_str()));
        let error = error.or_else(|| {
            let cut_off = record.error.filter(|_| attempt.status.is_none());
            error_type(cut_off, attempt.status, 400)
        });
        if error.is_some() {
            span.status = Status::error("");
        }
        set.option("error.type", error);
        if self.detail.spans.legacy_names {
            set.legacy(record.method, url, attempt.status);
        }
        span.attributes = set.0;
        span
    }

    /// A hit in memory is an event: it took no time worth a span.
    fn cache(&self, cache: &CacheRecord, spans: &mut Vec<SpanData>) {
        let record = self.record;
        let mut set = Attributes(Vec::with_capacity(4));
        set.add("cache.result", cache.result.as_str());
        set.option("cache.tier", cache.tier.map(Tier::as_str));
        let asked = cache.asked.unwrap_or(record.started);
        let mut event = |name: &'static str, attributes| {
            let at = self.wall(asked);
            spans[0].events.events.push(Event::new(name, at, attributes, 0));
        };
        if let Some(outcome) = cache.revalidation {
            event(
                "cache.revalidation",
                vec![KeyValue::new("cache.result", RevalidationResult::as_str(outcome))],
            );
        }
        match (cache.lookup, cache.tier) {
            (None, None) => {}
            (_, Some(Tier::Memory)) | (None, Some(_)) => event("cache.lookup", set.0),
            (Some(took), tier) => {
                let redis = tier == Some(Tier::Redis);
                if redis {
                    set.add("db.system.name", "redis");
                    set.add("db.operation.name", "GET");
                }
                let kind = if redis { SpanKind::Client } else { SpanKind::Internal };
                let span = self.span("cache.lookup", kind, asked, asked + took);
                spans.push(SpanData { attributes: set.0, ..span });
            }
        }
        if let Some(waited) = cache.waited.filter(|waited| !waited.is_zero()) {
            let from = asked + cache.lookup.unwrap_or_default();
            let served = matches!(cache.result, CacheResult::Hit | CacheResult::Stale);
            let attributes = vec![KeyValue::new("cache.collapsed", served)];
            let span = self.span("cache.wait", SpanKind::Internal, from, from + waited);
            spans.push(SpanData { attributes, ..span });
        }
    }

    /// The path, as much of it as may be told.
    fn path(&self) -> Option<&str> {
        match self.detail.path {
            AccessLogPath::Pattern => self.record.pattern,
            AccessLogPath::Full => Some(self.record.path),
        }
    }

    fn url(&self, scheme: &str, authority: &str) -> String {
        let mut url = format!("{scheme}://{authority}{}", self.path().unwrap_or_default());
        if let Some(query) = self.record.query.filter(|_| self.detail.spans.query) {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(key, value));
    }

    fn option(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }

    fn method(&mut self, method: &Method) {
        if is_known(method) {
            self.add("http.request.method", method.as_str().to_owned());
        } else {
            self.add("http.request.method", "_OTHER");
            self.add("http.request.method_original", method.as_str().to_owned());
        }
    }

    /// The names that were in use before the conventions became stable.
    fn legacy(&mut self, method: &Method, url: String, status: Option<u16>) {
        self.add("http.method", method.as_str().to_owned());
        self.add("http.url", url);
        self.option("http.status_code", status.map(i64::from));
    }
}

fn context(trace: TraceId, span: SpanId, remote: bool, state: TraceState) -> SpanContext {
    SpanContext::new(
        opentelemetry::TraceId::from_bytes(trace.bytes()),
        opentelemetry::SpanId::from_bytes(span.bytes()),
        // Whatever is told was sampled, if only in the end.
        TraceFlags::SAMPLED,
        remote,
        state,
    )
}

/// The methods that the conventions know.
fn is_known(method: &Method) -> bool {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.contains(&method.as_str())
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// Our own reason, or else a status that counts as an error.
fn error_type(reason: Option<ErrorReason>, status: Option<u16>, from: u16) -> Option<Cow<'static, str>> {
    let reason = reason.map(|reason| Cow::Borrowed(reason.as_str()));
    reason.or_else(|| status.filter(|&status| status >= from).map(|status| Cow::Owned(status.to_string())))
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

#[cfg(test)]
mod tests;
