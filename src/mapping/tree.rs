//! A body as far as rules look into it.
//!
//! A container stays a piece of the checked text until a rule goes into it; then it is
//! opened, one level. Whatever no rule goes into is copied as it stands.

use std::borrow::Cow;

use super::{
    scan::{Extent, Key, plain, spaces},
    value::{self, Name},
};

/// Members of a usual object.
const USUAL_MEMBERS: usize = 8;
/// Bytes of the shortest member, with its comma: `"":0,`.
const SHORTEST_MEMBER: usize = 5;

/// A value.
#[derive(Debug)]
pub enum Node<'a> {
    /// As in the text it came from, with the extents of a container.
    Text(&'a str, &'a [Extent]),
    /// A scalar that a rule has made.
    Made(Box<str>),
    /// An object that a rule has looked into.
    Object(Vec<Member<'a>>),
    /// An array that a rule has looked into.
    Array(Vec<Node<'a>>),
}

/// A member of an object.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its name.
    pub key: Key<'a>,
    /// Its value.
    pub value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The value of a checked text.
    pub fn root(text: &'a str, extents: &'a [Extent]) -> Self {
        Self::Text(text.trim_matches([' ', '\n', '\r', '\t']), extents)
    }

    /// A text as a value.
    pub fn text(text: &str) -> Self {
        Self::Made(value::encode(text))
    }

    /// The members, if it is an object.
    pub fn members(&mut self) -> Option<&mut Vec<Member<'a>>> {
        if let Self::Text(text, extents) = *self
            && text.starts_with('{')
        {
            *self = Self::Object(Parts { text, at: 1, extents: extents.get(1..)? }.members());
        }
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn elements(&mut self) -> Option<&mut Vec<Node<'a>>> {
        if let Self::Text(text, extents) = *self
            && text.starts_with('[')
        {
            *self = Self::Array(Parts { text, at: 1, extents: extents.get(1..)? }.elements());
        }
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// A scalar as it is written.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text, _) if !text.starts_with(['{', '[']) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }

    /// A string's text.
    pub fn string(&self) -> Option<Cow<'_, str>> {
        let inside = self.scalar()?.strip_prefix('"')?.strip_suffix('"')?;
        Some(value::decode(inside))
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.scalar() == Some("null")
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        match self {
            Self::Object(_) => true,
            Self::Text(text, _) => text.starts_with('{'),
            _ => false,
        }
    }

    /// The member of this name, or the element of this index.
    pub fn child(&mut self, name: &Name) -> Option<&mut Self> {
        if self.is_object() {
            let members = self.members()?;
            return members.iter_mut().find(|member| name.is(&member.key)).map(|member| &mut member.value);
        }
        self.elements()?.get_mut(name.index()?)
    }

    /// Takes the member of this name, or the element of this index.
    pub fn take(&mut self, name: &Name) -> Option<Self> {
        if self.is_object() {
            let members = self.members()?;
            let at = members.iter().position(|member| name.is(&member.key))?;
            return Some(members.remove(at).value);
        }
        let (at, elements) = (name.index()?, self.elements()?);
        (at < elements.len()).then(|| elements.remove(at))
    }

    /// Appends the value as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text, _) => out.extend_from_slice(text.as_bytes()),
            Self::Made(text) => out.extend_from_slice(text.as_bytes()),
            Self::Object(members) => {
                let mut before = b'{';
                for member in members {
                    out.extend_from_slice(&[before, b'"']);
                    out.extend_from_slice(member.key.raw.as_bytes());
                    out.extend_from_slice(b"\":");
                    member.value.write(out);
                    before = b',';
                }
                out.extend_from_slice(if members.is_empty() { b"{}" } else { b"}" });
            }
            Self::Array(elements) => {
                let mut before = b'[';
                for element in elements {
                    out.push(before);
                    element.write(out);
                    before = b',';
                }
                out.extend_from_slice(if elements.is_empty() { b"[]" } else { b"]" });
            }
        }
    }
}

/// Reads one level of a checked container, from behind its opening bracket.
struct Parts<'a> {
    text: &'a str,
    at: usize,
    /// Of the containers ahead.
    extents: &'a [Extent],
}

impl<'a> Parts<'a> {
    fn members(mut self) -> Vec<Member<'a>> {
        // A list of empty objects must not take a hundred times its own room.
        let mut members = Vec::with_capacity(USUAL_MEMBERS.min(self.text.len() / SHORTEST_MEMBER));
        while self.next() == Some(b'"') {
            let start = self.at + 1;
            let escaped = self.string();
            let key = Key { raw: &self.text[start..self.at - 1], escaped };
            members.push(Member { key, value: self.value() });
        }
        members
    }

    fn elements(mut self) -> Vec<Node<'a>> {
        let mut elements = Vec::new();
        while !matches!(self.next(), Some(b']') | None) {
            elements.push(self.value());
        }
        elements
    }

    /// Goes to the next byte that belongs to a value or ends the container.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            self.at += spaces(bytes.get(self.at..)?);
            match bytes.get(self.at)? {
                b',' | b':' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn value(&mut self) -> Node<'a> {
        let byte = self.next();
        let start = self.at;
        match (byte, self.extents.first()) {
            (Some(b'{' | b'['), Some(extent)) => {
                self.at += extent.bytes as usize;
                let (own, ahead) = self.extents.split_at(extent.containers as usize);
                self.extents = ahead;
                return Node::Text(&self.text[start..self.at], own);
            }
            (Some(b'"'), _) => {
                self.string();
            }
            _ => {
                let rest = &self.text.as_bytes()[start..];
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        Node::Text(&self.text[start..self.at], &[])
    }

    /// Goes behind the closing quote. Whether there were escapes.
    fn string(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain(&bytes[self.at..]);
            if bytes.get(self.at) != Some(&b'\\') {
                self.at += 1;
                return escaped;
            }
            escaped = true;
            self.at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::scan::scan, *};

    #[test]
    fn small_objects_take_little_room() {
        for (text, room) in [("{}", 0), (r#"{"":0}"#, 1), (r#"{"a":1}"#, 1), (r#"{"a":"0123456789"}"#, 3)] {
            let (text, extents) = scan(text.as_bytes()).unwrap();
            let mut node = Node::root(text, &extents);
            assert_eq!(node.members().unwrap().capacity(), room, "{text}");
        }
    }
}
