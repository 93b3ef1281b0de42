//! Substitution of `${VAR}` and `${file:…}` in the values of a parsed tree.
//!
//! It works on values, after parsing: what is substituted can never change the
//! structure of the document. Keys are left alone.

use std::{io, path::Path};

use super::{
    finding::Problem,
    repair::Located,
    tree::{Node, Value},
};

/// Where substituted values come from.
pub(super) struct Sources<'a> {
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The contents of a file.
    pub file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// A value that came from outside the configuration: it is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Substituted {
    pub value: String,
    /// What the operator wrote instead.
    pub raw: String,
}

/// What expansion found.
#[derive(Default)]
pub(super) struct Outcome {
    pub findings: Vec<Located>,
    pub substituted: Vec<Substituted>,
}

/// Substitutes in every text of the tree. A text that cannot be substituted
/// becomes a stand-in and a finding.
pub(super) fn expand(node: &mut Node, sources: &Sources<'_>, outcome: &mut Outcome) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| expand(item, sources, outcome)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| expand(value, sources, outcome)),
        Value::Text(text) if text.contains('$') => {
            let raw = text.clone();
            match substitute(&raw, sources, &mut outcome.substituted) {
                Ok(Some(value)) => {
                    node.value = Value::Text(value);
                    node.expanded_from = Some(raw);
                }
                Ok(None) => {}
                Err(problem) => {
                    outcome.findings.push(Located { place: node.place, problem });
                    *node = Node::hole(node.place);
                }
            }
        }
        _ => {}
    }
}

/// A text with everything substituted. `None`: there was nothing to do.
fn substitute(
    raw: &str,
    sources: &Sources<'_>,
    substituted: &mut Vec<Substituted>,
) -> Result<Option<String>, Problem> {
    let pieces = pieces(raw).map_err(|message| {
        Problem::new("", message).hint("write `$$` for a dollar sign that stands for itself")
    })?;
    if let [Piece::Literal(only)] = pieces.as_slice()
        && only == raw
    {
        return Ok(None);
    }
    let mut value = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => value.push_str(&text),
            Piece::Expression(raw, expression) => {
                value.push_str(&resolve(raw, expression, sources, substituted)?);
            }
        }
    }
    Ok(Some(value))
}

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Literal(String),
    /// The text from `${` to `}`, and its meaning.
    Expression(&'a str, Expression<'a>),
}

/// What stands between `${` and `}`.
#[derive(Debug, PartialEq)]
enum Expression<'a> {
    Variable { name: &'a str, unset: Unset<'a> },
    File(&'a str),
}

/// What happens when a variable is unset or empty.
#[derive(Debug, PartialEq)]
enum Unset<'a> {
    /// A finding; an empty variable is fine.
    Error,
    /// This is used instead.
    Default(&'a str),
    /// A finding with the operator's words.
    Message(&'a str),
}

fn pieces(raw: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("$$") {
            literal.push('$');
            rest = &rest[2..];
        } else if rest.starts_with("${") {
            let end = closing_brace(rest).ok_or_else(|| format!("`{rest}` has no closing `}}`"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Expression(&rest[..=end], expression(&rest[2..end])?));
            rest = &rest[end + 1..];
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// The index of the brace that closes the expression a text starts with.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn expression(inner: &str) -> Result<Expression<'_>, String> {
    if let Some(path) = inner.strip_prefix("file:") {
        return match path {
            "" => Err("`${file:}` names no file".to_owned()),
            path => Ok(Expression::File(path)),
        };
    }
    let (name, unset) = match inner.split_once(':') {
        None => (inner, Unset::Error),
        Some((name, rest)) => match (rest.strip_prefix('-'), rest.strip_prefix('?')) {
            (Some(default), _) => (name, Unset::Default(default)),
            (_, Some(message)) => (name, Unset::Message(message)),
            _ => return Err(unknown_form(inner)),
        },
    };
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(valid) {
        return Err(unknown_form(inner));
    }
    Ok(Expression::Variable { name, unset })
}

fn unknown_form(inner: &str) -> String {
    format!(
        "`${{{inner}}}` is none of `${{VAR}}`, `${{VAR:-default}}`, `${{VAR:?message}}`, `${{file:/path}}`"
    )
}

fn resolve(
    raw: &str,
    expression: Expression<'_>,
    sources: &Sources<'_>,
    substituted: &mut Vec<Substituted>,
) -> Result<String, Problem> {
    let mut outside = |value: String| {
        substituted.push(Substituted { value: value.clone(), raw: raw.to_owned() });
        Ok(value)
    };
    let (name, unset) = match expression {
        Expression::File(path) => {
            let read = (sources.file)(Path::new(path));
            let text = read.map_err(|e| Problem::new("", format!("cannot read `{path}`: {e}")))?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            return outside(text.strip_suffix('\r').unwrap_or(text).to_owned());
        }
        Expression::Variable { name, unset } => (name, unset),
    };
    match ((sources.env)(name), unset) {
        (Some(value), Unset::Error) => outside(value),
        (Some(value), _) if !value.is_empty() => outside(value),
        (_, Unset::Default(default)) => {
            Ok(substitute(default, sources, substituted)?.unwrap_or_else(|| default.to_owned()))
        }
        (_, Unset::Message(message)) => {
            Err(Problem::new("", format!("the environment variable `{name}` is not set: {message}")))
        }
        (_, Unset::Error) => Err(Problem::new("", format!("the environment variable `{name}` is not set"))
            .hint(format!("set it, or give a default: `${{{name}:-value}}`"))),
    }
}

#[cfg(test)]
#[path = "expand/tests.rs"]
mod tests;
