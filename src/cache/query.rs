//! A query as a form encodes it (`application/x-www-form-urlencoded`), pair by pair.

use std::{borrow::Cow, iter};

/// The pairs as they were sent, without empty ones.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

/// The name of a pair, encoded, and its value, encoded: empty without `=`.
pub(super) fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// Decoded bytes. Allocates only if there is something to decode.
pub(super) fn decode(raw: &str) -> Cow<'_, [u8]> {
    match memchr::memchr2(b'%', b'+', raw.as_bytes()) {
        Some(_) => Cow::Owned(decoded(raw).collect()),
        None => Cow::Borrowed(raw.as_bytes()),
    }
}

/// The same, byte by byte. A `%` that starts no escape stands for itself.
pub(super) fn decoded(raw: &str) -> impl Iterator<Item = u8> {
    let mut rest = raw.as_bytes();
    iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            b'+' => Some(b' '),
            b'%' => match escape(tail) {
                Some(byte) => {
                    rest = &tail[2..];
                    Some(byte)
                }
                None => Some(b'%'),
            },
            byte => Some(byte),
        }
    })
}

fn escape(after_percent: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*after_percent.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Names of parameters: one, or with `*` at its end all that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamePattern {
    /// This name.
    Name(Box<[u8]>),
    /// All names that begin so.
    Prefix(Box<[u8]>),
}

impl NamePattern {
    /// Reads a pattern; what is wrong with it otherwise.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_suffix('*') {
            _ if text.is_empty() => Err("a name is empty"),
            Some("") => Err("`*` alone names everything"),
            Some(prefix) if !prefix.contains('*') => Ok(Self::Prefix(prefix.as_bytes().into())),
            None if !text.contains('*') => Ok(Self::Name(text.as_bytes().into())),
            _ => Err("`*` stands only at the end of a name"),
        }
    }

    /// Whether a name, encoded, is meant once it is decoded.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => decoded(name).eq(wanted.iter().copied()),
            Self::Prefix(wanted) => decoded(name).take(wanted.len()).eq(wanted.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_decoded() {
        let name = NamePattern::parse("utm source").unwrap();
        assert!(name.matches("utm+source") && name.matches("%75tm%20source"));
        assert!(!name.matches("utm") && !name.matches("utm+sources"));
        let prefix = NamePattern::parse("utm_*").unwrap();
        assert!(prefix.matches("utm_source") && prefix.matches("utm%5fx") && prefix.matches("utm_"));
        assert!(!prefix.matches("utm"));
    }

    #[test]
    fn a_star_stands_at_the_end() {
        for bad in ["", "*", "a*b", "*a", "a**"] {
            assert!(NamePattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(text in ".{0,16}") {
            let raw = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(&*decode(&raw), text.as_bytes());
        }

        #[test]
        fn no_text_upsets_the_decoder(text in ".{0,16}") {
            prop_assert!(decode(&text).len() <= text.len());
        }
    }
}
