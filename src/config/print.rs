//! The configuration as it took effect, for `check --print` and the admin port.

use serde_json::Value;

use super::{
    load::Loaded,
    source::Source,
    tree::{self, Node},
};

/// The merged configuration with its defaults as YAML, which can be loaded again.
///
/// What came from the environment or from a file is shown as it was written
/// (`${VAR}`), never as its value; secrets written in the file show as `***`.
pub fn print(loaded: &Loaded) -> String {
    let value = to_json(loaded);
    serde_yaml::to_string(&value).unwrap_or_else(|error| format!("# cannot be printed: {error}\n"))
}

/// The same as JSON.
pub fn to_json(loaded: &Loaded) -> Value {
    let mut value = serde_json::to_value(&loaded.config).unwrap_or_default();
    escape(&mut value);
    conceal(&mut value, &loaded.source.tree, &loaded.source);
    value
}

/// Writes dollar signs so that reading the output substitutes nothing.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") || text.contains("$$") => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

/// Puts back what the operator wrote wherever something came from outside.
fn conceal(value: &mut Value, node: &Node, source: &Source) {
    if let Some(raw) = node.expanded_from.as_ref().filter(|raw| source.is_from_outside(raw)) {
        *value = Value::String(raw.clone());
        return;
    }
    match (&node.value, value) {
        (tree::Value::Map(entries), Value::Object(object)) => {
            for (key, node) in entries {
                if let Some(value) = object.get_mut(&key.name) {
                    conceal(value, node, source);
                }
            }
        }
        (tree::Value::List(nodes), Value::Array(values)) => {
            for (node, value) in nodes.iter().zip(values) {
                conceal(value, node, source);
            }
        }
        _ => {}
    }
}
