//! A tree as a serde deserializer, so that the configuration types read from it
//! and every error carries its path.
//!
//! A substituted text answers as the type that is asked for: `${PORT}` may be a
//! number where one is expected and stays text elsewhere.

mod access;

use serde::{
    Deserializer,
    de::{Error as _, Unexpected, Visitor},
};

use self::access::{Entries, Items, Word};
use super::{
    fault::{Fault, FaultKind},
    tree::{Node, Value},
};

/// What stands in for a text that is missing or unusable: the first that a type accepts.
pub(super) const STAND_INS: [&str; 5] = ["-", "0", "0.0.0.0:0", "0.0.0.0/0", "http://localhost/"];

/// Reads configuration types from a node.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'a>(pub &'a Node);

impl NodeDeserializer<'_> {
    /// The text to parse when a type other than text is asked for.
    fn substituted(&self) -> Option<&str> {
        match &self.0.value {
            Value::Text(text) if self.0.expanded_from.is_some() => Some(text.trim()),
            _ => None,
        }
    }

    fn unfit<'de, V: Visitor<'de>>(&self, visitor: &V) -> Fault {
        let unexpected = match &self.0.value {
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
            _ => Unexpected::Other("value"),
        };
        Fault::invalid_type(unexpected, visitor)
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let parsed = match &self.0.value {
            Value::Int(value) => Some(*value),
            Value::Hole(_) => Some(1),
            _ => self.substituted().and_then(|text| text.parse().ok()),
        };
        match parsed {
            Some(value) => visit_int(value, visitor),
            None => Err(self.unfit(&visitor)),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Int(value) => visitor.visit_f64(*value as f64),
            Value::Hole(_) => visitor.visit_f64(1.0),
            _ => match self.substituted().and_then(|text| text.parse::<f64>().ok()) {
                Some(value) if value.is_finite() => visitor.visit_f64(value),
                _ => Err(self.unfit(&visitor)),
            },
        }
    }
}

/// Hands over a number in the narrowest form that serde's range checks know.
fn visit_int<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Fault> {
    if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else {
        Err(Fault::invalid_value(Unexpected::Other("number"), &visitor))
    }
}

macro_rules! as_number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.number(visitor)
        }
    )*};
}

macro_rules! as_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match &self.0.value {
                Value::Text(text) => visitor.visit_str(text),
                Value::Hole(n) => visitor.visit_str(STAND_INS[n % STAND_INS.len()]),
                _ => Err(self.unfit(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Fault;

    as_number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }
    as_text! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visit_int(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Text(_) | Value::Hole(_) => self.deserialize_str(visitor),
            // Only types that take any JSON value know what to do with it.
            Value::Null => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let parsed = match &self.0.value {
            Value::Bool(value) => Some(*value),
            Value::Hole(_) => Some(false),
            _ => self.substituted().and_then(|text| text.parse().ok()),
        };
        match parsed {
            Some(value) => visitor.visit_bool(value),
            None => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.float(visitor)
    }

    /// A key without a value is never "left out": a mis-indented `tls:` must not turn TLS off.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Null => Err(Fault::new(FaultKind::Unfit { expected: "a value".to_owned() })),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items::of(items)),
            Value::Hole(_) => visitor.visit_seq(Items::of(&[])),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries::of(entries)),
            Value::Hole(_) => visitor.visit_map(Entries::of(&[])),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(word) => visitor.visit_enum(Word { word, content: None, words }),
            Value::Map(entries) if entries.len() == 1 => {
                let (key, content) = &entries[0];
                visitor.visit_enum(Word { word: &key.name, content: Some(content), words })
            }
            Value::Hole(_) => {
                let word = words.first().copied().unwrap_or_default();
                visitor.visit_enum(Word { word, content: Some(self.0), words })
            }
            Value::Map(_) => {
                Err(Fault::new(FaultKind::Unfit { expected: format!("exactly one of {}", list(words)) }))
            }
            _ => Err(Fault::new(FaultKind::Unfit { expected: format!("one of {}", list(words)) })),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }
}

/// Names in backticks, with commas.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
