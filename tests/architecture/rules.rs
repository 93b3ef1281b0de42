//! The rules, each a function from a source to findings.

use std::fmt;

use crate::source::{Source, body};

/// The floors from the bottom up with their rooms, which are the modules of the
/// crate root. A new room gets its line here first.
const FLOORS: &[&[&str]] = &[
    &["config"],
    &["telemetry", "grammar", "redis"],
    &[
        "routing",
        "upstream",
        "headers",
        "tls",
        "proxy_protocol",
        "framing",
        "downstream",
        "auth",
        "cache",
        "api_version",
        "mapping",
        "rate_limit",
        "graphql",
        "local_response",
    ],
    &["runtime"],
    &["phases"],
    &["proxy", "services", "tasks", "demo", "explain"],
    &["server"],
    &["cli"],
];

/// Floors, counted from 1, whose rooms do not know each other.
const FLOORS_OF_SIBLINGS: &[usize] = &[3, 6];

/// Rooms whose files are siblings too.
const ROOMS_OF_SIBLINGS: &[&str] = &["services", "tasks"];

/// Where Pingora's `Session` may be named: the hooks, the phases they call, the
/// front that runs before the session, and the sessions that are ours: towards a client, and
/// towards a backend.
const SESSION_ROOMS: &[&[&str]] = &[
    &["proxy"],
    &["phases"],
    &["services", "front"],
    &["downstream", "upload"],
    &["downstream", "inner"],
    &["local_response"],
    &["mapping", "exchange"],
];

/// Lines of a file without its tests: from here on it fails.
const MAX_LINES: usize = 400;
/// Lines of a file without its tests: from here on it is named.
const SOFT_LINES: usize = 250;
/// Lines of code in a function's body.
const MAX_FUNCTION_LINES: usize = 70;

/// A broken rule.
pub struct Finding {
    /// The file, from `src/`.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// Which rule.
    pub rule: &'static str,
    /// What to do about it.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}: {}", self.path, self.line, self.rule, self.detail)
    }
}

/// Everything that is wrong with a tree.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let mut report = |line, rule, detail: String| {
            findings.push(Finding { path: source.path.clone(), line, rule, detail });
        };
        known_room(source, &mut report);
        if source.path == "lib.rs" {
            floor_order(source, &mut report);
        }
        if source.is_test() {
            continue;
        }
        documented(source, &mut report);
        imports_go_down(source, &mut report);
        session_in_its_rooms(source, &mut report);
        one_reader_of_the_environment(source, &mut report);
        lengths(source, &mut report);
    }
    findings
}

/// Files that are long, though not yet too long.
pub fn long_files(sources: &[Source]) -> Vec<String> {
    let is_long = |source: &&Source| !source.is_test() && source.lines > SOFT_LINES;
    let name = |source: &Source| {
        let Source { path, lines, .. } = source;
        format!("{path} has {lines} lines without tests; think of splitting it past {SOFT_LINES}")
    };
    sources.iter().filter(is_long).map(name).collect()
}

/// The floor of a room, from 1.
fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).map(|index| index + 1)
}

fn known_room(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    let module = source.module();
    if let Some(room) = module.first()
        && floor(room).is_none()
    {
        report(1, "unknown module", format!("give `{room}` a floor in tests/architecture/rules.rs"));
    }
}

fn floor_order(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    let mut highest = 0;
    for (index, line) in source.code.lines().enumerate() {
        let line = line.trim().trim_start_matches("pub ");
        let Some(room) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else { continue };
        let floor = floor(room).unwrap_or(highest);
        if floor < highest {
            report(index + 1, "floor order", format!("`{room}` belongs further up: floor {floor}"));
        }
        highest = highest.max(floor);
    }
}

fn documented(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    if !source.text.starts_with("//!") && !source.text.starts_with("#![doc") {
        report(1, "module docs", "open with `//!`: what the module is for".to_owned());
    }
}

fn imports_go_down(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    let here = source.module();
    let Some(own_floor) = here.first().and_then(|room| floor(room)) else { return };
    for (offset, target) in paths(source) {
        let line = source.line(offset);
        let Some(room) = target.first() else { continue };
        let shown = format!("`crate::{}`", target.join("::"));
        let Some(target_floor) = floor(room) else {
            report(line, "unknown module", format!("{shown} is in no room of ours"));
            continue;
        };
        if target_floor > own_floor {
            let detail = format!("{shown} is on floor {target_floor}, this file on floor {own_floor}");
            report(line, "upward import", detail);
        } else if are_siblings(&here, &target) && FLOORS_OF_SIBLINGS.contains(&own_floor) {
            report(line, "sideways import", format!("{shown} is a sibling; a higher floor combines them"));
        }
    }
}

/// Whether two modules of one floor are different rooms, or different files of a
/// room of siblings.
fn are_siblings(here: &[&str], target: &[String]) -> bool {
    let same_floor = floor(here[0]) == floor(&target[0]);
    if here[0] != target[0] {
        return same_floor;
    }
    let second = (here.get(1), target.get(1));
    let is_module = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase());
    ROOMS_OF_SIBLINGS.contains(&here[0])
        && matches!(second, (Some(here), Some(target)) if here != target && is_module(target))
}

/// The paths into our own crate, from its root, with the offset where each begins.
fn paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let here = source.module();
    let mut found = Vec::new();
    for start in ["crate", "super"] {
        for offset in source.words(start) {
            let before = source.code[..offset].trim_end();
            let is_path = source.code[offset + start.len()..].trim_start().starts_with("::");
            // `pub(in crate::x)` restricts, it does not import; `a::super` is no path of its own.
            if !is_path || before.ends_with("(in") || before.ends_with("::") || before.ends_with('$') {
                continue;
            }
            let mut prefix: Vec<String> = here.iter().map(|segment| (*segment).to_owned()).collect();
            if start == "crate" {
                prefix.clear();
            } else {
                prefix.pop();
            }
            let rest = &source.code[offset + start.len()..];
            tree(rest, &prefix, &mut |path| found.push((offset, path)));
        }
    }
    found.sort();
    // Several items of one file are one import.
    found.dedup_by(|a, b| a.0 == b.0 && a.1.first() == b.1.first() && a.1.get(1) == b.1.get(1));
    found
}

/// Walks what follows a path's first segment: `::a::b`, or `::{a, b::{c}}`.
/// Returns the text behind it.
fn tree<'a>(text: &'a str, prefix: &[String], found: &mut impl FnMut(Vec<String>)) -> &'a str {
    let Some(text) = text.trim_start().strip_prefix("::").map(str::trim_start) else {
        found(prefix.to_vec());
        return text;
    };
    if let Some(mut text) = text.strip_prefix('{') {
        loop {
            text = text.trim_start().trim_start_matches(',').trim_start();
            if text.is_empty() || text.starts_with('}') {
                return text.get(1..).unwrap_or("");
            }
            let before = text.len();
            text = segment(text, prefix, found);
            text = text.trim_start().strip_prefix("as ").map_or(text, skip_word);
            if text.len() == before {
                return text; // Not a use tree after all.
            }
        }
    }
    segment(text, prefix, found)
}

fn segment<'a>(text: &'a str, prefix: &[String], found: &mut impl FnMut(Vec<String>)) -> &'a str {
    let rest = skip_word(text);
    let word = &text[..text.len() - rest.len()];
    let mut path = prefix.to_vec();
    match word {
        "" => {
            found(path);
            return text.strip_prefix('*').unwrap_or(text);
        }
        "self" => {}
        "super" => drop(path.pop()),
        _ => path.push(word.to_owned()),
    }
    tree(rest, &path, found)
}

fn skip_word(text: &str) -> &str {
    text.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
}

fn session_in_its_rooms(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    if SESSION_ROOMS.iter().any(|room| source.module().starts_with(room)) {
        return;
    }
    if let Some(offset) = source.words("Session").next() {
        let detail = "take headers and values instead; only proxy, phases and services/front see it";
        report(source.line(offset), "Session", detail.to_owned());
    }
}

fn one_reader_of_the_environment(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    if source.module().starts_with(&["config", "load"]) {
        return;
    }
    for call in ["var", "var_os", "vars", "vars_os"] {
        for offset in source.words(call) {
            if source.code[..offset].ends_with("env::") {
                let detail = "only config/load.rs reads the environment".to_owned();
                report(source.line(offset), "environment", detail);
            }
        }
    }
}

fn lengths(source: &Source, report: &mut impl FnMut(usize, &'static str, String)) {
    if source.lines > MAX_LINES {
        let detail = format!("{} lines without tests; split it by concept", source.lines);
        report(1, "file length", detail);
    }
    for offset in source.words("fn") {
        let Ok(body) = body(&source.code, offset) else { continue };
        let inside = &source.code[body.start + 1..body.end - 1];
        let lines = inside.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > MAX_FUNCTION_LINES {
            let detail = format!("{lines} lines of code; at most {MAX_FUNCTION_LINES}");
            report(source.line(offset), "function length", detail);
        }
    }
}
