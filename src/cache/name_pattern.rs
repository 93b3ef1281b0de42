//! Names of query parameters, as an operator lists them.

use crate::grammar::query::decoded;

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
}
