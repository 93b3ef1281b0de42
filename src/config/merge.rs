//! Several files as one tree, and no key said twice.

use super::{
    finding::Problem,
    path,
    repair::Located,
    tree::{Key, Node, Place, Value},
};

/// Removes repeated keys everywhere in a tree, with a finding for each.
pub(super) fn unique_keys(node: &mut Node, names: &[String], findings: &mut Vec<Located>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| unique_keys(item, names, findings)),
        Value::Map(entries) => {
            let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
            for (key, mut value) in entries.drain(..) {
                unique_keys(&mut value, names, findings);
                match kept.iter().find(|(first, _)| first.name == key.name) {
                    Some((first, _)) => findings.push(said_twice(&key, first.place, names)),
                    None => kept.push((key, value)),
                }
            }
            *entries = kept;
        }
        _ => {}
    }
}

/// Adds what a further file says. Sections may be spread over files, keys may
/// not: only upstreams, rate limits and routes add up.
pub(super) fn merge(into: &mut Node, from: Node, names: &[String], findings: &mut Vec<Located>) {
    merge_at("", into, from, names, findings);
}

fn merge_at(here: &str, into: &mut Node, from: Node, names: &[String], findings: &mut Vec<Located>) {
    let (Value::Map(entries), Value::Map(added)) = (&mut into.value, from.value) else { return };
    for (key, value) in added {
        let Some((first, existing)) = entries.iter_mut().find(|(first, _)| first.name == key.name) else {
            entries.push((key, value));
            continue;
        };
        let path = path::key(here, &key.name);
        match (path.as_str(), &mut existing.value, value.value) {
            (
                "process" | "traffic" | "traffic.upstreams" | "traffic.rate_limits",
                Value::Map(_),
                Value::Map(added),
            ) => {
                merge_at(&path, existing, Node::new(Value::Map(added), value.place), names, findings);
            }
            ("traffic.routes", Value::List(routes), Value::List(added)) => routes.extend(added),
            _ => findings.push(said_twice(&key, first.place, names)),
        }
    }
}

fn said_twice(key: &Key, first: Place, names: &[String]) -> Located {
    let name = &key.name;
    let file = names.get(first.file).map_or("", String::as_str);
    let problem = Problem::new("", format!("duplicate key `{name}`"))
        .hint(format!("`{name}` stands at {file}:{}:{} already", first.line, first.column));
    Located { place: key.place, problem }
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parse, *};

    fn merged(first: &str, second: &str) -> (Node, Vec<Located>) {
        let names = ["a.yaml".to_owned(), "b.yaml".to_owned()];
        let mut findings = Vec::new();
        let mut tree = parse(first, 0).unwrap();
        merge(&mut tree, parse(second, 1).unwrap(), &names, &mut findings);
        (tree, findings)
    }

    #[test]
    fn upstreams_and_routes_add_up() {
        let (tree, findings) = merged(
            "process: { threads: 1 }\ntraffic: { upstreams: { a: 1 }, routes: [1] }",
            "process: { limits: {} }\ntraffic: { upstreams: { b: 2 }, routes: [2, 3] }",
        );
        assert_eq!(findings, []);
        let traffic = tree.get("traffic").unwrap();
        assert_eq!(traffic.get("upstreams").unwrap().entries().len(), 2);
        assert!(matches!(&traffic.get("routes").unwrap().value, Value::List(routes) if routes.len() == 3));
        assert_eq!(tree.get("process").unwrap().entries().len(), 2);
    }

    #[test]
    fn the_same_key_in_two_files_is_a_finding() {
        let (_, findings) = merged(
            "process: { threads: 1 }\ntraffic: { upstreams: { a: 1 } }",
            "process: { threads: 2 }\ntraffic: { upstreams: { a: 1 }, forwarding: {} }",
        );
        let messages: Vec<_> = findings.iter().map(|f| f.problem.message.as_str()).collect();
        assert_eq!(messages, ["duplicate key `threads`", "duplicate key `a`"]);
        assert_eq!(findings[0].problem.hint.as_deref(), Some("`threads` stands at a.yaml:1:12 already"));
        assert_eq!(findings[0].place.file, 1);
    }

    #[test]
    fn a_repeated_key_is_removed() {
        let mut tree = parse("a: 1\nb: { c: 1, c: 2 }\na: 3", 0).unwrap();
        let mut findings = Vec::new();
        unique_keys(&mut tree, &["x".to_owned()], &mut findings);
        assert_eq!(findings.len(), 2);
        assert_eq!(tree.get("a").unwrap().value, Value::Int(1));
    }
}
