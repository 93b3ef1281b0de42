//! Text with `{name}` in it, for paths and URLs.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC};

use super::pattern::REST;
pub(super) use crate::grammar::template::Part;
use crate::{config::finding::Problem, grammar::template};

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

/// Splits a template for a URL into parts.
///
/// # Errors
/// A [`Problem`] with an empty path.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, Problem> {
    template::parse(text)
        .map_err(|problem| problem.hint("`{name}` inserts a value; write `%7B` and `%7D` for braces"))
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
