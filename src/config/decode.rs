//! A tree as a serde deserializer, so that the configuration types read from it
//! and every error carries its path.
//!
//! A substituted text answers as the type that is asked for: `${PORT}` may be a
//! number where one is expected and stays text elsewhere.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
};

use super::{
    fault::{Fault, FaultKind},
    path::Segment,
    tree::{Key, Node, Value},
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
            Value::Hole(_) => Some(0),
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
            Value::Hole(_) => visitor.visit_f64(0.0),
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
            Value::Null => Err(self.unfit(&visitor)),
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
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Hole(_) => visitor.visit_seq(Items([].iter().enumerate())),
            _ => Err(self.unfit(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), next: None }),
            Value::Hole(_) => visitor.visit_map(Entries { rest: [].iter(), next: None }),
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

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(NodeDeserializer(node))
            .map(Some)
            .map_err(|fault| fault.inside(Segment::Index(index)))
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, (Key, Node)>,
    next: Option<&'a (Key, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next = self.rest.next();
        let Some((key, _)) = self.next else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| fault.about_key(&key.name))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let Some((key, node)) = self.next.take() else {
            return Err(Fault::custom("a value was read before its key"));
        };
        seed.deserialize(NodeDeserializer(node)).map_err(|fault| fault.inside(Segment::Key(key.name.clone())))
    }
}

struct Word<'a> {
    word: &'a str,
    content: Option<&'a Node>,
    words: &'static [&'static str],
}

impl<'de, 'a> EnumAccess<'de> for Word<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.word.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Word<'_> {
    fn content<T>(&self, read: impl FnOnce(NodeDeserializer<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        match self.content {
            Some(node) if matches!(node.value, Value::Hole(_)) => read(NodeDeserializer(node)),
            Some(node) => {
                read(NodeDeserializer(node)).map_err(|fault| fault.inside(Segment::Key(self.word.to_owned())))
            }
            None => Err(Fault::custom(format!("`{0}` needs a value: write `{0}: …`", self.word))),
        }
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            Some(node) if !matches!(node.value, Value::Hole(_)) => {
                let message = format!("`{}` takes no value: one of {}", self.word, list(self.words));
                Err(Fault::custom(message).inside(Segment::Key(self.word.to_owned())))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        self.content(|node| seed.deserialize(node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.content(|node| node.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.content(|node| node.deserialize_map(visitor))
    }
}
