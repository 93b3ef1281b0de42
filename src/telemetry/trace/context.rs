//! What a caller says of the trace that its request belongs to.

use super::id::{SpanId, TraceId};

/// A span of somebody else, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub span: SpanId,
    /// Whether it is sampled; `None`: that is left to us.
    pub sampled: Option<bool>,
    /// Whether the lower bytes of the trace's id are known to be random.
    pub random: bool,
    /// What vendors added, in the form of `tracestate`.
    pub state: Option<Box<str>>,
}

/// What the fields of one format say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The request belongs to a trace.
    Context(Remote),
    /// It belongs to none, but whether to sample it has been decided.
    Decision(bool),
    /// Something that is not understood.
    Invalid,
}
