//! Reads a `Config` from a tree and finds everything that keeps it from being read.
//!
//! Serde stops at the first error. So each one is noted, the place it concerns
//! is replaced by something harmless of the right type, and reading starts
//! again: what remains is a configuration on which references can be checked,
//! and the full list of findings.

use serde::Deserialize;

use super::{
    Config,
    decode::{NodeDeserializer, STAND_INS, list},
    fault::{Fault, FaultKind},
    finding::{Problem, closest},
    path::{self, Segment},
    schema,
    tree::{Key, Node, Place, Value},
};

/// A problem whose place is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub place: Place,
    pub problem: Problem,
}

/// Nobody reads more than this at once.
const FINDINGS_MAX: usize = 100;
/// Each finding may take a few rounds until a stand-in is accepted.
const ROUNDS_MAX: usize = FINDINGS_MAX * 10;

/// Reads the configuration; a tree that needed repairs is changed and yields
/// findings. `None`: nothing usable was left.
pub(super) fn read(tree: &mut Node) -> (Option<Config>, Vec<Located>) {
    let mut findings = Vec::new();
    for _ in 0..ROUNDS_MAX {
        match Config::deserialize(NodeDeserializer(tree)) {
            Ok(config) => return (Some(config), findings),
            Err(fault) => {
                let known = findings.len();
                let mended = mend(tree, fault, &mut findings);
                if !mended || known >= FINDINGS_MAX {
                    break;
                }
            }
        }
    }
    (None, findings)
}

/// Notes a fault and repairs its place. `false`: that was not possible.
fn mend(tree: &mut Node, fault: Fault, findings: &mut Vec<Located>) -> bool {
    let segments = fault.path();
    let here = path::print(&segments);
    let place = path::find(tree, &here).place;
    let Some(node) = path::find_mut(tree, &segments) else { return false };
    let mut note = |place, problem| findings.push(Located { place, problem });
    let kind = match fault.kind {
        // The key that chooses a variant.
        FaultKind::UnknownWord { word, known } if node.get(&word).is_some() => {
            FaultKind::UnknownKey { name: word, known }
        }
        kind => kind,
    };
    match kind {
        FaultKind::UnknownKey { name, known } => {
            let Some(index) = node.entries().iter().position(|(key, _)| key.name == name) else {
                return false;
            };
            note(node.entries()[index].0.place, unknown_key(&here, &name, known));
            let meant = closest(&name, known.iter().copied()).filter(|meant| node.get(meant).is_none());
            mend_key(node, index, meant)
        }
        FaultKind::BadKey { name, message } => {
            let Some(index) = node.entries().iter().position(|(key, _)| key.name == name) else {
                return false;
            };
            note(node.entries()[index].0.place, Problem::new(path::key(&here, &name), message));
            mend_key(node, index, None)
        }
        FaultKind::MissingKey(name) => {
            if !node.repaired {
                note(place, Problem::new(here.clone(), format!("missing key `{name}`{}", in_section(&here))));
            }
            supply(node, name, place)
        }
        _ if node.repaired => next_stand_in(node) || replace_ancestor(tree, &segments),
        kind => {
            note(place, unusable(&here, node, &kind));
            *node = Node::hole(node.place);
            true
        }
    }
}

/// Renames a key to the one that was meant, or takes it out.
fn mend_key(node: &mut Node, index: usize, meant: Option<&str>) -> bool {
    let Value::Map(entries) = &mut node.value else { return false };
    match meant {
        Some(meant) => entries[index].0.name = meant.to_owned(),
        None => drop(entries.remove(index)),
    }
    if entries.is_empty() {
        // Nothing of what was written is left to be checked.
        *node = Node::hole(node.place);
    }
    true
}

/// Adds a missing key with a value that passes for anything.
fn supply(node: &mut Node, name: &str, place: Place) -> bool {
    if matches!(node.value, Value::Hole(_)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return false };
    entries.push((Key { name: name.to_owned(), place }, Node::hole(place)));
    true
}

fn next_stand_in(node: &mut Node) -> bool {
    match &mut node.value {
        Value::Hole(n) if *n + 1 < STAND_INS.len() => {
            *n += 1;
            true
        }
        _ => false,
    }
}

/// When no stand-in fits, the nearest value around it that is still as written gives way.
fn replace_ancestor(tree: &mut Node, segments: &[Segment]) -> bool {
    for length in (1..segments.len()).rev() {
        let Some(node) = path::find_mut(tree, &segments[..length]) else { continue };
        if !node.repaired {
            *node = Node::hole(node.place);
            return true;
        }
    }
    false
}

fn in_section(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

fn unknown_key(path: &str, name: &str, known: &[&str]) -> Problem {
    let problem = Problem::new(path::key(path, name), format!("unknown key `{name}`{}", in_section(path)));
    if let Some(meant) = closest(name, known.iter().copied()) {
        return problem.hint(format!("did you mean `{meant}`?"));
    }
    let homes = schema::homes_of(name);
    if !homes.is_empty() && homes.len() <= 3 {
        let homes: Vec<&str> = homes.iter().map(String::as_str).collect();
        return problem.hint(format!("`{name}` is a key of {}", list(&homes)));
    }
    problem.hint(format!("keys here: {}", list(known)))
}

/// Says why a value cannot be used, without telling what was substituted.
fn unusable(path: &str, node: &Node, kind: &FaultKind) -> Problem {
    if node.value == Value::Null {
        let name = path.rsplit('.').next().unwrap_or(path);
        return Problem::new(path, format!("`{name}` has no value"))
            .hint("give it one, or leave the key out to get its default");
    }
    match kind {
        FaultKind::UnknownWord { word, known } => {
            Problem::new(path, format!("{} is not one of {}", node.shown(), list(known)))
                .did_you_mean(word, known.iter().copied())
        }
        FaultKind::Unfit { expected } => {
            let expected = plain(node, expected);
            let problem = Problem::new(path, format!("expected {expected}, found {}", node.shown()));
            let scalar = matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_));
            if scalar && (expected.contains("text") || expected.contains(&node.shown())) {
                problem.hint(format!("write it in quotes: \"{}\"", node.shown().trim_matches('`')))
            } else {
                problem
            }
        }
        kind => Problem::new(path, conceal(node, &explained(node, &kind.to_string()))),
    }
}

/// Replaces what was substituted by what the operator wrote.
fn conceal(node: &Node, message: &str) -> String {
    match (&node.expanded_from, &node.value) {
        (Some(raw), Value::Text(text)) if !text.is_empty() => message.replace(text.as_str(), raw),
        _ => message.to_owned(),
    }
}

/// Serde's descriptions of types in the words of the file format.
fn plain(node: &Node, expected: &str) -> String {
    let is_number = matches!(node.value, Value::Int(_));
    let whole = |max: u64| match (is_number, max) {
        (false, _) => "a whole number".to_owned(),
        (true, u64::MAX) => "0 or more".to_owned(),
        (true, max) => format!("from 0 to {max}"),
    };
    match expected {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => whole(u64::MAX),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "text".to_owned(),
        "path string" => "a path as text".to_owned(),
        "socket address" => "an address such as `127.0.0.1:8080`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "enum" => "a map with one key".to_owned(),
        other if other.starts_with("struct ") => "a map".to_owned(),
        other => other.to_owned(),
    }
}

/// The messages of the standard library name neither the text nor a good one.
fn explained(node: &Node, message: &str) -> String {
    match message {
        "invalid socket address syntax" => {
            format!("{} is not an address and port such as `127.0.0.1:8080` or `[::]:8080`", node.shown())
        }
        "invalid IP address syntax" => format!("{} is not a network such as `10.0.0.0/8`", node.shown()),
        other => other.to_owned(),
    }
}
