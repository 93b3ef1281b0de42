//! What keeps a tree from becoming a `Config`, kept apart so that it can be
//! told well and repaired.

use std::fmt;

use serde::de;

use super::path::Segment;

/// One reason, and where it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From the innermost step outwards.
    steps: Vec<Segment>,
    pub kind: FaultKind,
}

/// The reasons that serde distinguishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// A key that the map does not know.
    UnknownKey { name: String, known: &'static [&'static str] },
    /// A key that the map needs.
    MissingKey(&'static str),
    /// A key whose own text is unusable.
    BadKey { name: String, message: String },
    /// A text that is none of the words accepted.
    UnknownWord { word: String, known: &'static [&'static str] },
    /// A value of another type or outside its range.
    Unfit { expected: String },
    /// Whatever a type says of itself.
    Other(String),
}

impl Fault {
    pub fn new(kind: FaultKind) -> Self {
        Self { steps: Vec::new(), kind }
    }

    /// The same fault, seen from the value around it.
    pub fn inside(mut self, step: Segment) -> Self {
        self.steps.push(step);
        self
    }

    /// The same fault, about the text of a key.
    pub fn about_key(self, name: &str) -> Self {
        let kind = match self.kind {
            kind @ FaultKind::UnknownKey { .. } => kind,
            FaultKind::UnknownWord { word, known } => FaultKind::UnknownKey { name: word, known },
            other => FaultKind::BadKey { name: name.to_owned(), message: other.to_string() },
        };
        Self { kind, ..self }
    }

    /// The path from the root.
    pub fn path(&self) -> Vec<Segment> {
        self.steps.iter().rev().cloned().collect()
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { name, .. } => write!(f, "unknown key `{name}`"),
            Self::MissingKey(name) => write!(f, "missing key `{name}`"),
            Self::BadKey { message, .. } | Self::Other(message) => f.write_str(message),
            Self::UnknownWord { word, .. } => write!(f, "`{word}` is not known here"),
            Self::Unfit { expected } => write!(f, "expected {expected}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(FaultKind::Other(message.to_string()))
    }
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(FaultKind::Unfit { expected: expected.to_string() })
    }
    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(FaultKind::Unfit { expected: expected.to_string() })
    }
    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::new(FaultKind::Unfit { expected: expected.to_string() })
    }
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(FaultKind::UnknownWord { word: word.to_owned(), known })
    }
    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::new(FaultKind::UnknownKey { name: name.to_owned(), known })
    }
    fn missing_field(name: &'static str) -> Self {
        Self::new(FaultKind::MissingKey(name))
    }
}
