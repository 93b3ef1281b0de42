//! Text with `{name}` in it.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC};

use super::pattern::REST;
use crate::config::finding::Problem;

/// What cannot stand in a path (RFC 3986 section 3.3). Escapes stay as they were sent.
pub(super) const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in a query (RFC 3986 section 3.4).
pub(super) const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in one value of a query: everything not unreserved (RFC 3986 section 2.3).
pub(super) const IN_QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This text.
    Literal(Box<str>),
    /// The value of this name.
    Insert(Box<str>),
}

/// Splits a template into parts.
///
/// # Errors
/// A [`Problem`] with an empty path.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, Problem> {
    let problem = || {
        Problem::new("", format!("`{text}` has a brace without its counterpart"))
            .hint("`{name}` inserts a value; write `%7B` and `%7D` for braces")
    };
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

/// Reports every name in a template that is not known.
pub(super) fn unknown_names(parts: &[Part], known: &[&str]) -> Vec<Problem> {
    let unknown = parts.iter().filter_map(|part| match part {
        Part::Insert(name) if !known.contains(&&**name) => Some(&**name),
        _ => None,
    });
    unknown.map(|name| unknown_name(name, known)).collect()
}

fn unknown_name(name: &str, known: &[&str]) -> Problem {
    let problem =
        Problem::new("", format!("`{{{name}}}` is captured by no path, or not by every path, of this route"));
    let near = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4);
    match near {
        Some((_, candidate)) => problem.hint(format!("did you mean `{{{candidate}}}`?")),
        None if name == REST => problem.hint("`{rest}` needs paths that end in `/**`"),
        None if known.is_empty() => problem.hint("capture it with a path such as `/{name}/**`"),
        None => problem.hint(format!(
            "known are {}",
            known.iter().map(|k| format!("`{{{k}}}`")).collect::<Vec<_>>().join(", ")
        )),
    }
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

    #[test]
    fn unknown_names_get_advice() {
        let hint = |text: &str, known: &[&str]| {
            unknown_names(&parse(text).unwrap(), known)
                .into_iter()
                .map(|p| p.hint.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(hint("/{versoin}", &["version", "id"]), ["did you mean `{version}`?"]);
        assert_eq!(hint("/{rest}", &["version"]), ["`{rest}` needs paths that end in `/**`"]);
        assert_eq!(hint("/{x}/{y}", &["version"]), ["known are `{version}`"; 2]);
        assert_eq!(hint("/{xyz}", &[]), ["capture it with a path such as `/{name}/**`"]);
        assert!(hint("/{version}", &["version"]).is_empty());
    }
}
