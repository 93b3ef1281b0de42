//! Changing the request target on its way to the upstream.

use http::HeaderValue;
use percent_encoding::utf8_percent_encode;

use super::{
    host::HostPattern,
    path::{canonical_escapes, has_empty_segment, suspicious},
    pattern::{Captures, names_of, patterns_of},
    template::{self, IN_PATH, Part},
};
use crate::config::{
    finding::Problem,
    route::{MatchConfig, RewriteConfig},
};

/// The compiled changes of one route.
#[derive(Clone, Debug)]
pub struct Rewrite {
    path: PathRewrite,
    host: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
enum PathRewrite {
    /// Cut off one prefix and put another in front. Neither ends in a slash; empty: nothing.
    Prefix { strip: Box<str>, add: Box<str> },
    /// A new path from what was captured.
    Template(Box<[Part]>),
}

impl Rewrite {
    /// Compiles the changes; what they may insert depends on the paths of the route.
    ///
    /// # Errors
    /// Every [`Problem`], with paths relative to `rewrite`.
    pub fn compile(config: &RewriteConfig, matches: &MatchConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let path = match &config.path {
            None => {
                let strip = prefix(config.strip_prefix.as_deref(), "strip_prefix", &mut problems);
                problems.extend(never_cut(&strip, matches));
                let add = prefix(config.add_prefix.as_deref(), "add_prefix", &mut problems);
                PathRewrite::Prefix { strip, add }
            }
            Some(text) => {
                if config.strip_prefix.is_some() || config.add_prefix.is_some() {
                    let message = "`path` is a whole new path, so no prefix can be changed";
                    problems
                        .push(Problem::new("path", message).hint("remove `strip_prefix` and `add_prefix`"));
                }
                match new_path(text, matches) {
                    Ok(parts) => PathRewrite::Template(parts.into()),
                    Err(found) => {
                        problems.extend(found.into_iter().map(|problem| problem.within("path")));
                        PathRewrite::Template(Box::default())
                    }
                }
            }
        };
        let host = config
            .host
            .as_deref()
            .and_then(|text| host(text).map_err(|problem| problems.push(problem.within("host"))).ok());
        if problems.is_empty() { Ok(Self { path, host }) } else { Err(problems) }
    }

    /// The `Host` field for the backend, when it is not the client's.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// The new path and query. `None` when nothing changes.
    ///
    /// The path starts with exactly one slash, whatever was captured or cut
    /// off; the query stays. A target without path (`*`) never changes.
    pub fn apply(&self, path: &str, query: Option<&str>, captures: &Captures<'_, '_>) -> Option<String> {
        if !path.starts_with('/') {
            return None;
        }
        let mut target = String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1) + 32);
        match &self.path {
            PathRewrite::Prefix { strip, add } => {
                let rest = cut(path, strip);
                if add.is_empty() && rest.len() == path.len() {
                    return None;
                }
                target.push_str(add);
                target.push_str(rest);
            }
            PathRewrite::Template(parts) => {
                for part in parts {
                    match part {
                        Part::Literal(text) => target.push_str(text),
                        Part::Insert(name) => {
                            let value = captures.get(name).unwrap_or_default();
                            target.extend(utf8_percent_encode(value, IN_PATH));
                        }
                    }
                }
            }
        }
        single_leading_slash(&mut target);
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        Some(target)
    }
}

/// What is left of a path when a prefix of whole segments is cut off: empty, or with its slash.
fn cut<'p>(path: &'p str, prefix: &str) -> &'p str {
    match path.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Makes a path start with one slash: `//host/x` could be read as another host.
pub(super) fn single_leading_slash(path: &mut String) {
    let slashes = path.bytes().take_while(|byte| *byte == b'/').count();
    match slashes {
        0 => path.insert(0, '/'),
        1 => {}
        _ => drop(path.drain(..slashes - 1)),
    }
}

fn prefix(text: Option<&str>, key: &str, problems: &mut Vec<Problem>) -> Box<str> {
    let Some(text) = text else { return Box::default() };
    let mut problem = |what: String, hint: &str| problems.push(Problem::new(key, what).hint(hint));
    if !text.starts_with('/') {
        problem(format!("`{text}` does not start with `/`"), "write a path such as `/api`");
    } else if text == "/" {
        problem("`/` changes nothing".to_owned(), "write a path such as `/api`");
    } else if text.contains(['{', '}', '*', '?']) {
        problem(format!("`{text}` is not a plain path"), "use `path` for templates");
    } else if let Some(reason) = suspicious(text).or(has_empty_segment(text).then_some("an empty segment")) {
        problem(format!("`{text}` has {reason}"), "write the path as it is sent, percent-encoded");
    }
    canonical_escapes(text.trim_end_matches('/')).into()
}

/// A prefix that no path of the route has is a mistake, most often of spelling.
fn never_cut(strip: &str, matches: &MatchConfig) -> Option<Problem> {
    let segments = strip.strip_prefix('/')?.split('/');
    let reachable = patterns_of(matches)?.iter().any(|pattern| pattern.may_start_with(segments.clone()));
    (!reachable).then(|| {
        Problem::new("strip_prefix", format!("no path of this route starts with `{strip}`"))
            .hint("compare it with `match.path`")
    })
}

fn new_path(text: &str, matches: &MatchConfig) -> Result<Vec<Part>, Vec<Problem>> {
    let parts = template::parse(text).map_err(|problem| vec![problem])?;
    let mut problems = match names_of(matches) {
        Some(names) => template::unknown_names(&parts, &names.iter().map(String::as_str).collect::<Vec<_>>()),
        None => Vec::new(),
    };
    if !text.starts_with('/') {
        problems.push(Problem::new("", format!("`{text}` does not start with `/`")));
    }
    if text.contains('?') {
        problems.push(Problem::new("", format!("`{text}` has a query")).hint("the client's query is kept"));
    }
    // What it comes to with the plainest values: `/{id}` can be no better than `/x`.
    let mut sample = String::new();
    for part in &parts {
        match part {
            Part::Literal(text) => sample.push_str(text),
            Part::Insert(_) => sample.push('x'),
        }
    }
    if let Some(reason) = suspicious(&sample) {
        problems.push(Problem::new("", format!("`{text}` has {reason}")).hint("write it percent-encoded"));
    }
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

/// A host with or without port, as a field value.
fn host(text: &str) -> Result<HeaderValue, Problem> {
    let invalid = || {
        Problem::new("", format!("`{text}` is not a host"))
            .hint("write a name such as `api.internal` or `api.internal:8080`")
    };
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => {
            port.parse::<std::num::NonZeroU16>().map_err(|_| invalid())?;
            name
        }
        _ => text,
    };
    match HostPattern::parse(name) {
        Ok(HostPattern::Name(_) | HostPattern::Address(_)) => {
            HeaderValue::from_str(text).map_err(|_| invalid())
        }
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests;
