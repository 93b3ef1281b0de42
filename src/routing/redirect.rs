//! Answering with another location.

use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{
    host::name_of,
    pattern::{Captures, names_of},
    request::RequestParts,
    rewrite::single_leading_slash,
    template::{self, IN_PATH, IN_QUERY, IN_QUERY_VALUE, Part},
};
use crate::config::{
    finding::Problem,
    route::{MatchConfig, RedirectConfig},
};

/// A compiled redirect.
///
/// A client can choose neither the scheme nor, unless the operator inserts
/// `{host}`, the host of the location: captured values only reach its path and
/// query, and are encoded for the place where they stand.
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    pieces: Box<[Piece]>,
    /// Whether the location is a path on the same host.
    local: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<str>),
    Capture(Box<str>, &'static AsciiSet),
    Path(&'static AsciiSet),
    Query,
    Host,
}

impl Redirect {
    /// Compiles a redirect; what it may insert depends on the paths of the route.
    ///
    /// # Errors
    /// Every [`Problem`], with paths relative to `redirect`.
    pub fn compile(config: &RedirectConfig, matches: &MatchConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let status = match config.status {
            301 | 302 | 303 | 307 | 308 => StatusCode::from_u16(config.status).ok(),
            _ => None,
        };
        if status.is_none() {
            problems.push(
                Problem::new("status", format!("{} is not a redirect with a location", config.status))
                    .hint("use 301, 302, 303, 307 or 308"),
            );
        }
        let parts = template::parse(&config.to).unwrap_or_else(|problem| {
            problems.push(problem.within("to"));
            Vec::new()
        });
        if let Some(names) = names_of(matches) {
            let known: Vec<&str> =
                names.iter().map(String::as_str).chain(["path", "query", "host"]).collect();
            let unknown = template::unknown_names(&parts, &known);
            problems.extend(unknown.into_iter().map(|problem| problem.within("to")));
        }
        if problems.is_empty() {
            problems.extend(faults(&config.to, &parts).map(|problem| problem.within("to")));
        }
        match status {
            Some(status) if problems.is_empty() => {
                Ok(Self { status, pieces: pieces(parts), local: !config.to.starts_with("http") })
            }
            _ => Err(problems),
        }
    }

    /// The status code of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The value of `Location` (RFC 9110 section 10.2.2).
    ///
    /// `None` when it needs the host and the request names none that is a host.
    pub fn location(&self, request: &RequestParts<'_>, captures: &Captures<'_, '_>) -> Option<HeaderValue> {
        let mut location = String::with_capacity(request.path.len() + 64);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => location.push_str(text),
                Piece::Capture(name, set) => {
                    let value = captures.get(name).unwrap_or_default();
                    location.extend(utf8_percent_encode(value, set));
                }
                Piece::Path(set) => {
                    let path = if request.path.starts_with('/') { request.path } else { "/" };
                    location.extend(utf8_percent_encode(path, set));
                }
                Piece::Query => {
                    if let Some(query) = request.query {
                        location.push('?');
                        location.extend(utf8_percent_encode(query, IN_QUERY));
                    }
                }
                Piece::Host => location.push_str(plain_host(request.host)?),
            }
        }
        if self.local {
            single_leading_slash(&mut location);
        }
        HeaderValue::try_from(location).ok()
    }
}

/// The host of a request, if it is made only of what hosts are made of.
fn plain_host(authority: &str) -> Option<&str> {
    let name = name_of(authority);
    let plain = match name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
    };
    (plain && !name.is_empty()).then_some(name)
}

/// Chooses the encoding for each place: behind a `?`, a value must stay one value.
fn pieces(parts: Vec<Part>) -> Box<[Piece]> {
    let mut set = IN_PATH;
    let piece = |part| match part {
        Part::Literal(text) => {
            if text.contains(['?', '#']) {
                set = IN_QUERY_VALUE;
            }
            Piece::Literal(text)
        }
        Part::Insert(name) => match &*name {
            "path" => Piece::Path(set),
            "query" => {
                set = IN_QUERY_VALUE;
                Piece::Query
            }
            "host" => Piece::Host,
            _ => Piece::Capture(name, set),
        },
    };
    parts.into_iter().map(piece).collect()
}

/// What makes a location unsafe or useless, whatever is inserted.
fn faults(to: &str, parts: &[Part]) -> Option<Problem> {
    let fault = |what: &str, hint: &str| Some(Problem::new("", format!("`{to}` {what}")).hint(hint));
    let literals = parts.iter().filter_map(|part| match part {
        Part::Literal(text) => Some(&**text),
        Part::Insert(_) => None,
    });
    if literals.clone().flat_map(str::bytes).any(|b| !b.is_ascii_graphic() || b"\"<>\\^`|".contains(&b)) {
        return fault("has a character that no location can have", "write it percent-encoded");
    }
    let before_query = parts.iter().take_while(|part| **part != Part::Insert("query".into()));
    if before_query.clone().count() < parts.len()
        && before_query.clone().any(|part| matches!(part, Part::Literal(text) if text.contains(['?', '#'])))
    {
        return fault("has a `?` or `#` before `{query}`", "`{query}` brings its own `?`");
    }
    let Some(after) = to.strip_prefix("https://").or_else(|| to.strip_prefix("http://")) else {
        return match to {
            _ if to.starts_with("//") => fault("leaves the scheme open", "write `https://…`"),
            _ if to.starts_with('/') || to.starts_with("{path}") => None,
            _ => fault("is no location", "start with `/`, `https://`, `http://` or `{path}`"),
        };
    };
    // Up to the first of these, a value would choose the host.
    let end = ["/", "?", "#", "{path}", "{query}"].iter().filter_map(|end| after.find(end)).min();
    let authority = &after[..end.unwrap_or(after.len())];
    if authority.is_empty() {
        return fault("names no host", "write one, or `{host}` for the client's");
    }
    if authority.replace("{host}", "").contains('{') {
        return fault(
            "lets the client choose the host",
            "captured values may stand behind the first `/` only",
        );
    }
    None
}

#[cfg(test)]
mod tests;
