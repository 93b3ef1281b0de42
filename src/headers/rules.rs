//! The operator's rules on header fields: remove, set, append.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, header};
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
};

use super::fields::{FieldName, Fields};
use crate::{
    config::{finding::Problem, headers::HeaderRulesConfig},
    grammar::is_connection_field,
};

/// Which message rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the backend gets to see.
    Request,
    /// What the client gets to see.
    Response,
}

/// Fields to remove, then to set, then to append.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    remove: Vec<HeaderName>,
    set: Vec<(FieldName, HeaderValue)>,
    append: Vec<(FieldName, HeaderValue)>,
}

impl HeaderRules {
    /// Compiles rules for a message.
    ///
    /// # Errors
    /// Every name or value that cannot stand in a message, every rule on a field that
    /// frames or addresses it, and every name that is given twice.
    pub fn compile(config: &HeaderRulesConfig, message: Message) -> std::result::Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut remove = Vec::with_capacity(config.remove.len());
        for (index, name) in config.remove.iter().enumerate() {
            match parse_name(name, message) {
                Ok(name) => remove.push(name.name),
                Err(problem) => problems.push(problem.within(&format!("remove[{index}]"))),
            }
        }
        let set = compile_values("set", &config.set, message, &mut problems);
        let append = compile_values("append", &config.append, message, &mut problems);
        if problems.is_empty() { Ok(Self { remove, set, append }) } else { Err(problems) }
    }

    /// One set of rules that does what these and then `later` would do.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        let overruled = |name: &HeaderName| {
            later.remove.contains(name) || later.set.iter().any(|(set, _)| set.name == *name)
        };
        let merge = |ours: &[(FieldName, HeaderValue)], theirs: &[(FieldName, HeaderValue)]| {
            let kept = ours.iter().filter(|(name, _)| !overruled(&name.name));
            kept.chain(theirs).cloned().collect()
        };
        let added = later.remove.iter().filter(|name| !self.remove.contains(name));
        Self {
            remove: self.remove.iter().chain(added).cloned().collect(),
            set: merge(&self.set, &later.set),
            append: merge(&self.append, &later.append),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }

    /// Changes a request.
    ///
    /// # Errors
    /// When the request would hold more fields than Pingora can.
    pub fn apply_request(&self, request: &mut RequestHeader) -> Result<()> {
        self.apply(request)
    }

    /// Changes a response.
    ///
    /// # Errors
    /// When the response would hold more fields than Pingora can.
    pub fn apply_response(&self, response: &mut ResponseHeader) -> Result<()> {
        self.apply(response)
    }

    fn apply(&self, message: &mut impl Fields) -> Result<()> {
        for name in &self.remove {
            message.remove(name);
        }
        for (name, value) in &self.set {
            message.insert(name.written.clone(), value.clone())?;
        }
        for (name, value) in &self.append {
            message.append(name.written.clone(), value.clone())?;
        }
        Ok(())
    }
}

fn compile_values(
    section: &str,
    config: &BTreeMap<String, String>,
    message: Message,
    problems: &mut Vec<Problem>,
) -> Vec<(FieldName, HeaderValue)> {
    let mut compiled: Vec<(FieldName, HeaderValue)> = Vec::with_capacity(config.len());
    for (written, value) in config {
        let path = format!("{section}.{written}");
        let name = parse_name(written, message).map_err(|problem| problem.within(&path));
        let value = HeaderValue::from_str(value).map_err(|_| {
            Problem::new(path.as_str(), format!("the value of `{written}` has a control character"))
                .hint("field values are one line of text")
        });
        match (name, value) {
            (Ok(name), Ok(_)) if compiled.iter().any(|(other, _)| other.name == name.name) => {
                problems.push(
                    Problem::new(path, format!("`{written}` is given twice"))
                        .hint("field names do not depend on letter case; keep one of them"),
                );
            }
            (Ok(name), Ok(value)) => compiled.push((name, value)),
            (name, value) => problems.extend(name.err().into_iter().chain(value.err())),
        }
    }
    compiled
}

fn parse_name(text: &str, message: Message) -> std::result::Result<FieldName, Problem> {
    let name = FieldName::parse(text).ok_or_else(|| {
        Problem::new("", format!("`{text}` is not a field name"))
            .hint("use letters, digits and `-`, without the colon")
    })?;
    let refuse =
        |hint: &str| Err(Problem::new("", format!("`{text}` cannot be changed by a rule")).hint(hint));
    match (name.name == header::HOST, message) {
        (true, Message::Request) => {
            refuse("use `rewrite.host` of the route to choose the `Host` of the backend")
        }
        (true, Message::Response) => refuse("responses have no `Host`"),
        _ if is_connection_field(&name.name) => {
            refuse("it belongs to the connection or frames the message, so the gateway sets it itself")
        }
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(remove: &[&str], set: &[(&str, &str)], append: &[(&str, &str)]) -> HeaderRulesConfig {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        HeaderRulesConfig {
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
            set: owned(set),
            append: owned(append),
        }
    }

    fn rules(remove: &[&str], set: &[(&str, &str)], append: &[(&str, &str)]) -> HeaderRules {
        HeaderRules::compile(&config(remove, set, append), Message::Response).unwrap()
    }

    fn applied(rules: &HeaderRules) -> Vec<(String, String)> {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [("A", "backend"), ("B", "backend"), ("C", "backend")] {
            response.append_header(name, value).unwrap();
        }
        rules.apply_response(&mut response).unwrap();
        let mut wire = Vec::new();
        response.header_to_h1_wire(&mut wire);
        let mut lines: Vec<_> = String::from_utf8(wire)
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        lines.sort();
        lines
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn removes_then_sets_then_appends_and_keeps_letter_case() {
        let rules = rules(&["a"], &[("x-NEW", "1"), ("b", "2")], &[("A", "3"), ("c", "4")]);
        let expected = [("A", "3"), ("C", "backend"), ("b", "2"), ("c", "4"), ("x-NEW", "1")];
        assert_eq!(applied(&rules), pairs(&expected));
    }

    #[test]
    fn merged_rules_do_what_both_do_in_turn() {
        let sets = [
            rules(&[], &[], &[]),
            rules(&["A"], &[("B", "1")], &[("C", "2")]),
            rules(&["B", "C"], &[("A", "3")], &[("B", "4")]),
            rules(&[], &[("C", "5"), ("D", "6")], &[("A", "7"), ("D", "8")]),
            rules(&["D"], &[], &[("D", "9")]),
        ];
        for first in &sets {
            for second in &sets {
                let mut response = ResponseHeader::build(200, None).unwrap();
                for name in ["A", "B", "C"] {
                    response.append_header(name, "backend").unwrap();
                }
                let mut merged = response.clone();
                first.apply_response(&mut response).unwrap();
                second.apply_response(&mut response).unwrap();
                first.then(second).apply_response(&mut merged).unwrap();
                assert_eq!(merged.headers, response.headers, "{first:?} then {second:?}");
            }
        }
    }

    #[test]
    fn refuses_what_frames_or_addresses_a_message() {
        let config = config(
            &["Content-Length", "connection", "no colon:"],
            &[("Transfer-Encoding", "chunked"), ("X-Ok", "a\nb"), ("Via", "1"), ("via", "2")],
            &[("Host", "example.com"), ("Upgrade", "h2c")],
        );
        let problems = HeaderRules::compile(&config, Message::Request).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let expected = [
            "remove[0]",
            "remove[1]",
            "remove[2]",
            "set.Transfer-Encoding",
            "set.X-Ok",
            "set.via",
            "append.Host",
            "append.Upgrade",
        ];
        assert_eq!(paths, expected);
        assert!(problems.iter().all(|problem| problem.hint.is_some()));
        assert!(problems[6].hint.as_deref().unwrap().contains("rewrite.host"));
    }

    #[test]
    fn requests_are_changed_too() {
        let rules =
            HeaderRules::compile(&config(&["Cookie"], &[("X-A", "1")], &[]), Message::Request).unwrap();
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header("cookie", "secret").unwrap();
        rules.apply_request(&mut request).unwrap();
        assert_eq!(request.headers.len(), 1);
        assert_eq!(request.headers["x-a"], "1");
        assert!(!rules.is_empty() && HeaderRules::default().is_empty());
    }
}
