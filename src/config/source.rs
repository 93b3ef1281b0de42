//! The files behind a configuration: they turn problems into findings.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    expand::Substituted,
    finding::{self, ConfigError, Finding, LineColumn, Problem},
    path,
    repair::Located,
    tree::{Node, SyntaxError, Value},
};

/// What was read: the text of the files, and the tree they form together.
///
/// It stays beside the configuration, so that a problem found much later still
/// gets its file, line and column.
#[derive(Clone)]
pub struct Source {
    pub(super) names: Vec<String>,
    pub(super) texts: Vec<String>,
    pub(super) tree: Node,
    pub(super) substituted: Vec<Substituted>,
    /// Files that keys name and whose text belongs to the configuration.
    pub(super) attached: Vec<Attached>,
}

/// The text of a file that a key names.
#[derive(Clone, Hash)]
pub(super) struct Attached {
    /// The key.
    pub path: &'static str,
    /// The file, as it is shown.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Shorter values are replaced only where the problem is about them: in other
/// messages the same letters are more likely to be a coincidence.
const SECRET_MIN: usize = 6;

impl Source {
    /// Turns problems into findings.
    pub fn report(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError::new(self.findings(problems))
    }

    /// The same, sorted, without the conclusion that anything failed.
    pub fn findings(&self, problems: Vec<Problem>) -> Vec<Finding> {
        let mut findings: Vec<_> = problems.into_iter().filter_map(|problem| self.locate(problem)).collect();
        finding::sort(&mut findings);
        findings
    }

    /// A number that changes when the files or what was substituted change.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.names, &self.texts, &self.substituted, &self.attached).hash(&mut hasher);
        hasher.finish()
    }

    /// Finds the place of a problem. `None`: it is about a stand-in, and the
    /// reason for that stand-in has been found already.
    fn locate(&self, mut problem: Problem) -> Option<Finding> {
        let found = path::find(&self.tree, &problem.path);
        if found.repaired {
            return None;
        }
        if let Some(place) = problem.inside
            && let Some(attached) = self.attached.iter().find(|attached| attached.path == problem.path)
        {
            return Some(self.finding_inside(attached, place, problem));
        }
        if let (Some(raw), Value::Text(text)) = (&found.node.expanded_from, &found.node.value)
            && !text.is_empty()
        {
            problem.message = problem.message.replace(text.as_str(), raw);
            problem.hint = problem.hint.map(|hint| hint.replace(text.as_str(), raw));
        }
        Some(self.finding(Located { place: found.place, problem }))
    }

    /// A finding with its excerpt, and without what was substituted.
    pub(super) fn finding(&self, located: Located) -> Finding {
        let Located { place, problem } = located;
        let line = place.line.checked_sub(1);
        let text = self.texts.get(place.file);
        Finding {
            severity: problem.severity,
            file: self.names.get(place.file).cloned().unwrap_or_default(),
            line: place.line,
            column: place.column,
            width: place.width,
            message: self.conceal(problem.message),
            hint: problem.hint.map(|hint| self.conceal(hint)),
            excerpt: line
                .filter(|_| !problem.secret)
                .and_then(|line| text?.lines().nth(line))
                .map(str::to_owned),
        }
    }

    /// A finding in a file that a key names.
    fn finding_inside(&self, attached: &Attached, place: LineColumn, problem: Problem) -> Finding {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (line, column) = (number(place.line), number(place.column));
        Finding {
            severity: problem.severity,
            file: attached.name.clone(),
            line,
            column,
            width: 1,
            message: self.conceal(problem.message),
            hint: problem.hint.map(|hint| self.conceal(hint)),
            excerpt: attached.text.lines().nth(line.saturating_sub(1)).map(str::to_owned),
        }
    }

    /// Whether a text, as the operator wrote it, brought in something from outside.
    pub(super) fn is_from_outside(&self, raw: &str) -> bool {
        self.substituted.iter().any(|part| raw.contains(&part.raw))
    }

    fn conceal(&self, message: String) -> String {
        let secrets = self.substituted.iter().filter(|part| part.value.len() >= SECRET_MIN);
        secrets.fold(message, |message, part| message.replace(&part.value, &part.raw))
    }

    /// A finding about a file that could not be parsed.
    pub(super) fn syntax_error(&self, error: SyntaxError) -> Finding {
        let SyntaxError { place, message } = error;
        let finding = self.finding(Located { place, problem: Problem::new("", message) });
        match &finding.excerpt {
            Some(line) if line.contains("${") && line.contains(['{', '[']) => {
                finding.hint("inside `{ }` and `[ ]`, put `${…}` in quotes")
            }
            _ => finding,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("files", &self.names).finish_non_exhaustive()
    }
}
