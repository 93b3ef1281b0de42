//! The trace of one request: where it comes from and what backends are told of it.

use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    ContextFormat, ContextResult, b3,
    baggage::{BAGGAGE, Baggage},
    context::{Remote, Said},
    id::{SpanId, TraceId},
    jaeger,
    sampling::{Limited, Parents, Threshold},
    w3c,
};
use crate::config::trace::TraceFormat;

/// Ids and flags of a request's trace.
#[derive(Clone, Debug)]
pub struct RequestTrace {
    /// The trace.
    pub trace: TraceId,
    /// The span of the request itself.
    pub span: SpanId,
    /// The span of the current attempt: what backends see as their parent.
    pub attempt: SpanId,
    /// The caller's span.
    pub parent: Option<SpanId>,
    /// The format the caller spoke.
    pub format: ContextFormat,
    /// What became of what it said.
    pub result: ContextResult,
    random: bool,
    /// Whether the request holds fields of any format.
    stated: bool,
    /// The caller's.
    decision: Option<bool>,
    /// What was made of it.
    sampled: Option<bool>,
    carried: Option<Box<Carried>>,
}

/// What few requests bring.
#[derive(Clone, Debug, Default)]
struct Carried {
    state: Option<Box<str>>,
    baggage: Baggage,
    link: Option<Remote>,
}

impl RequestTrace {
    /// The trace that a request belongs to: its caller's, if that one is trusted and sound, or
    /// a new one. The first of the formats that the request holds counts.
    pub fn begin(accept: &[TraceFormat], fields: &HeaderMap, trusted: bool) -> Self {
        let mut trace = Self::fresh();
        // Most requests from outside state nothing: one look at their names is all they cost.
        if !fields.keys().any(is_trace_field) {
            return trace;
        }
        trace.stated = true;
        let said = accept.iter().find_map(|format| Some((*format, read(*format, fields)?)));
        if let Some((format, said)) = said {
            trace.format = ContextFormat::from(format);
            trace.heed(said, trusted);
        }
        if trusted {
            let mut baggage = Baggage::default();
            if fields.contains_key(&BAGGAGE) {
                baggage.read(fields);
            }
            if accept.contains(&TraceFormat::Jaeger) {
                jaeger::read_baggage(fields, &mut baggage);
            }
            if !baggage.is_empty() {
                trace.carried.get_or_insert_default().baggage = baggage;
            }
        }
        trace
    }

    /// A new trace.
    pub fn fresh() -> Self {
        let span = SpanId::random();
        Self {
            trace: TraceId::random(),
            span,
            attempt: span,
            parent: None,
            format: ContextFormat::None,
            result: ContextResult::New,
            random: true,
            stated: false,
            decision: None,
            sampled: None,
            carried: None,
        }
    }

    fn heed(&mut self, said: Said, trusted: bool) {
        self.result = match said {
            Said::Invalid => ContextResult::Invalid,
            Said::Context(remote) if trusted => {
                self.trace = remote.trace;
                self.parent = Some(remote.span);
                self.random = remote.random;
                self.decision = remote.sampled;
                if remote.state.is_some() {
                    self.carried.get_or_insert_default().state = remote.state;
                }
                ContextResult::Continued
            }
            Said::Context(remote) => {
                self.carried.get_or_insert_default().link = Some(Remote { state: None, ..remote });
                ContextResult::Untrusted
            }
            Said::Decision(sampled) if trusted => {
                self.decision = Some(sampled);
                ContextResult::Decision
            }
            Said::Decision(_) => ContextResult::Untrusted,
        };
    }

    /// The trace of a request that is made for this one.
    pub fn child(&self) -> Self {
        let span = SpanId::random();
        Self { span, attempt: span, parent: Some(self.span), ..self.clone() }
    }

    /// Decides whether it is sampled, where the route samples so many new traces; once, so that
    /// all who ask are told the same. `Err`: the caller wanted it to be, and too many do.
    ///
    /// # Errors
    /// [`Limited`]: the ratio has decided instead.
    pub fn sample(&mut self, threshold: Threshold, parents: &Parents, now: Instant) -> Result<(), Limited> {
        if self.sampled.is_some() {
            return Ok(());
        }
        let heeded = parents.heed(self.decision, now);
        let decision = heeded.unwrap_or_default();
        self.sampled = decision.or_else(|| Some(threshold.takes(self.trace.randomness())));
        heeded.map(drop)
    }

    /// Whether the request came with fields of any format, accepted or not.
    pub fn is_stated(&self) -> bool {
        self.stated
    }

    /// Whether it is sampled. `false` before that is decided.
    pub fn is_sampled(&self) -> bool {
        self.sampled == Some(true)
    }

    /// What vendors on the way here added.
    pub fn state(&self) -> Option<&str> {
        self.carried.as_ref()?.state.as_deref()
    }

    /// The caller's context, where it is not continued.
    pub fn link(&self) -> Option<&Remote> {
        self.carried.as_ref()?.link.as_ref()
    }

    /// Gives the next attempt a span of its own.
    pub fn begin_attempt(&mut self) {
        self.attempt = SpanId::random();
    }

    /// The fields that tell a backend of the current attempt: W3C's, and those of the formats
    /// given.
    ///
    /// # Errors
    /// The first that `set` returns.
    pub fn tell<E>(
        &self,
        also: &[TraceFormat],
        mut set: impl FnMut(HeaderName, HeaderValue) -> Result<(), E>,
    ) -> Result<(), E> {
        let sampled = self.is_sampled();
        set(w3c::TRACEPARENT, w3c::parent_value(self.trace, self.attempt, sampled, self.random))?;
        let baggage = self.carried.as_ref().map(|carried| &carried.baggage);
        if let Some(state) = self.state().and_then(|state| HeaderValue::from_str(state).ok()) {
            set(w3c::TRACESTATE, state)?;
        }
        if let Some(baggage) = baggage.filter(|baggage| !baggage.is_empty())
            && let Ok(value) = HeaderValue::from_str(baggage.as_str())
        {
            set(BAGGAGE, value)?;
        }
        for format in also {
            match format {
                TraceFormat::Tracecontext => {}
                TraceFormat::B3 => set(b3::SINGLE, b3::single_value(self.trace, self.attempt, sampled))?,
                TraceFormat::B3multi => {
                    set(b3::TRACE_ID, hex(self.trace.hex().as_str()))?;
                    set(b3::SPAN_ID, hex(self.attempt.hex().as_str()))?;
                    set(b3::SAMPLED, HeaderValue::from_static(if sampled { "1" } else { "0" }))?;
                }
                TraceFormat::Jaeger => {
                    set(jaeger::UBER_TRACE_ID, jaeger::value(self.trace, self.attempt, sampled))?;
                    for (name, value) in baggage.into_iter().flat_map(Baggage::jaeger) {
                        set(name, value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn hex(digits: &str) -> HeaderValue {
    HeaderValue::from_str(digits).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn read(format: TraceFormat, fields: &HeaderMap) -> Option<Said> {
    match format {
        TraceFormat::Tracecontext => w3c::read(fields),
        TraceFormat::B3 => b3::read_single(fields),
        TraceFormat::B3multi => b3::read_multi(fields),
        TraceFormat::Jaeger => jaeger::read(fields),
    }
}

/// Whether a field belongs to any of the formats. What a caller wrote into one must not reach
/// a backend beside what we write: the two would tear the trace apart.
pub fn is_trace_field(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes()[0] {
        b't' => matches!(name, "traceparent" | "tracestate"),
        b'b' => matches!(name, "b3" | "baggage"),
        b'x' => name.starts_with("x-b3-"),
        b'u' => name == "uber-trace-id" || name.starts_with(jaeger::BAGGAGE_PREFIX),
        b'j' => matches!(name, "jaeger-debug-id" | "jaeger-baggage"),
        _ => false,
    }
}

impl From<TraceFormat> for ContextFormat {
    fn from(format: TraceFormat) -> Self {
        match format {
            TraceFormat::Tracecontext => Self::Tracecontext,
            TraceFormat::B3 => Self::B3,
            TraceFormat::B3multi => Self::B3multi,
            TraceFormat::Jaeger => Self::Jaeger,
        }
    }
}

#[cfg(test)]
mod tests;
