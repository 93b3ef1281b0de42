//! What the exporter tells nobody but the log: spans that a collector refused out of a batch it
//! took otherwise, and why a connection failed.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// What was noted during one export.
#[derive(Debug, Default)]
pub struct Noted {
    /// How many spans were refused.
    pub rejected: u64,
    /// Why, in words.
    pub why: String,
}

/// Where it is noted.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

impl Notes {
    /// Notes why a connection failed.
    pub fn why(&self, why: String) {
        self.0.lock().why = why;
    }

    /// What was noted since this was last asked.
    pub fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock())
    }

    /// Listens to the exporter. Its other lines say, once for each batch, what we say once.
    pub fn listener(&self) -> Dispatch {
        Dispatch::new(Listener(self.clone()))
    }
}

struct Listener(Notes);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "opentelemetry-otlp" && metadata.name().ends_with(".PartialSuccess")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Reader(&mut self.0.0.lock()));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Reader<'a>(&'a mut Noted);

impl Visit for Reader<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "rejected_spans" {
            self.0.rejected = value.try_into().unwrap_or(0);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error_message" {
            value.clone_into(&mut self.0.why);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
