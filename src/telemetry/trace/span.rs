//! A span while it is put together.

use std::{borrow::Cow, sync::LazyLock, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{SpanId, TraceId};

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("nilegate").with_version(env!("CARGO_PKG_VERSION")).build()
});

/// Attributes of most spans fit without growing.
const ATTRIBUTES: usize = 20;

/// Puts together one span.
pub struct Span(SpanData);

impl Span {
    /// A span of a trace, with what vendors added to it.
    pub fn new(
        trace: TraceId,
        id: SpanId,
        parent: Option<SpanId>,
        state: TraceState,
        name: Cow<'static, str>,
    ) -> Self {
        let parent =
            parent.map_or(opentelemetry::SpanId::INVALID, |id| opentelemetry::SpanId::from_bytes(id.bytes()));
        Self(SpanData {
            // Whatever is told was sampled, if only in the end.
            span_context: context(trace, id, true, false, state),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::with_capacity(ATTRIBUTES),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: SCOPE.clone(),
        })
    }

    /// The kind. `remote`: whether the parent is somebody else's span.
    pub fn kind(&mut self, kind: SpanKind, remote: bool) {
        self.0.span_kind = kind;
        self.0.parent_span_is_remote = remote;
    }

    /// Beginning and end.
    pub fn times(&mut self, start: SystemTime, end: SystemTime) {
        self.0.start_time = start;
        self.0.end_time = end;
    }

    /// Says that it failed.
    pub fn failed(&mut self) {
        self.0.status = Status::error("");
    }

    /// An attribute.
    pub fn add(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.attributes.push(KeyValue::new(key, value));
    }

    /// An attribute: one of a few words, if there is one.
    pub fn word(&mut self, key: &'static str, value: Option<&'static str>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }

    /// An attribute: a text.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.add(key, value.to_owned());
    }

    /// An attribute: a text, if there is one.
    pub fn option(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// An attribute: a number.
    pub fn number(&mut self, key: &'static str, value: u64) {
        self.add(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// An attribute: a number, if there is one.
    pub fn number_option(&mut self, key: &'static str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.number(key, value.into());
        }
    }

    /// Something that happened at a moment.
    pub fn event(&mut self, name: &'static str, at: SystemTime, attributes: &[(&'static str, &'static str)]) {
        let attributes = attributes.iter().map(|&(key, value)| KeyValue::new(key, value)).collect();
        self.0.events.events.push(Event::new(name, at, attributes, 0));
    }

    /// A span of another trace that has to do with it.
    pub fn link(&mut self, trace: TraceId, span: SpanId, sampled: bool) {
        let remote = context(trace, span, sampled, true, TraceState::NONE);
        self.0.links.links.push(Link::with_context(remote));
    }

    /// The span as the exporter takes it.
    pub fn done(self) -> SpanData {
        self.0
    }
}

fn context(trace: TraceId, span: SpanId, sampled: bool, remote: bool, state: TraceState) -> SpanContext {
    SpanContext::new(
        opentelemetry::TraceId::from_bytes(trace.bytes()),
        opentelemetry::SpanId::from_bytes(span.bytes()),
        if sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED },
        remote,
        state,
    )
}
