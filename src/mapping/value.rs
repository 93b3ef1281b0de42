//! Texts as JSON strings, and the constants that rules put into a body.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    scan::{self, Extent, Key},
    tree::Node,
};

/// The text that the inside of a checked JSON string stands for.
pub fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    // What was checked can be read.
    Cow::Owned(serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_default())
}

/// A text as a JSON string, with its quotes.
pub fn encode(text: &str) -> Box<str> {
    Value::from(text).to_string().into()
}

/// The name of a member, as the operator meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    text: Box<str>,
    raw: Box<str>,
    escaped: bool,
    index: Option<usize>,
}

impl Name {
    /// A name.
    pub fn new(text: &str) -> Self {
        let quoted = encode(text);
        let raw = &quoted[1..quoted.len() - 1];
        // As RFC 6901 has it: no sign, no leading zero.
        let is_index = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let index = text.parse().ok().filter(|_| is_index);
        Self { text: text.into(), escaped: raw.contains('\\'), raw: raw.into(), index }
    }

    /// The name itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name as it is written in a body.
    pub fn key(&self) -> Key<'_> {
        Key { raw: &self.raw, escaped: self.escaped }
    }

    /// Whether a member has this name.
    pub fn is(&self, key: &Key<'_>) -> bool {
        if key.escaped { *key.text() == *self.text } else { !self.escaped && *key.raw == *self.raw }
    }

    /// The element of an array that it stands for.
    pub fn index(&self) -> Option<usize> {
        self.index
    }
}

/// A value that a rule puts into a body: JSON text with its containers measured.
#[derive(Clone, Debug)]
pub struct Constant {
    text: Box<str>,
    extents: Box<[Extent]>,
}

impl Constant {
    /// A constant; `None` if it is nested too deeply.
    pub fn new(value: &Value) -> Option<Self> {
        let text = value.to_string();
        let extents = scan::scan(text.as_bytes()).ok()?.1.into();
        Some(Self { text: text.into(), extents })
    }

    /// The constant as a part of a body.
    pub fn node(&self) -> Node<'_> {
        Node::Text(&self.text, &self.extents)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_by_what_they_mean() {
        let key = |raw| Key { raw, escaped: str::contains(raw, '\\') };
        assert!(Name::new("a").is(&key("a")));
        assert!(Name::new("a").is(&key("\\u0061")));
        assert!(Name::new("a\nb").is(&key("a\\nb")));
        assert!(!Name::new("a\\nb").is(&key("a\\nb")));
        assert!(Name::new("a\\nb").is(&key("a\\\\nb")));
        assert_eq!(Name::new("10").index(), Some(10));
        assert_eq!(Name::new("0").index(), Some(0));
        for no in ["01", "+1", "", "a", "99999999999999999999999"] {
            assert_eq!(Name::new(no).index(), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn a_text_comes_back(text in any::<String>()) {
            let quoted = encode(&text);
            prop_assert_eq!(decode(&quoted[1..quoted.len() - 1]), text.as_str());
            let name = Name::new(&text);
            prop_assert!(name.is(&name.key()));
        }
    }
}
