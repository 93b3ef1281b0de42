//! The bounds that the types state in their schema, checked on what was written.
//!
//! A bound is written once, beside the field; the schema tells editors about
//! it, and this tells everyone else.

use serde_json::Value as Schema;

use super::{
    finding::Problem,
    path, schema,
    tree::{Node, Value},
};

/// Everything in the tree that is below or above its bounds.
pub(super) fn check(tree: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    visit(schema::root(), tree, "", &mut problems);
    problems
}

fn visit(schema: &'static Schema, node: &Node, here: &str, problems: &mut Vec<Problem>) {
    let schema = schema::resolve(schema);
    match &node.value {
        Value::Map(entries) => {
            for (key, child) in entries {
                let known = schema.get("properties").and_then(|all| all.get(&key.name));
                if let Some(property) = known.or_else(|| schema::map_values(schema)) {
                    visit(property, child, &path::key(here, &key.name), problems);
                }
            }
        }
        Value::List(items) => {
            count_in_bounds(schema, items.len(), here, problems);
            if let Some(item_schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    visit(item_schema, item, &format!("{here}[{index}]"), problems);
                }
            }
        }
        _ => number_in_bounds(schema, node, here, problems),
    }
    for alternative in schema::alternatives(schema) {
        visit(alternative, node, here, problems);
    }
}

fn count_in_bounds(schema: &Schema, count: usize, here: &str, problems: &mut Vec<Problem>) {
    let min = schema.get("minItems").and_then(Schema::as_u64).unwrap_or(0);
    if (count as u64) < min {
        let entries = if min == 1 { "entry" } else { "entries" };
        problems.push(Problem::new(here, format!("needs at least {min} {entries}")));
    }
}

fn number_in_bounds(schema: &Schema, node: &Node, here: &str, problems: &mut Vec<Problem>) {
    let bound = |key: &str| schema.get(key).and_then(Schema::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    if min.is_none() && max.is_none() {
        return;
    }
    let number = match &node.value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Text(text) if node.expanded_from.is_some() => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return,
        },
        _ => return,
    };
    if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
        let range = match (min, max) {
            (Some(min), Some(max)) => format!("from {min} to {max}"),
            (Some(min), None) => format!("{min} or more"),
            (None, Some(max)) => format!("{max} or less"),
            (None, None) => return,
        };
        problems.push(Problem::new(here, format!("expected {range}, found {}", node.shown())));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parse, *};

    fn problems(text: &str) -> Vec<(String, String)> {
        check(&parse(text, 0).unwrap()).into_iter().map(|p| (p.path, p.message)).collect()
    }

    #[test]
    fn bounds_come_from_the_types() {
        let found = problems(
            "process: { threads: 0, listeners: [], limits: { headers: 257 } }\n\
             traffic: { upstreams: { a: { backends: [{ address: x, weight: 0 }], retry: { budget: 1.5 } } } }",
        );
        let expected = [
            ("process.threads", "expected from 1 to 1024, found `0`"),
            ("process.listeners", "needs at least 1 entry"),
            ("process.limits.headers", "expected from 1 to 256, found `257`"),
            ("traffic.upstreams.a.backends[0].weight", "expected from 1 to 1000, found `0`"),
            ("traffic.upstreams.a.retry.budget", "expected from 0 to 1, found `1.5`"),
        ];
        let expected: Vec<_> = expected.iter().map(|(p, m)| ((*p).to_owned(), (*m).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_within_bounds_is_fine() {
        assert_eq!(problems("process: { threads: 1024, upstream_pool: 1 }"), []);
    }
}
