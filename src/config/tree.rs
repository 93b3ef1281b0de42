//! YAML as a tree in which every key and value knows its place in a file.
//!
//! Parsing stops at nothing that the syntax allows: duplicate keys and wrong
//! types are for later steps to report, all at once.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_yaml::Spanned;

/// A place in one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The index of the file in the source.
    pub file: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters marked in an excerpt.
    pub width: usize,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
    /// What the operator wrote, when the value was substituted.
    pub expanded_from: Option<String>,
    /// Whether this stands in for something that was missing or unusable, so
    /// that checking goes on. What is said about it would only confuse.
    pub repaired: bool,
}

/// A key of a map and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub name: String,
    pub place: Place,
}

/// The values that YAML knows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// Not from a file: passes for a value of any type; the number says which
    /// of several stand-ins is tried for text.
    Hole(usize),
}

impl Node {
    /// A node that is as good as written at a place.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, expanded_from: None, repaired: false }
    }

    /// A node that stands in for a missing or unusable one.
    pub fn hole(place: Place) -> Self {
        Self { value: Value::Hole(0), place, expanded_from: None, repaired: true }
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// How the value is written, for messages: what the operator wrote when it was substituted.
    pub fn shown(&self) -> String {
        if let Some(raw) = &self.expanded_from {
            return format!("`{raw}`");
        }
        match &self.value {
            Value::Null => "no value".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Int(value) => format!("`{value}`"),
            Value::Float(value) => format!("`{value}`"),
            Value::Text(value) => format!("`{value}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Hole(_) => "nothing".to_owned(),
        }
    }
}

/// A syntax error, before its file is opened for an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub place: Place,
    pub message: String,
}

/// Parses one file. An empty one is an empty map.
pub(super) fn parse(text: &str, file: usize) -> Result<Node, SyntaxError> {
    let options = serde_yaml::options! {
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let raw: Spanned<Raw> = serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let location = error.location().unwrap_or(serde_yaml::Location::UNKNOWN);
        let place = Place { file, line: count(location.line()), column: count(location.column()), width: 1 };
        SyntaxError { place, message: message_of(&error) }
    })?;
    let mut node = raw_node(raw, file);
    if node.value == Value::Null {
        let place = Place { file, line: 1, column: 1, width: 1 };
        node = Node::new(Value::Map(Vec::new()), place);
    }
    Ok(node)
}

/// The error without the position that `Finding` prints itself.
fn message_of(error: &serde_yaml::Error) -> String {
    if matches!(error.without_snippet(), serde_yaml::Error::MultipleDocuments { .. }) {
        return "more than one document in a file: remove the `---` in between".to_owned();
    }
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let message = line.rfind(" at line ").map_or(line, |end| &line[..end]);
    format!("not valid YAML: {message}")
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn place_of(location: serde_yaml::Location, file: usize) -> Place {
    Place {
        file,
        line: count(location.line()),
        column: count(location.column()),
        width: count(location.span().len()).max(1),
    }
}

fn raw_node(raw: Spanned<Raw>, file: usize) -> Node {
    let mut place = place_of(raw.defined, file);
    let value = match raw.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => {
            place.width = 1;
            Value::List(items.into_iter().map(|item| raw_node(item, file)).collect())
        }
        Raw::Map(entries) => {
            place.width = 1;
            let entry = |(key, value): (Spanned<String>, _)| {
                let key = Key { place: place_of(key.defined, file), name: key.value };
                (key, raw_node(value, file))
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node::new(value, place)
}

/// A value as the YAML engine hands it over.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value.into())))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value.into())))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
#[path = "tree/tests.rs"]
mod tests;
