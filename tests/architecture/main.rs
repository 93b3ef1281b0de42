//! The rules of the house, held against the source text.
//!
//! What the compiler and clippy cannot see: which floor may import which, where
//! Pingora's `Session` may be named, how long files may grow. The rules are a
//! function over (path, text) pairs, so they are tested on small made-up trees.

mod rules;
mod source;

use std::{fs, io, path::Path};

use rules::{Finding, check, long_files};
use source::Source;

/// Every Rust file below a folder.
fn read(folder: &Path, root: &Path, sources: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, root, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            sources.push(Source::new(&name, &fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

#[test]
fn the_source_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read(&root, &root, &mut sources).unwrap();
    assert!(sources.len() > 10, "there should be more to look at below {}", root.display());
    for warning in long_files(&sources) {
        println!("warning: {warning}");
    }
    let findings: Vec<String> = check(&sources).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The rules broken by a made-up tree, as `path:line rule`.
fn broken(tree: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = tree.iter().map(|(path, text)| Source::new(path, text)).collect();
    check(&sources)
        .iter()
        .map(|finding| format!("{}:{} {}", finding.path, finding.line, finding.rule))
        .collect()
}

#[track_caller]
fn holds(path: &str, text: &str) {
    assert_eq!(broken(&[(path, &format!("//! Docs.\n{text}"))]), Vec::<String>::new());
}

#[track_caller]
fn breaks(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(broken(&[(path, &format!("//! Docs.\n{text}"))]), expected);
}

#[test]
fn imports_go_down() {
    holds("runtime/build.rs", "use crate::{config::Config, routing::table::Table, upstream};");
    holds("cli.rs", "fn f() { crate::server::run(crate::config::load()) }");
    breaks("config/load.rs", "use crate::routing::Table;", &["config/load.rs:2 upward import"]);
    breaks(
        "telemetry/log.rs",
        "use crate::{config::{self, Name}, phases::{admit,\n context::Context}};",
        &["telemetry/log.rs:2 upward import", "telemetry/log.rs:2 upward import"],
    );
    breaks(
        "routing/table.rs",
        "fn f() -> crate::runtime::Route { g() }",
        &["routing/table.rs:2 upward import"],
    );
}

#[test]
fn siblings_do_not_know_each_other() {
    breaks("headers.rs", "use crate::upstream::Pool;", &["headers.rs:2 sideways import"]);
    breaks("headers.rs", "use super::upstream::Pool;", &["headers.rs:2 sideways import"]);
    breaks("tls/resolver.rs", "use super::super::routing::Table;", &["tls/resolver.rs:2 sideways import"]);
    breaks("demo/mod.rs", "use crate::tasks::warm_up;", &["demo/mod.rs:2 sideways import"]);
    breaks("services/admin.rs", "use super::front::Front;", &["services/admin.rs:2 sideways import"]);
    breaks("tasks/drain.rs", "use crate::tasks::warm_up::W;", &["tasks/drain.rs:2 sideways import"]);
    holds("services/mod.rs", "use self::front::Front;\nuse crate::services::admin::Admin;");
    holds("routing/table.rs", "use super::pattern::Pattern;\nuse crate::routing::precedence;");
    holds("routing/table/index.rs", "use super::{super::pattern::Pattern, Table};");
    holds("phases/admit.rs", "use super::context::RequestContext;");
}

#[test]
fn words_in_comments_strings_and_tests_are_no_imports() {
    holds("headers.rs", "// crate::upstream\n/* crate::demo /* nested */ crate::proxy */");
    holds("headers.rs", r##"const A: &str = "crate::upstream"; const B: &str = r#"" crate::demo"#;"##);
    holds("headers.rs", "const Q: char = '\"'; fn f<'a>(x: &'a str) {} // crate::upstream");
    holds("headers.rs", "#[cfg(test)]\nmod tests {\n use crate::upstream;\n fn f() { '}'; }\n}");
    holds("headers/tests.rs", "use crate::upstream::Pool;");
    breaks("headers.rs", "#[cfg(test)]\nmod tests;\nuse crate::upstream;", &["headers.rs:4 sideways import"]);
}

#[test]
fn rooms_are_known() {
    breaks("utils/mod.rs", "", &["utils/mod.rs:1 unknown module"]);
    breaks("misc.rs", "", &["misc.rs:1 unknown module"]);
    breaks("headers.rs", "use crate::misc::x;", &["headers.rs:2 unknown module"]);
    let order = "#![doc = \"x\"]\npub mod telemetry;\npub mod config;\n";
    assert_eq!(broken(&[("lib.rs", order)]), ["lib.rs:3 floor order"]);
    assert!(broken(&[("lib.rs", "#![doc = \"x\"]\npub mod config;\nmod telemetry;\n")]).is_empty());
}

#[test]
fn session_stays_in_its_rooms() {
    let text = "use pingora_proxy::Session;";
    for room in ["proxy.rs", "proxy/hooks.rs", "phases/admit.rs", "services/front.rs"] {
        holds(room, text);
    }
    for other in ["routing/table.rs", "services/admin.rs", "runtime/route.rs"] {
        breaks(other, text, &[&format!("{other}:2 Session")]);
    }
    holds("services/admin.rs", "use pingora_core::protocols::http::ServerSession;\nstruct SessionId;");
}

#[test]
fn the_environment_has_one_reader() {
    holds("config/load.rs", "fn f() { std::env::var(\"X\"); }");
    for text in
        ["fn f() { std::env::var(\"X\"); }", "fn f() { env::vars(); }", "fn f() { std::env::var_os(\"X\"); }"]
    {
        breaks("telemetry/log.rs", text, &["telemetry/log.rs:2 environment"]);
    }
    holds("cli.rs", "fn f() { std::env::args(); let env = env!(\"X\"); }");
}

#[test]
fn files_say_what_they_are() {
    assert_eq!(broken(&[("headers.rs", "use std::fmt;\n//! Late.\n")]), ["headers.rs:1 module docs"]);
    assert!(broken(&[("headers/tests.rs", "use super::*;\n")]).is_empty());
}

#[test]
fn files_and_functions_stay_short() {
    let lines = |count| "const X: u8 = 0;\n".repeat(count);
    holds("headers.rs", &lines(398));
    breaks("headers.rs", &lines(401), &["headers.rs:1 file length"]);
    holds("headers.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(300), lines(300)));
    let function = |count| format!("fn long<T>(x: [T; 2])\nwhere T: Copy\n{{\n{}}}\n", "x;\n".repeat(count));
    holds("headers.rs", &function(70));
    holds("headers.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(100)));
    breaks("headers.rs", &function(71), &["headers.rs:2 function length"]);
    breaks(
        "headers.rs",
        &format!("trait T {{ fn short(&self);\n {} }}", function(71)),
        &["headers.rs:3 function length"],
    );
    let blank = "fn long() {\n// why\n\n".to_owned() + &"\n".repeat(90) + "}\n";
    holds("headers.rs", &blank);
}

#[test]
fn long_files_are_named_before_they_fail() {
    let source = |count| Source::new("headers.rs", &"//! x\n".repeat(count));
    assert!(long_files(&[source(250)]).is_empty());
    assert_eq!(
        long_files(&[source(251)]),
        ["headers.rs has 251 lines without tests; think of splitting it past 250"]
    );
}
