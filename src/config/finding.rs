//! What is wrong with a configuration, and where.

/// A problem in the meaning of the configuration, before its place in a file is known.
///
/// Every floor that compiles configuration reports these; only `load` knows the
/// files and turns them into findings with file, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: keys and indices from the root, such as `traffic.routes[3].match.path`.
    pub path: String,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
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

#[derive(Debug, serde::Serialize)]
pub struct Finding {
    pub message: String,
}
impl Finding {
    pub fn about_file(f: impl Into<String>, m: impl Into<String>) -> Self {
        Self { message: format!("{}: {}", f.into(), m.into()) }
    }
}
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
#[derive(Debug)]
pub struct ConfigError {
    pub findings: Vec<Finding>,
}
impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for x in &self.findings {
            writeln!(f, "{x}")?;
        }
        Ok(())
    }
}
impl ConfigError {
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"findings": self.findings})
    }
}
