//! Text with `{name}` in it.

use crate::config::finding::Problem;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This text.
    Literal(Box<str>),
    /// The value of this name.
    Insert(Box<str>),
}

/// Splits a template into parts.
///
/// # Errors
/// A [`Problem`] with an empty path, for the caller to advise on.
pub fn parse(text: &str) -> Result<Vec<Part>, Problem> {
    let problem = || Problem::new("", format!("`{text}` has a brace without its counterpart"));
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, after) = rest.split_at(open);
        let inner = after.strip_prefix('{').ok_or_else(problem)?;
        let close = inner.find(['{', '}']).filter(|at| inner[*at..].starts_with('}')).ok_or_else(problem)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        parts.push(Part::Insert(inner[..close].into()));
        rest = &inner[close + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_names_take_turns() {
        let literal = |text: &str| Part::Literal(text.into());
        let insert = |text: &str| Part::Insert(text.into());
        assert_eq!(parse("/a/{b}{c}/d").unwrap(), [literal("/a/"), insert("b"), insert("c"), literal("/d")]);
        assert_eq!(parse("/a").unwrap(), [literal("/a")]);
        assert_eq!(parse("").unwrap(), []);
        for bad in ["{", "}", "/{a", "/a}", "{a{b}}", "{{a}}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
