//! The files behind a configuration: they turn problems into findings.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    expand::Substituted,
    finding::{self, ConfigError, Finding, Problem},
    path,
    repair::Located,
    tree::{Node, Place, SyntaxError, Value},
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
    /// The files that keys name and whose content is part of the configuration: the path of the
    /// key, and the place among the files.
    pub(super) attached: Vec<(&'static str, usize)>,
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
        (&self.names, &self.texts, &self.substituted).hash(&mut hasher);
        hasher.finish()
    }

    /// Finds the place of a problem. `None`: it is about a stand-in, and the
    /// reason for that stand-in has been found already.
    fn locate(&self, mut problem: Problem) -> Option<Finding> {
        let found = path::find(&self.tree, &problem.path);
        if found.repaired {
            return None;
        }
        if let (Some(raw), Value::Text(text)) = (&found.node.expanded_from, &found.node.value)
            && !text.is_empty()
        {
            problem.message = problem.message.replace(text.as_str(), raw);
            problem.hint = problem.hint.map(|hint| hint.replace(text.as_str(), raw));
        }
        let place = self.inside(&problem).unwrap_or(found.place);
        Some(self.finding(Located { place, problem }))
    }

    /// The place of a problem that is about the content of an attached file.
    fn inside(&self, problem: &Problem) -> Option<Place> {
        let at = problem.inside?;
        let (_, file) = self.attached.iter().find(|(path, _)| *path == problem.path)?;
        let (line, column) = (at.line as usize, at.column as usize);
        let text = self.texts[*file].lines().nth(line.checked_sub(1)?)?;
        let is_name = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '@' | '$');
        let width = text.chars().skip(column.saturating_sub(1)).take_while(is_name).count().max(1);
        Some(Place { file: *file, line, column, width })
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
