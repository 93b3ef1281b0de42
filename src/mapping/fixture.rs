//! The tests that stand beside a mapping.

use serde_json::Value;

use super::{
    compile::Mapping,
    plan::{MappingError, Transform},
};
use crate::config::{finding::Problem, mapping::MappingDirection};

/// Differences that are told.
const TOLD: usize = 5;

impl Mapping {
    /// Runs the tests of the mapping: each body has to become what the test says and,
    /// unless the mapping is declared lossy, come back as it was.
    pub fn run_tests(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, test) in self.tests.iter().enumerate() {
            let at = format!("tests[{index}]");
            let found = match (&test.direction, &test.input, &test.output, &test.round_trip) {
                (Some(direction), Some(input), Some(output), _) => self.one_way(*direction, input, output),
                (.., Some(body)) => self.round_trip(body),
                _ => None,
            };
            problems.extend(found.map(|problem| problem.within(&at)));
        }
        problems
    }

    fn one_way(&self, direction: MappingDirection, input: &Value, output: &Value) -> Option<Problem> {
        let (there, back) = match direction {
            MappingDirection::Request => (self.upwards(), self.downwards()),
            MappingDirection::Response => (self.downwards(), self.upwards()),
        };
        let became = match run(there.as_ref(), input) {
            Ok(became) => became,
            Err(error) => return Some(Problem::new("input", format!("cannot be mapped: {error}"))),
        };
        if let Some(difference) = difference(output, &became) {
            return Some(Problem::new("output", format!("the body becomes something else: {difference}")));
        }
        if self.lossy || back.is_none() {
            return None;
        }
        comes_back(back.as_ref(), &became, input).map(|problem| problem.within("input"))
    }

    fn round_trip(&self, body: &Value) -> Option<Problem> {
        let there = match run(self.upwards().as_ref(), body) {
            Ok(there) => there,
            Err(error) => return Some(Problem::new("round_trip", format!("cannot be mapped: {error}"))),
        };
        let found = comes_back(self.downwards().as_ref(), &there, body);
        found.filter(|_| !self.lossy).map(|problem| problem.within("round_trip"))
    }
}

fn comes_back(back: Option<&Transform>, there: &Value, body: &Value) -> Option<Problem> {
    let hint = "correct the rules, or declare what is lost: `lossy: [\"…\"]`";
    match run(back, there) {
        Err(error) => Some(Problem::new("", format!("does not come back: {error}")).hint(hint)),
        Ok(again) => difference(body, &again)
            .map(|difference| Problem::new("", format!("comes back changed: {difference}")).hint(hint)),
    }
}

fn run(transform: Option<&Transform>, body: &Value) -> Result<Value, MappingError> {
    let Some(transform) = transform else { return Ok(body.clone()) };
    let mapped = transform.apply(body.to_string().as_bytes())?;
    // What the writer makes is JSON, by its own tests.
    Ok(serde_json::from_slice(&mapped).unwrap_or_default())
}

/// What differs, in words: the first few places.
fn difference(expected: &Value, found: &Value) -> Option<String> {
    let mut all = Vec::new();
    compare("", expected, found, &mut all);
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

fn compare(path: &str, expected: &Value, found: &Value, all: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (name, wanted) in wanted {
                match got.get(name) {
                    Some(got) => compare(&format!("{path}/{name}"), wanted, got, all),
                    None => all.push(format!("`{path}/{name}` is missing")),
                }
            }
            let unexpected = got.keys().filter(|name| !wanted.contains_key(*name));
            all.extend(unexpected.map(|name| format!("`{path}/{name}` is there, but not expected")));
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                compare(&format!("{path}/{index}"), wanted, got, all);
            }
        }
        _ if expected == found => {}
        _ => {
            let path = if path.is_empty() { "the body" } else { path };
            all.push(format!("`{path}` is {} instead of {}", shown(found), shown(expected)));
        }
    }
}

/// A value, short.
fn shown(value: &Value) -> String {
    const WIDTH: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
