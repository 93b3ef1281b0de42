//! Texts and bodies of calls, with values of arguments, of the parent and of claims in them.
//!
//! A template is compiled with the schema, so that what it names exists. A value is encoded
//! for the position it is put into: a path segment, a query parameter, a header field, JSON.

mod body;
mod compile;
mod target;

use std::{borrow::Cow, fmt};

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{
    json::{Json, Kind, NodeId},
    schema::{Schema, TypeKind, TypeRef},
};

pub use body::BodyTemplate;
pub use compile::{Place, Reads};
pub use target::Target;

/// What is encoded in paths and queries: all but what `encodeURIComponent` leaves alone, so
/// that clients of the REST services make the same URLs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Text with values in it: `/patients/{args.id}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<str>),
    Insert(Insert),
}

/// The place of a value.
#[derive(Clone, Debug, PartialEq)]
struct Insert {
    from: Root,
    path: Box<[Box<str>]>,
    /// The type of an argument, if an enum in it is written differently by sources.
    wire: Option<TypeRef>,
}

/// What a template can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Args,
    Parent,
    Claims,
}

/// What the values of a template are taken from.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The schema that the template belongs to.
    pub schema: &'a Schema,
    /// The coerced arguments of the field.
    pub args: &'a Map<String, Value>,
    /// The JSON of the parent; `None` at the root.
    pub parent: Option<(&'a Json, NodeId)>,
    /// What is known of the caller.
    pub claims: &'a Map<String, Value>,
}

/// A value that cannot be put where the template has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A segment of the path would be empty.
    #[error("an empty value cannot be a path segment")]
    EmptySegment,
    /// A segment of the path would be `.` or `..`.
    #[error("`.` and `..` cannot be path segments")]
    DotSegment,
    /// A list or an object where a text is needed.
    #[error("a list or an object cannot be part of a text")]
    NotScalar,
    /// Control characters in a header field.
    #[error("the value has characters that a header field cannot have")]
    NotFieldValue,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &*self.parts {
            match part {
                Part::Literal(text) => f.write_str(text)?,
                Part::Insert(insert) => {
                    let root = match insert.from {
                        Root::Args => "args",
                        Root::Parent => "parent",
                        Root::Claims => "claims",
                    };
                    write!(f, "{{{root}.{}}}", insert.path.join("."))?;
                }
            }
        }
        Ok(())
    }
}

impl Template {
    /// A path. `None`: a value in it is null, so there is nothing to ask for.
    ///
    /// # Errors
    /// A value that is no segment of a path.
    pub fn path(&self, scope: &Scope<'_>) -> Result<Option<String>, Unfit> {
        let mut path = String::new();
        // Where the current segment starts, and whether a value is part of it.
        let (mut start, mut has_value) = (0, false);
        for part in &*self.parts {
            match part {
                Part::Literal(text) => {
                    for (index, piece) in text.split('/').enumerate() {
                        if index > 0 {
                            check_segment(&path[start..], has_value)?;
                            path.push('/');
                            (start, has_value) = (path.len(), false);
                        }
                        path.push_str(piece);
                    }
                }
                Part::Insert(insert) => {
                    let Some(text) = insert.text(scope)? else { return Ok(None) };
                    path.extend(utf8_percent_encode(&text, ENCODED));
                    has_value = true;
                }
            }
        }
        check_segment(&path[start..], has_value)?;
        Ok(Some(path))
    }

    /// Appends a query parameter, once for each item of a list, and not at all for null.
    ///
    /// # Errors
    /// A value that is no text.
    pub fn parameter(&self, name: &str, scope: &Scope<'_>, target: &mut Target) -> Result<(), Unfit> {
        if let [Part::Insert(insert)] = &*self.parts
            && let Some(value) = insert.value(scope)
            && let Value::Array(items) = &*value
        {
            for item in items.iter().filter(|item| !item.is_null()) {
                target.parameter(name, &scalar(item).ok_or(Unfit::NotScalar)?);
            }
            return Ok(());
        }
        if let Some(text) = self.text(scope)? {
            target.parameter(name, &text);
        }
        Ok(())
    }

    /// The value of a header field; `None` if a value in it is null.
    ///
    /// # Errors
    /// A value that is no text, or not one that a header field can have.
    pub fn field(&self, scope: &Scope<'_>) -> Result<Option<HeaderValue>, Unfit> {
        let Some(text) = self.text(scope)? else { return Ok(None) };
        HeaderValue::from_str(&text).map(Some).map_err(|_| Unfit::NotFieldValue)
    }

    /// The text as it is, nothing encoded; `None` if a value in it is null.
    ///
    /// # Errors
    /// A value that is no text.
    pub fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, Unfit> {
        let mut out = String::new();
        for part in &*self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Insert(insert) => match insert.text(scope)? {
                    Some(text) => out.push_str(&text),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(out))
    }

    /// The value itself, of a template that is nothing but a value; `None` if it is missing.
    /// Of any other template, its text.
    ///
    /// # Errors
    /// A value that is no text, in a template that is one.
    pub fn value<'a>(&'a self, scope: &Scope<'a>) -> Result<Option<Cow<'a, Value>>, Unfit> {
        match &*self.parts {
            [Part::Insert(insert)] => Ok(insert.value(scope)),
            _ => Ok(self.text(scope)?.map(|text| Cow::Owned(Value::String(text)))),
        }
    }

    /// Whether it is nothing but a value, and that is an explicit null.
    fn is_null(&self, scope: &Scope<'_>) -> bool {
        matches!(&*self.parts, [Part::Insert(insert)] if insert.find(scope).is_some_and(|value| value.is_null()))
    }

    /// Whether the template reads the parent: its call differs from parent to parent.
    pub fn reads_parent(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Insert(insert) if insert.from == Root::Parent))
    }

    /// Whether the template reads claims: its call differs from caller to caller.
    pub fn reads_claims(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Insert(insert) if insert.from == Root::Claims))
    }
}

fn check_segment(segment: &str, has_value: bool) -> Result<(), Unfit> {
    match segment {
        "" if has_value => Err(Unfit::EmptySegment),
        "." | ".." => Err(Unfit::DotSegment),
        _ => Ok(()),
    }
}

impl Insert {
    /// The value, with enums as sources write them. `None`: it is missing or null.
    fn value<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        let value = self.find(scope).filter(|value| !value.is_null())?;
        Some(match &self.wire {
            Some(ty) => Cow::Owned(wire(scope.schema, ty, &value)),
            None => value,
        })
    }

    fn find<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        match self.from {
            Root::Args => walk_map(scope.args, &self.path).map(Cow::Borrowed),
            Root::Parent => {
                let (json, at) = self.member(scope)?;
                Some(Cow::Owned(json.to_value(at)))
            }
            Root::Claims => walk_map(scope.claims, &self.path).map(Cow::Borrowed),
        }
    }

    /// A value of the parent, where it is.
    fn member<'a>(&self, scope: &Scope<'a>) -> Option<(&'a Json, NodeId)> {
        let (json, parent) = scope.parent?;
        Some((json, json.dig(parent, &self.path)?))
    }

    fn text<'a>(&self, scope: &Scope<'a>) -> Result<Option<Cow<'a, str>>, Unfit> {
        if self.from == Root::Parent {
            let found = self.member(scope).filter(|(json, at)| json.kind(*at) != Kind::Null);
            return found.map(|(json, at)| json.scalar(at).ok_or(Unfit::NotScalar)).transpose();
        }
        match self.value(scope) {
            None => Ok(None),
            Some(Cow::Borrowed(value)) => scalar(value).map(Some).ok_or(Unfit::NotScalar),
            Some(Cow::Owned(value)) => {
                scalar(&value).map(|text| Some(Cow::Owned(text.into_owned()))).ok_or(Unfit::NotScalar)
            }
        }
    }
}

fn walk_map<'a>(map: &'a Map<String, Value>, path: &[Box<str>]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(&**first)?, |value, name| value.get(&**name))
}

/// A text, a number or a truth value as text.
pub fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A coerced value as sources write it: enum values by their `@wire`.
fn wire(schema: &Schema, ty: &TypeRef, value: &Value) -> Value {
    match (value, ty) {
        (Value::Array(items), TypeRef::List(item, _)) => {
            items.iter().map(|value| wire(schema, item, value)).collect()
        }
        (Value::String(name), TypeRef::Named(id, _)) => match &schema.get(*id).kind {
            TypeKind::Enum(def) => {
                def.by_name(name).map_or_else(|| value.clone(), |found| Value::from(&*found.wire))
            }
            _ => value.clone(),
        },
        (Value::Object(members), TypeRef::Named(id, _)) => match &schema.get(*id).kind {
            TypeKind::Input(def) => members
                .iter()
                .map(|(name, value)| {
                    let field = def.fields.iter().find(|field| *field.name == **name);
                    let value = field.map_or_else(|| value.clone(), |field| wire(schema, &field.ty, value));
                    (name.clone(), value)
                })
                .collect(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests;
