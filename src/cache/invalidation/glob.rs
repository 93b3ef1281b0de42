//! Patterns on host and path: `/patients/**`, `*.example.org/static/*.css`.

use std::{fmt, sync::Arc};

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// Bytes of the longest pattern.
pub const MAX_LEN: usize = 1024;

/// The most wildcards in one pattern.
pub const MAX_WILDCARDS: usize = 16;

/// Bytes a compiled pattern may take, and what it may use for its work in each thread.
const MAX_COMPILED: usize = 512 * 1024;
const MAX_SCRATCH: usize = 64 * 1024;

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing between the quotes.
    #[error("the pattern is empty")]
    Empty,
    /// More than [`MAX_LEN`] bytes.
    #[error("the pattern is longer than {MAX_LEN} bytes")]
    TooLong,
    /// More than [`MAX_WILDCARDS`] wildcards.
    #[error("the pattern has more than {MAX_WILDCARDS} wildcards")]
    TooManyWildcards,
    /// A byte that no host or path has.
    #[error("the pattern holds {0:?}, which no host or path has; percent-encode it")]
    Character(char),
    /// A query or a fragment.
    #[error("the pattern holds `{0}`: patterns are compared with host and path, whatever the query")]
    Query(char),
    /// Neither a letter nor a digit.
    #[error(
        "the pattern names no host and no path: it would match everything; write `\"all\": true` if that is meant"
    )]
    Everything,
    /// A host alone, which is never followed by nothing.
    #[error("the pattern has no path: begin it with `/`, or end a host with `/**`")]
    NoPath,
}

/// A pattern. `*` stands for any bytes but `/`, `**` for any bytes; `/**` at the end also
/// for nothing, as in the paths of routes: `/a/**` takes `/a` and everything below.
///
/// A pattern that begins with `/` is compared with the path, every other with host and path.
/// The query is never looked at.
#[derive(Clone)]
pub struct Glob(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    /// Bytes of `text` before the first wildcard.
    literal: usize,
    rest: Rest,
}

/// What follows the literal beginning.
enum Rest {
    /// Nothing.
    End,
    /// Nothing, or `/` and anything.
    Below,
    /// Something with wildcards; the expression is for the whole.
    Mixed(Regex),
}

impl Glob {
    /// Parses a pattern. A scheme before the host is dropped, and the host lower-cased.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let text = normalised(text)?;
        let (base, below) = text.strip_suffix("/**").map_or((&*text, false), |base| (base, true));
        if !base.bytes().any(|byte| byte.is_ascii_alphanumeric()) && text.contains('*') {
            return Err(GlobError::Everything);
        }
        if !text.starts_with('/') && !text.contains('/') && !text.contains("**") {
            return Err(GlobError::NoPath);
        }
        let literal = base.find('*').unwrap_or(base.len());
        let rest = match (literal == base.len(), below) {
            (true, true) => Rest::Below,
            (true, false) => Rest::End,
            (false, _) => Rest::Mixed(compile(base, below)?),
        };
        Ok(Self(Arc::new(Compiled { literal, rest, text: text.into() })))
    }

    /// Whether it takes this host and path, written `host/path`. The time is linear in the
    /// length of the target.
    pub fn matches(&self, target: &[u8]) -> bool {
        let Compiled { text, literal, rest } = &*self.0;
        let subject = match (text.starts_with('/'), memchr::memchr(b'/', target)) {
            (true, Some(path)) => &target[path..],
            (true, None) => return false,
            (false, _) => target,
        };
        let Some(after) = subject.strip_prefix(&text.as_bytes()[..*literal]) else { return false };
        match rest {
            Rest::End => after.is_empty(),
            Rest::Below => matches!(after, [] | [b'/', ..]),
            Rest::Mixed(whole) => whole.is_match(subject),
        }
    }

    /// The pattern as it is compared.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({})", self.text())
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Glob {}

/// The pattern without a scheme, with its host in lower case and no run of more than two stars.
fn normalised(text: &str) -> Result<String, GlobError> {
    if text.len() > MAX_LEN {
        return Err(GlobError::TooLong);
    }
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let scheme = ["http://", "https://"].into_iter().find(|scheme| lower.starts_with(scheme));
    let text = &text[scheme.map_or(0, str::len)..];
    if text.is_empty() {
        return Err(GlobError::Empty);
    }
    match text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        Some(c @ ('?' | '#')) => return Err(GlobError::Query(c)),
        Some(c) => return Err(GlobError::Character(c)),
        None => {}
    }
    // What follows `**` may be a path.
    let host_end = text.find('/').into_iter().chain(text.find("**")).min().unwrap_or(text.len());
    let mut normal = text[..host_end].to_ascii_lowercase();
    for c in text[host_end..].chars() {
        if c != '*' || !normal.ends_with("**") {
            normal.push(c);
        }
    }
    Ok(normal)
}

/// The pattern as an expression for the whole subject: such an expression has no
/// back-references, and its engine never goes back in the subject.
fn compile(base: &str, below: bool) -> Result<Regex, GlobError> {
    let mut expression = String::from(r"\A");
    let mut wildcards = 0;
    let mut rest = base;
    while let Some(star) = rest.find('*') {
        expression += &regex::escape(&rest[..star]);
        let any = rest[star..].starts_with("**");
        expression += if any { ".*" } else { "[^/]*" };
        rest = &rest[star + 1 + usize::from(any)..];
        wildcards += 1;
    }
    expression += &regex::escape(rest);
    expression += if below { r"(?:/.*)?\z" } else { r"\z" };
    if wildcards > MAX_WILDCARDS {
        return Err(GlobError::TooManyWildcards);
    }
    RegexBuilder::new(&expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_SCRATCH)
        .build()
        .map_err(|_| GlobError::TooLong)
}

#[cfg(test)]
mod tests;
