//! Cases in text files: a line `### name`, the document, and lines `variables: {…}` and
//! `operation: Name` where needed.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

/// A request, and what it is about.
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The document.
    pub query: String,
    /// Its variables.
    pub variables: Option<Map<String, Value>>,
    /// The operation meant.
    pub operation: Option<String>,
}

impl Case {
    /// The case as the reference reads it.
    pub fn to_json(&self) -> Value {
        json!({"query": self.query, "variables": self.variables, "operationName": self.operation})
    }
}

/// All cases of a directory, in the order of files and lines.
pub fn read(directory: &Path) -> Vec<Case> {
    let entries = fs::read_dir(directory).expect("a directory of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a file of cases");
        let stem = path.file_stem().expect("a name").to_string_lossy();
        cases.extend(text.split("### ").skip(1).map(|block| case(&stem, block)));
    }
    cases
}

fn case(file: &str, block: &str) -> Case {
    let (name, rest) = block.split_once('\n').expect("a name and a document");
    let mut case =
        Case { name: format!("{file}: {name}"), query: String::new(), variables: None, operation: None };
    for line in rest.lines() {
        if let Some(variables) = line.strip_prefix("variables: ") {
            case.variables = Some(serde_json::from_str(variables).expect("variables are a JSON object"));
        } else if let Some(operation) = line.strip_prefix("operation: ") {
            case.operation = Some(operation.to_owned());
        } else {
            case.query.push_str(line);
            case.query.push('\n');
        }
    }
    case
}
