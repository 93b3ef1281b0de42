//! The JSON Schema of the configuration: for editors, and for looking up where a key belongs.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::Config;

/// The schema as it follows from the types, bounds included.
static FROM_TYPES: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Config).to_value());

/// Deeper than any key of the configuration.
const DEPTH_MAX: usize = 16;

/// The JSON Schema (draft 2020-12) of a configuration file, before substitution:
/// wherever a scalar goes, `${VAR}` goes as well.
pub fn json_schema() -> Value {
    let mut schema = FROM_TYPES.clone();
    as_written(&mut schema);
    schema["$id"] = json!("urn:nilegate:configuration");
    schema
}

/// Every key, as a path such as `traffic.routes[].match.path`; a name that the
/// operator chooses reads `<name>`.
pub fn key_paths() -> Vec<String> {
    let mut paths = Vec::new();
    walk(&FROM_TYPES, "", DEPTH_MAX, &[], &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

/// The sections that know a key.
pub(super) fn homes_of(key: &str) -> Vec<String> {
    let home = |path: String| match path.rsplit_once('.') {
        Some((section, last)) if last == key => Some(section.to_owned()),
        _ => None,
    };
    key_paths().into_iter().filter_map(home).collect()
}

/// The schema of the types.
pub(super) fn root() -> &'static Value {
    &FROM_TYPES
}

/// The schema behind a `$ref`, or the schema itself.
pub(super) fn resolve(schema: &'static Value) -> &'static Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
    target.and_then(|pointer| FROM_TYPES.pointer(pointer)).unwrap_or(schema)
}

/// The schemas of which a value may follow any one.
pub(super) fn alternatives(schema: &'static Value) -> impl Iterator<Item = &'static Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|key| schema.get(key).and_then(Value::as_array))
        .flatten()
}

/// The schema of the values of a map whose keys the operator chooses.
pub(super) fn map_values(schema: &'static Value) -> Option<&'static Value> {
    let by_pattern = schema.get("patternProperties").and_then(Value::as_object);
    let any = schema.get("additionalProperties").filter(|schema| schema.is_object());
    any.or_else(|| by_pattern.and_then(|patterns| patterns.values().next()))
}

fn walk(
    schema: &'static Value,
    path: &str,
    depth: usize,
    inside: &[&'static Value],
    paths: &mut Vec<String>,
) {
    if depth == 0 {
        return;
    }
    let target = resolve(schema);
    // What contains itself is described once.
    if schema.get("$ref").is_some() && inside.iter().any(|outer| std::ptr::eq(*outer, target)) {
        return;
    }
    let (schema, inside) = (target, [inside, &[target]].concat());
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(property, &path, depth - 1, &inside, paths);
        paths.push(path);
    }
    if let Some(values) = map_values(schema) {
        walk(values, &format!("{path}.<name>"), depth - 1, &inside, paths);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{path}[]"), depth - 1, &inside, paths);
    }
    for alternative in alternatives(schema) {
        walk(alternative, path, depth - 1, &inside, paths);
    }
}

/// What editors show of a key stays on the outside.
const ANNOTATIONS: [&str; 3] = ["title", "description", "default"];

/// Changes the schema of the types into that of a file: a scalar may be
/// `${VAR}`, and a key without a value is refused, not left out.
fn as_written(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(as_written),
        Value::Object(object) => {
            without_null(object);
            // Values of `default` are data, not schemas.
            object.iter_mut().filter(|(key, _)| *key != "default").for_each(|(_, value)| as_written(value));
            if refuses_text(object) {
                let mut strict = std::mem::take(object);
                for key in ANNOTATIONS {
                    object.extend(strict.shift_remove_entry(key));
                }
                let substitution = json!({ "type": "string", "pattern": r"\$\{.+\}" });
                object.insert("anyOf".to_owned(), json!([strict, substitution]));
            }
        }
        _ => {}
    }
}

fn without_null(object: &mut serde_json::Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
    }
    if let Some(Value::Array(schemas)) = object.get_mut("anyOf") {
        schemas.retain(|schema| schema.get("type").is_none_or(|name| name != "null"));
    }
}

/// Whether a schema refuses `${VAR}` although a scalar goes there.
fn refuses_text(object: &serde_json::Map<String, Value>) -> bool {
    let scalar = |name: &Value| matches!(name.as_str(), Some("integer" | "number" | "boolean"));
    let by_type = match object.get("type") {
        Some(Value::Array(types)) => types.iter().any(scalar),
        Some(name) => scalar(name),
        None => false,
    };
    let words = object.get("oneOf").and_then(Value::as_array);
    by_type
        || object.get("enum").is_some_and(Value::is_array)
        || words.into_iter().flatten().any(|w| w.get("const").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_corner() {
        let paths = key_paths();
        for path in [
            "process.threads",
            "process.listeners[].tls.client_auth.ca",
            "traffic.upstreams.<name>.backends[].weight",
            "traffic.upstreams.<name>.balance.consistent_hash.header",
            "traffic.routes[].match.headers.<name>.regex",
        ] {
            assert!(paths.iter().any(|known| known == path), "{path} is not among {paths:#?}");
        }
    }

    #[test]
    fn a_key_knows_its_home() {
        assert_eq!(homes_of("threads"), ["process"]);
        assert_eq!(homes_of("drain_timeout"), ["process.shutdown"]);
        assert!(homes_of("nonsense").is_empty());
    }

    #[test]
    fn numbers_and_words_may_be_substituted() {
        let validator = jsonschema::validator_for(&json_schema()).unwrap();
        let config = |threads: Value, format: Value| {
            json!({ "process": { "listeners": [{ "address": "127.0.0.1:1" }], "threads": threads,
                "telemetry": { "log": { "format": format } } } })
        };
        assert!(validator.is_valid(&config(json!(2), json!("json"))));
        assert!(validator.is_valid(&config(json!("${N}"), json!("${FORMAT:-json}"))));
        assert!(!validator.is_valid(&config(json!("two"), json!("json"))));
        assert!(!validator.is_valid(&config(json!(2), json!("xml"))));
        assert!(!validator.is_valid(&config(json!(5000), json!("json"))));
    }
}
