//! The parts of lists, maps and variants; here every error learns its step of the path.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::StrDeserializer,
    },
};

use super::{
    super::{
        fault::Fault,
        path::Segment,
        tree::{Key, Node, Value},
    },
    NodeDeserializer, list,
};

/// The items of a list.
pub(super) struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'a> Items<'a> {
    pub fn of(items: &'a [Node]) -> Self {
        Self(items.iter().enumerate())
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(NodeDeserializer(node))
            .map(Some)
            .map_err(|fault| fault.inside(Segment::Index(index)))
    }
}

/// The entries of a map.
pub(super) struct Entries<'a> {
    rest: std::slice::Iter<'a, (Key, Node)>,
    next: Option<&'a (Key, Node)>,
}

impl<'a> Entries<'a> {
    pub fn of(entries: &'a [(Key, Node)]) -> Self {
        Self { rest: entries.iter(), next: None }
    }
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

/// One of several words, alone or as the only key of a map.
pub(super) struct Word<'a> {
    pub word: &'a str,
    pub content: Option<&'a Node>,
    pub words: &'static [&'static str],
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
