//! What is wrong with a configuration, and where.

use std::fmt;

use serde::Serialize;

/// Whether a finding keeps the configuration from being used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration is refused.
    #[default]
    Error,
    /// The configuration works, though probably not as meant.
    Warning,
}

/// A problem in the meaning of the configuration, before its place in a file is known.
///
/// Every floor that compiles configuration reports these; only `load` knows the
/// files and turns them into findings with file, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: keys and indices from the root, such as `traffic.routes[3].match.path`.
    /// A key that holds dots or brackets may be quoted: `headers.set["a.b"]`.
    pub path: String,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about is a secret: the line in the file is not to be shown.
    pub secret: bool,
    /// Where in the file that the key at `path` names, if it is about what that file says.
    pub inside: Option<LineColumn>,
}

/// A place in a text, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineColumn {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Problem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        Self { path, message, hint: None, severity: Severity::Error, secret: false, inside: None }
    }

    /// Something that works but is probably not meant.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(path, message) }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem, about a secret: the line in the file is not shown.
    #[must_use]
    pub fn about_secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The same problem, about what the file says that the key at its path names.
    #[must_use]
    pub fn inside(mut self, place: LineColumn) -> Self {
        self.inside = Some(place);
        self
    }

    /// The same problem, with the nearest of the names that exist as advice.
    #[must_use]
    pub fn did_you_mean<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match closest(wrong, known) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// The same problem, seen from an enclosing section.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }
}

/// The known name that a mistyped one most likely stands for.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    let allowed = 1 + wrong.chars().count() / 4;
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A problem with its place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was named on the command line or found in the directory.
    pub file: String,
    /// The line, from 1; 0 when the finding is about the file as a whole.
    pub line: usize,
    /// The column, from 1, in characters; 0 when the finding is about the file as a whole.
    pub column: usize,
    /// The characters the finding is about.
    #[serde(skip)]
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line as the operator wrote it: nothing in it is substituted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl Finding {
    /// A finding about a file as a whole.
    pub fn about_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            width: 0,
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// Whether the configuration cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Whether both are about the same place.
    pub fn is_at_place_of(&self, other: &Self) -> bool {
        (&self.file, self.line, self.column) == (&other.file, other.line, other.column)
    }

    /// The same finding with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Excerpts are cut here, so that one long line does not bury the others.
const EXCERPT_MAX: usize = 160;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        let label = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, ": {label}{}", self.message)?;
        if let Some(excerpt) = &self.excerpt {
            let number = self.line.to_string();
            let shown: String = excerpt.chars().take(EXCERPT_MAX).collect();
            write!(f, "\n  {number} | {shown}")?;
            if self.column >= 1 && self.column <= shown.chars().count() {
                let left = shown.chars().count() + 1 - self.column;
                let carets = "^".repeat(self.width.clamp(1, left));
                write!(f, "\n  {:1$} | {2:3$}{carets}", "", number.len(), "", self.column - 1)?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The findings: at least one is an error, warnings may be among them.
    pub findings: Vec<Finding>,
}

impl ConfigError {
    /// An error from findings in any order.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        sort(&mut findings);
        Self { findings }
    }

    /// The findings as a JSON object, for editors and pipelines.
    pub fn to_json(&self) -> serde_json::Value {
        let (errors, warnings) = count(&self.findings);
        serde_json::json!({ "errors": errors, "warnings": warnings, "findings": self.findings })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            write!(f, "{finding}\n\n")?;
        }
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let (errors, warnings) = count(&self.findings);
        write!(f, "{errors} error{}", plural(errors))?;
        if warnings > 0 {
            write!(f, ", {warnings} warning{}", plural(warnings))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Puts findings in reading order and drops repetitions.
pub(super) fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
    });
    findings.dedup();
}

fn count(findings: &[Finding]) -> (usize, usize) {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    (errors, findings.len() - errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            severity: Severity::Error,
            file: "conf/nilegate.yaml".into(),
            line: 41,
            column: 15,
            width: 7,
            message: "unknown upstream `catalog`".into(),
            hint: Some("did you mean `catalogue`?".into()),
            excerpt: Some("    upstream: catalog".into()),
        }
    }

    #[test]
    fn a_finding_reads_like_a_compiler_error() {
        let expected = "conf/nilegate.yaml:41:15: unknown upstream `catalog`\n  \
                        41 |     upstream: catalog\n     |               ^^^^^^^\n  \
                        hint: did you mean `catalogue`?";
        assert_eq!(finding().to_string(), expected);
    }

    #[test]
    fn errors_are_counted_in_text_and_json() {
        let warning = Finding { severity: Severity::Warning, line: 2, ..finding() };
        let error = ConfigError::new(vec![finding(), warning]);
        assert_eq!(error.findings[0].line, 2);
        assert!(error.to_string().ends_with("1 error, 1 warning"));
        assert_eq!(error.to_json()["findings"][1]["column"], 15);
        assert_eq!(error.to_json()["errors"], 1);
    }

    #[test]
    fn the_closest_name_is_near_or_none() {
        assert_eq!(closest("catalog", ["orders", "catalogue"]), Some("catalogue"));
        assert_eq!(closest("thraeds", ["threads", "limits"]), Some("threads"));
        assert_eq!(closest("billing", ["orders", "catalogue"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
