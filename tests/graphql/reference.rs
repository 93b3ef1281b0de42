//! graphql-js, run once over many cases, and what its results and ours have in common.

use std::{
    collections::BTreeMap,
    io::{Seek, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// What graphql-js says to each case.
pub fn results(directory: &Path, cases: &[Value]) -> Vec<Value> {
    assert!(
        directory.join("node_modules/graphql").is_dir(),
        "graphql-js is not here: `scripts/dev setup` installs it, or `npm ci --prefix tests/graphql`"
    );
    let mut input = tempfile::tempfile().expect("a temporary file");
    input.write_all(json!({ "cases": cases }).to_string().as_bytes()).expect("the file takes it");
    input.rewind().expect("the file can be read again");
    let output = Command::new("node")
        .arg(directory.join("reference.mjs"))
        .stdin(Stdio::from(input))
        .stderr(Stdio::inherit())
        .output()
        .expect("node is here: `scripts/dev setup` installs it");
    assert!(output.status.success(), "the reference failed");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let results: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert_eq!(results.len(), cases.len());
    results
}

/// What differs between the reference's result and our response, in words.
pub fn difference(theirs: &Value, ours: &Value) -> Option<String> {
    let paths = paths(&theirs["errors"], |error| error.clone());
    let is_refused = theirs.get("data").is_none() || paths.contains(&Value::Null);
    match (is_refused, ours.get("data")) {
        (true, None) => return None,
        (true, Some(_)) => return Some(format!("only graphql-js refuses it: {}", theirs["said"])),
        (false, None) => return Some(format!("only we refuse it: {}", ours["errors"])),
        (false, Some(_)) => {}
    }
    let data = &ours["data"];
    if !same(&theirs["data"], data) {
        return Some(format!(
            "graphql-js: {}\n      ours: {data}\n    errors: {}",
            theirs["data"], ours["errors"]
        ));
    }
    let ours = by_position(data, self::paths(&ours["errors"], |error| error["path"].clone()));
    let theirs = by_position(data, paths);
    if ours.keys().ne(theirs.keys()) {
        let keys = |map: &BTreeMap<String, Vec<Value>>| map.keys().cloned().collect::<Vec<_>>().join(" ");
        return Some(format!("errors at\ngraphql-js: {}\n      ours: {}", keys(&theirs), keys(&ours)));
    }
    for (position, paths) in &ours {
        // Of several errors that would make a position null the reference may report more than
        // one, and which is a matter of time. We report one, and it has to be among them.
        if paths.len() != 1 || !theirs[position].contains(&paths[0]) {
            return Some(format!(
                "{position} is null\ngraphql-js: {:?}\n      ours: {paths:?}",
                theirs[position]
            ));
        }
    }
    None
}

fn paths(errors: &Value, path: impl Fn(&Value) -> Value) -> Vec<Value> {
    errors.as_array().map(|errors| errors.iter().map(path).collect()).unwrap_or_default()
}

/// Paths by the position that is null because of them.
fn by_position(data: &Value, paths: Vec<Value>) -> BTreeMap<String, Vec<Value>> {
    let mut positions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for path in paths {
        let (mut at, mut position) = (data, String::from("data"));
        for step in path.as_array().into_iter().flatten() {
            if at.is_null() {
                break;
            }
            position.push_str(&format!(".{step}"));
            at = match step {
                Value::String(key) => &at[key],
                index => &at[usize::try_from(index.as_u64().expect("an index")).expect("a small index")],
            };
        }
        positions.entry(position).or_default().push(path);
    }
    positions
}

/// Whether two values are the same, the order of keys included. JSON has but one kind of number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((name, one), (other_name, other))| name == other_name && same(one, other))
        }
        (one, other) => one == other,
    }
}
