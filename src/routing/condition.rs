//! What must hold of a request besides its host and path.

use std::{fmt, iter};

use http::{HeaderName, Method, header::HOST};

use super::request::RequestParts;
use crate::{
    config::{finding::Problem, route::MatchConfig},
    grammar::{ValueTest, query},
};

/// The conditions of a route on method, header fields and query. All must hold.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    /// Empty: all methods.
    methods: Box<[Method]>,
    headers: Box<[(HeaderName, ValueTest)]>,
    query: Box<[(Box<str>, ValueTest)]>,
}

impl Conditions {
    /// Compiles the conditions; problems have paths relative to `match`.
    pub fn compile(config: &MatchConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let methods = methods(config, &mut problems);
        let headers = headers(config, &mut problems);
        let mut query: Vec<(Box<str>, ValueTest)> = Vec::new();
        for (name, condition) in &config.query {
            match ValueTest::compile(condition) {
                Ok(test) => query.push((name.as_str().into(), test)),
                Err(problem) => problems.push(problem.within(&format!("query.{name}"))),
            }
        }
        if problems.is_empty() {
            Ok(Self { methods: methods.into(), headers: headers.into(), query: query.into() })
        } else {
            Err(problems)
        }
    }

    /// How many there are; a list of methods counts as one.
    pub fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.headers.len() + self.query.len()
    }

    /// The first condition that does not hold.
    pub fn failed(&self, request: &RequestParts<'_>) -> Option<Failed<'_>> {
        if !self.methods.is_empty() && !self.methods.contains(request.method) {
            return Some(Failed::Method(&self.methods));
        }
        for (name, test) in &self.headers {
            if !test.holds(request.headers.get_all(name).iter().map(|value| value.as_bytes())) {
                return Some(Failed::Header(name, test));
            }
        }
        for (name, test) in &self.query {
            let value = request.query.and_then(|query| query::first(query, name));
            if !test.holds(value.as_deref().into_iter()) {
                return Some(Failed::Query(name, test));
            }
        }
        None
    }

    /// Whether `other` certainly takes every request that this takes.
    pub fn imply(&self, other: &Self) -> bool {
        let methods = other.methods.is_empty()
            || !self.methods.is_empty() && self.methods.iter().all(|method| other.methods.contains(method));
        methods && all_implied(&self.headers, &other.headers) && all_implied(&self.query, &other.query)
    }
}

fn all_implied<N: PartialEq>(ours: &[(N, ValueTest)], theirs: &[(N, ValueTest)]) -> bool {
    theirs.iter().all(|(name, weaker)| ours.iter().any(|(n, test)| n == name && test.implies(weaker)))
}

fn methods(config: &MatchConfig, problems: &mut Vec<Problem>) -> Vec<Method> {
    let Some(list) = &config.method else { return Vec::new() };
    let mut methods = Vec::new();
    for text in list.as_slice() {
        match Method::from_bytes(text.as_bytes()) {
            // Methods are case-sensitive (RFC 9110 section 9.1): `get` takes no `GET`.
            Ok(_) if text.bytes().any(|b| b.is_ascii_lowercase()) => problems.push(
                Problem::new("method", format!("`{text}` is not in capitals, as methods are sent"))
                    .hint(format!("write `{}`", text.to_ascii_uppercase())),
            ),
            Ok(method) => methods.push(method),
            Err(_) => problems.push(Problem::new("method", format!("`{text}` is not a method"))),
        }
    }
    if list.as_slice().is_empty() {
        problems.push(Problem::new("method", "lists nothing").hint("leave `method` out to take all methods"));
    }
    // RFC 9110 section 9.3.2: HEAD is GET without the content.
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
}

fn headers(config: &MatchConfig, problems: &mut Vec<Problem>) -> Vec<(HeaderName, ValueTest)> {
    let mut headers: Vec<(HeaderName, ValueTest)> = Vec::new();
    for (text, condition) in &config.headers {
        let path = format!("headers.{text}");
        let name = match HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) if name == HOST => {
                problems.push(Problem::new(path, "`Host` is not a condition").hint("use `host`"));
                continue;
            }
            Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
                problems.push(Problem::new(path, format!("`{name}` is named twice, in different case")));
                continue;
            }
            Ok(name) => name,
            Err(_) => {
                problems.push(Problem::new(path, format!("`{text}` is not a field name")));
                continue;
            }
        };
        match ValueTest::compile(condition) {
            Ok(test) if !test.literals().iter().all(|value| can_be_sent(value)) => problems.push(
                Problem::new(path, "holds for a value that no field can have")
                    .hint("remove control characters, and spaces at the ends"),
            ),
            Ok(test) => headers.push((name, test)),
            Err(problem) => problems.push(problem.within(&path)),
        }
    }
    headers
}

/// Whether a field can have this value once the space around it is gone (RFC 9110 section 5.5).
fn can_be_sent(value: &[u8]) -> bool {
    http::HeaderValue::from_bytes(value).is_ok() && value.trim_ascii() == value
}

/// A condition that does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed<'t> {
    /// The method is none of these.
    Method(&'t [Method]),
    /// No line of this field passes.
    Header(&'t HeaderName, &'t ValueTest),
    /// This query parameter does not pass.
    Query(&'t str, &'t ValueTest),
}

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(methods) => {
                f.write_str("method is not ")?;
                let separators = iter::once("").chain(iter::repeat(" or "));
                methods.iter().zip(separators).try_for_each(|(m, separator)| write!(f, "{separator}{m}"))
            }
            Self::Header(name, test) => write!(f, "header `{name}` is not {test}"),
            Self::Query(name, test) => write!(f, "query parameter `{name}` is not {test}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn config(yaml: &str) -> MatchConfig {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn conditions(yaml: &str) -> Conditions {
        Conditions::compile(&config(yaml)).unwrap()
    }

    fn failed(
        conditions: &Conditions,
        method: &str,
        headers: &[(&'static str, &'static str)],
        query: &str,
    ) -> Option<String> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let headers: HeaderMap =
            headers.iter().map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let request =
            RequestParts { host: "", path: "/", query: Some(query), method: &method, headers: &headers };
        conditions.failed(&request).map(|failed| failed.to_string())
    }

    #[test]
    fn the_first_failing_condition_is_named() {
        let conditions = conditions(
            "{method: [GET, PURGE], headers: {X-Canary: '1', Accept: {prefix: text/}}, query: {v: {one_of: ['1', '2']}}}",
        );
        assert_eq!(conditions.count(), 4);
        let headers = [("accept", "text/html"), ("x-canary", "1")];
        assert_eq!(failed(&conditions, "GET", &headers, "v=2"), None);
        assert_eq!(failed(&conditions, "HEAD", &headers, "v=2"), None);
        assert_eq!(failed(&conditions, "PURGE", &headers, "a=1&v=1&v=3"), None);
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(failed(&conditions, "POST", &headers, "v=2"), said("method is not GET or PURGE or HEAD"));
        assert_eq!(failed(&conditions, "GET", &headers[..1], "v=2"), said("header `x-canary` is not `1`"));
        assert_eq!(
            failed(&conditions, "GET", &headers[1..], "v=2"),
            said("header `accept` is not starting with `text/`")
        );
        assert_eq!(
            failed(&conditions, "GET", &headers, "v=3"),
            said("query parameter `v` is not `1` or `2`")
        );
    }

    #[test]
    fn any_line_of_a_field_can_pass() {
        let conditions = conditions("{headers: {x-a: b}}");
        assert_eq!(failed(&conditions, "GET", &[("x-a", "a"), ("x-a", "b")], ""), None);
        assert!(failed(&conditions, "GET", &[("x-a", "a, b")], "").is_some());
    }

    #[test]
    fn every_mistake_is_reported() {
        let problems = Conditions::compile(&config(
            "{method: [get, 'A B'], headers: {Host: a, X-A: a, x-a: b, 'x y': c, x-b: ' d', x-c: {regex: '('}}, query: {q: {one_of: []}}}",
        ))
        .unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "method",
                "method",
                "headers.Host",
                "headers.x y",
                "headers.x-a",
                "headers.x-b",
                "headers.x-c.regex",
                "query.q.one_of"
            ]
        );
        assert_eq!(Conditions::compile(&config("{method: []}")).unwrap_err().len(), 1);
    }

    #[test]
    fn implication_needs_every_condition_of_the_other() {
        let implies = |a: &str, b: &str| conditions(a).imply(&conditions(b));
        assert!(implies("{method: [GET]}", "{method: [POST, GET]}"));
        assert!(implies("{method: [HEAD]}", "{method: [GET]}"));
        assert!(implies("{method: [GET]}", "{}"));
        assert!(implies("{headers: {a: x, b: z}}", "{headers: {A: {present: true}}}"));
        assert!(!implies("{}", "{method: [GET]}"));
        assert!(!implies("{headers: {a: x}}", "{query: {a: x}}"));
        assert!(!implies("{query: {a: x}}", "{query: {a: x, b: z}}"));
    }
}
