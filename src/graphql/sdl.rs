//! From a schema file to the model, or to everything that is wrong with it.
//!
//! The steps: scan the text → parse → gather definitions and extensions → types → defaults →
//! rules and calls, which read the types → what only the whole can show.

mod batch;
mod calls;
mod check;
mod collect;
mod defaults;
mod members;
mod rules;
mod sources;
mod types;

use async_graphql::parser::{Error as ParseError, parse_schema};

use super::{
    coerce::position,
    scan::{self, Bounds},
    schema::{Position, Schema},
};
use crate::config::finding::Problem;

/// The largest schema file, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// A schema, and what is probably not meant in it.
pub struct Read {
    /// The schema.
    pub schema: Schema,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

/// Reads a schema file.
///
/// # Errors
/// Everything that is wrong, each with its place in the text. Their path is empty.
pub fn read(text: &str) -> Result<Read, Vec<Problem>> {
    let mut report = Report::default();
    let start = Position { line: 1, column: 1 };
    if text.len() > TEXT_MAX {
        report.add(start, format!("the schema is larger than {TEXT_MAX} bytes"));
        return Err(report.problems);
    }
    // Names that stand twice in an object are gone after parsing.
    match scan::scan(text, &Bounds { tokens: usize::MAX, nesting: 64 }) {
        Ok(scanned) => {
            for twice in scanned.repeated {
                report.add(twice.at, format!("`{}` is given twice", twice.name));
            }
        }
        Err(fault) => {
            report.add(fault.at, fault.message);
            return Err(report.problems);
        }
    }
    let document = match parse_schema(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.positions().next().map_or(start, position);
            report.add(at, parse_message(&error));
            return Err(report.problems);
        }
    };
    let drafts = collect::collect(&document, &mut report);
    let mut built = types::build(&drafts, &mut report);
    check::before_calls(&built.schema, &mut report);
    defaults::settle(&mut built, &mut report);
    let calls = calls::compile(&built, &drafts, &mut report);
    let rules = rules::compile(&built, &mut report);
    calls.apply(&mut built.schema);
    rules.apply(&mut built.schema);
    check::after_calls(&built.schema, &mut report);
    report.finish(built.schema)
}

/// What the parser has to say, in one line.
pub(super) fn parse_message(error: &ParseError) -> String {
    match error {
        ParseError::Syntax { message, .. } => {
            let what = message.rsplit("= ").next().unwrap_or(message).trim();
            format!(
                "syntax error: {}",
                what.replace("type_system_definition", "a definition").replace('_', " ")
            )
        }
        other => other.to_string(),
    }
}

/// What is wrong with a schema, so far.
#[derive(Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    pub fn add(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(Problem::new("", message).inside(at));
    }

    pub fn hint(&mut self, at: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new("", message).inside(at).hint(hint));
    }

    pub fn unknown<'a>(
        &mut self,
        at: Position,
        message: impl Into<String>,
        wrong: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        self.problems.push(Problem::new("", message).inside(at).did_you_mean(wrong, known));
    }

    /// Problems of a part that has no place of its own.
    pub fn all(&mut self, at: Position, problems: Vec<Problem>) {
        self.problems.extend(problems.into_iter().map(|problem| problem.inside(at)));
    }

    pub fn warn(&mut self, at: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Problem::warning("", message).inside(at).hint(hint));
    }

    pub fn len(&self) -> usize {
        self.problems.len()
    }

    fn finish(mut self, schema: Schema) -> Result<Read, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(Read { schema, warnings: self.warnings });
        }
        self.problems.sort_by_key(|problem| problem.inside);
        Err(self.problems)
    }
}

#[cfg(test)]
pub(super) mod tests;
