//! The messages of OTLP: a span, spans of one request, a batch of spans, the answer to it.
//!
//! Field numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and
//! `opentelemetry/proto/collector/trace/v1/trace_service.proto`.

use super::wire::{Field, Fields, Message, size};

/// Spans, encoded one behind the other.
#[derive(Debug, Default)]
pub struct EncodedSpans {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl EncodedSpans {
    /// Forgets them; the room they took is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of so many, from the one at `first` on.
    pub fn bytes(&self, first: usize, count: usize) -> &[u8] {
        let end = |index: usize| index.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        self.bytes.get(end(first)..end(first + count)).unwrap_or_default()
    }

    /// Adds a span.
    pub fn add(&mut self, write: impl FnOnce(&mut SpanWriter<'_, '_>)) {
        Message::new(&mut self.bytes).nested(2, |message| write(&mut SpanWriter(message)));
        self.ends.push(self.bytes.len());
    }
}

/// Spans that are exported together.
#[derive(Debug, Default)]
pub struct SpanBatch {
    /// The spans, each with its head.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub count: usize,
}

/// Writes one span.
pub struct SpanWriter<'a, 'm>(&'a mut Message<'m>);

/// The kinds of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Within this process.
    Internal = 1,
    /// A request that is served.
    Server = 2,
    /// A request that is made.
    Client = 3,
}

/// The caller's flags on the trace are known, and whether the parent is another process's.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
const SAMPLED: u32 = 0x01;

impl SpanWriter<'_, '_> {
    /// Ids, and what vendors added.
    pub fn ids(&mut self, trace: &[u8; 16], span: &[u8; 8], parent: Option<&[u8; 8]>, state: &str) {
        self.0.bytes(1, trace);
        self.0.bytes(2, span);
        self.0.bytes(3, state.as_bytes());
        self.0.bytes(4, parent.map_or(&[], |parent| parent));
    }

    /// The name, in parts, and the kind. `remote`: whether the parent is somebody else's span.
    pub fn head(&mut self, name: &[&str], kind: SpanKind, remote: bool) {
        self.0.text(5, name);
        self.0.number(6, kind as u64);
        // Whatever is told was sampled, if only in the end.
        self.0.fixed32(16, SAMPLED | HAS_IS_REMOTE | if remote { IS_REMOTE } else { 0 });
    }

    /// Beginning and end, in nanoseconds since 1970.
    pub fn times(&mut self, start: u64, end: u64) {
        self.0.fixed64(7, start);
        self.0.fixed64(8, end);
    }

    /// Says that it failed.
    pub fn failed(&mut self) {
        self.0.nested(15, |status| status.number(3, 2));
    }

    /// An attribute: a text, in parts.
    pub fn text(&mut self, key: &str, parts: &[&str]) {
        text(self.0, 9, key, parts);
    }

    /// An attribute: a text, if there is one.
    pub fn option(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, &[value]);
        }
    }

    /// An attribute: a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.value(key, 1 + size_of_number(value), |any| any.present_number(3, value));
    }

    /// An attribute: a number, if there is one.
    pub fn number_option(&mut self, key: &str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.number(key, value.into());
        }
    }

    /// An attribute: yes or no.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.value(key, 2, |any| any.present_number(2, u64::from(value)));
    }

    fn value(&mut self, key: &str, length: usize, write: impl FnOnce(&mut Message<'_>)) {
        pair(self.0, 9, key, length);
        write(self.0);
    }

    /// Something that happened at a moment.
    pub fn event(&mut self, name: &str, at: u64, attributes: &[(&str, &str)]) {
        self.0.nested(11, |event| {
            event.fixed64(1, at);
            event.text(2, &[name]);
            for (key, value) in attributes {
                text(event, 3, key, &[value]);
            }
        });
    }

    /// A span of another trace that has to do with it.
    pub fn link(&mut self, trace: &[u8; 16], span: &[u8; 8], sampled: bool) {
        self.0.nested(13, |link| {
            link.bytes(1, trace);
            link.bytes(2, span);
            link.fixed32(6, HAS_IS_REMOTE | IS_REMOTE | if sampled { SAMPLED } else { 0 });
        });
    }
}

fn size_of_number(value: u64) -> usize {
    usize::try_from(value).map_or(10, size)
}

/// A `KeyValue` whose value is a text.
fn text(message: &mut Message<'_>, field: u8, key: &str, parts: &[&str]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if message.short_pair(field, key, parts, length) {
        return;
    }
    pair(message, field, key, 1 + size(length) + length);
    message.text(1, parts);
}

/// The beginning of a `KeyValue` whose `AnyValue` takes so many bytes, which are to follow.
fn pair(message: &mut Message<'_>, field: u8, key: &str, value: usize) {
    message.head(field, 1 + size(key.len()) + key.len() + 1 + size(value) + value);
    message.text(1, &[key]);
    message.head(2, value);
}

/// What goes around the spans of every batch.
pub struct Envelope {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Envelope {
    /// For spans of a process with these attributes.
    pub fn new<'a>(resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut envelope = Self { resource: Vec::new(), scope: Vec::new() };
        Message::new(&mut envelope.resource).nested(1, |message| {
            for (key, value) in resource {
                text(message, 1, key, &[value]);
            }
        });
        Message::new(&mut envelope.scope).nested(1, |scope| {
            scope.text(1, &["nilegate"]);
            scope.text(2, &[env!("CARGO_PKG_VERSION")]);
        });
        envelope
    }

    /// A batch as an `ExportTraceServiceRequest`, behind `room` bytes for what frames it.
    pub fn wrap(&self, batch: &SpanBatch, room: usize) -> Vec<u8> {
        let scope_spans = self.scope.len() + batch.bytes.len();
        let resource_spans = self.resource.len() + 1 + size(scope_spans) + scope_spans;
        let mut bytes = Vec::with_capacity(room + resource_spans + 16);
        bytes.resize(room, 0);
        let mut message = Message::new(&mut bytes);
        message.head(1, resource_spans);
        bytes.extend_from_slice(&self.resource);
        Message::new(&mut bytes).head(2, scope_spans);
        bytes.extend_from_slice(&self.scope);
        bytes.extend_from_slice(&batch.bytes);
        bytes
    }
}

/// What a collector says in an `ExportTraceServiceResponse`: how many spans it did not take, and
/// why.
pub fn partial_success(bytes: &[u8]) -> (u64, String) {
    let (mut rejected, mut why) = (0, String::new());
    let partial = Fields(bytes).find_map(|field| match field {
        (1, Field::Bytes(partial)) => Some(partial),
        _ => None,
    });
    for field in Fields(partial.unwrap_or_default()) {
        match field {
            (1, Field::Number(count)) => rejected = count,
            (2, Field::Bytes(text)) => why = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    (rejected, why)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::{
            ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        },
        common::v1::any_value::Value,
        trace::v1::ScopeSpans,
    };
    use prost::Message as _;

    use super::*;

    #[test]
    fn others_read_what_is_written() {
        let mut spans = EncodedSpans::default();
        for name in ["one", "two", "three"] {
            spans.add(|span| {
                span.ids(&[1; 16], &[2; 8], Some(&[3; 8]), "a=1");
                span.head(&[name, "!"], SpanKind::Client, true);
                span.times(5, 7);
                span.text("text", &["a", "b"]);
                span.number("number", 300);
                span.number("nothing", 0);
                span.number("most", u64::MAX >> 1);
                span.flag("yes", true);
                span.event("event", 6, &[("key", "value")]);
                span.link(&[4; 16], &[5; 8], true);
                span.failed();
            });
        }
        let batch = SpanBatch { bytes: spans.bytes(1, 2).to_vec(), count: 2 };
        let envelope = Envelope::new([("service.name", "n")]);
        let bytes = envelope.wrap(&batch, 5);
        let read = ExportTraceServiceRequest::decode(&bytes[5..]).unwrap();
        assert_eq!(read.encode_to_vec().len(), bytes.len() - 5, "nothing is left over");
        let group = &read.resource_spans[0];
        assert_eq!(group.resource.as_ref().unwrap().attributes[0].key, "service.name");
        let scope = &group.scope_spans[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "nilegate");
        let names: Vec<_> = scope.spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["two!", "three!"]);
        let span = &scope.spans[0];
        assert_eq!((span.trace_state.as_str(), span.flags, span.kind), ("a=1", 0x301, 3));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5, 7));
        assert_eq!(span.parent_span_id, [3; 8]);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        assert_eq!(span.events[0].attributes[0].key, "key");
        assert_eq!((&span.links[0].span_id, span.links[0].flags), (&vec![5; 8], 0x301));
        let shown: Vec<_> = span.attributes.iter().map(|pair| format!("{:?}", pair.value)).collect();
        for (shown, part) in shown.iter().zip(["\"ab\"", "300", "IntValue(0)", "9223372036854775807", "true"])
        {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn texts_of_every_length_are_read() {
        for length in [0, 1, 100, 110, 116, 117, 118, 125, 126, 127, 128, 200, 20_000] {
            let long = "x".repeat(length);
            let mut spans = EncodedSpans::default();
            spans.add(|span| span.text("key.of.it", &[&long[..length / 2], &long[length / 2..]]));
            let read = ScopeSpans::decode(spans.bytes(0, 1)).unwrap();
            let told = read.spans[0].attributes[0].value.clone().unwrap().value;
            assert_eq!(told, Some(Value::StringValue(long)), "{length}");
        }
    }

    #[test]
    fn what_a_collector_did_not_take_is_understood() {
        let rejected = ExportTracePartialSuccess { rejected_spans: 3, error_message: "full".into() };
        let answer = ExportTraceServiceResponse { partial_success: Some(rejected) };
        assert_eq!(partial_success(&answer.encode_to_vec()), (3, "full".into()));
        assert_eq!(partial_success(&[]), (0, String::new()));
        assert_eq!(partial_success(b"{}"), (0, String::new()));
    }
}
