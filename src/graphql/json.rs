//! The JSON of an answer, read once and never copied.
//!
//! [`Json::read`] checks the text and notes where each value is. What a query selects is later
//! copied from the text into the response as it stands, escapes and digits included; what it
//! does not select costs nothing more.

mod read;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

pub use read::Malformed;

/// A checked JSON text and the places of its values.
#[derive(Debug)]
pub struct Json {
    text: Bytes,
    nodes: Box<[Node]>,
}

/// A value, by its place in [`Json`]. The first is the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

impl NodeId {
    /// The whole text.
    pub const ROOT: NodeId = NodeId(0);
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `false`.
    False,
    /// `true`.
    True,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
    /// The name of a member, which is no value.
    Name,
}

/// Where a value is. The nodes of an array's items, and of an object's names and values in
/// turn, follow its own.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// First byte; of a string, the quotation mark.
    start: u32,
    /// One past the last byte.
    end: u32,
    /// The node after this one and all within; of a name, its object.
    next: u32,
    /// Items or members within.
    count: u32,
    kind: Kind,
    /// Whether a string or a name has escapes.
    is_escaped: bool,
}

/// Where a member was last found, counted in nodes from its object. Objects of a list are
/// alike, so the next one mostly has it there as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint(u32);

impl Json {
    /// The text `null`.
    pub fn null() -> Json {
        let node = Node { start: 0, end: 4, next: 1, count: 0, kind: Kind::Null, is_escaped: false };
        Json { text: Bytes::from_static(b"null"), nodes: Box::new([node]) }
    }

    /// What a value is.
    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    /// A value as it is written.
    pub fn raw(&self, id: NodeId) -> &[u8] {
        let node = self.node(id);
        &self.text[node.start as usize..node.end as usize]
    }

    /// The items of an array, or the members of an object.
    pub fn len(&self, id: NodeId) -> usize {
        self.node(id).count as usize
    }

    /// The content of a string.
    pub fn string(&self, id: NodeId) -> Option<Cow<'_, str>> {
        let node = self.node(id);
        (node.kind == Kind::String).then(|| self.content(node))?
    }

    fn content(&self, node: Node) -> Option<Cow<'_, str>> {
        if node.is_escaped {
            let quoted = &self.text[node.start as usize..node.end as usize];
            return serde_json::from_slice(quoted).ok().map(Cow::Owned);
        }
        std::str::from_utf8(&self.text[node.start as usize + 1..node.end as usize - 1])
            .ok()
            .map(Cow::Borrowed)
    }

    /// A string, a number or a truth value as text.
    pub fn scalar(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match self.kind(id) {
            Kind::String => self.string(id),
            Kind::Number | Kind::True | Kind::False => {
                std::str::from_utf8(self.raw(id)).ok().map(Cow::Borrowed)
            }
            Kind::Null | Kind::Array | Kind::Object | Kind::Name => None,
        }
    }

    /// The items of an array; of anything else, none.
    pub fn items(&self, id: NodeId) -> Items<'_> {
        let node = self.node(id);
        let left = if node.kind == Kind::Array { node.count } else { 0 };
        Items { json: self, at: id.0 + 1, left }
    }

    /// A member of an object. Of several with the same name, the first.
    pub fn member(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let node = self.node(id);
        if node.kind != Kind::Object {
            return None;
        }
        let mut at = id.0 + 1;
        for _ in 0..node.count {
            if self.is_named(at, name) {
                return Some(NodeId(at + 1));
            }
            at = self.nodes[at as usize + 1].next;
        }
        None
    }

    /// A member of an object, looked for first where the hint says.
    pub fn member_near(&self, id: NodeId, name: &str, hint: &mut Hint) -> Option<NodeId> {
        let guess = id.0 + hint.0;
        let guessed = self.nodes.get(guess as usize);
        if guessed.is_some_and(|node| node.kind == Kind::Name && node.next == id.0)
            && self.is_named(guess, name)
        {
            return Some(NodeId(guess + 1));
        }
        let found = self.member(id, name)?;
        *hint = Hint(found.0 - 1 - id.0);
        Some(found)
    }

    /// A value deep in objects, each step the name of a member or, in an array, an index.
    pub fn dig(&self, id: NodeId, path: &[Box<str>]) -> Option<NodeId> {
        path.iter().try_fold(id, |at, step| match self.kind(at) {
            Kind::Array => self.items(at).nth(step.parse().ok()?),
            _ => self.member(at, step),
        })
    }

    /// A value as an owned one.
    pub fn to_value(&self, id: NodeId) -> Value {
        serde_json::from_slice(self.raw(id)).unwrap_or_default()
    }

    /// The size in memory in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + self.nodes.len() * size_of::<Node>()
    }

    fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    /// Whether a node is the string `name`.
    fn is_named(&self, at: u32, name: &str) -> bool {
        let node = self.nodes[at as usize];
        let inside = &self.text[node.start as usize + 1..node.end as usize - 1];
        if node.is_escaped {
            return self.content(node).is_some_and(|found| found == name);
        }
        inside == name.as_bytes()
    }
}

/// The items of an array.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    json: &'a Json,
    at: u32,
    left: u32,
}

impl Iterator for Items<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        self.left = self.left.checked_sub(1)?;
        let id = NodeId(self.at);
        self.at = self.json.node(id).next;
        Some(id)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

#[cfg(test)]
mod tests;
