//! The documents are true: their commands run and print what is shown, their examples pass
//! `nilegate check`, their links and paths lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod example;
mod markdown;
mod names;
#[path = "../e2e/harness/ports.rs"]
mod ports;
mod shell;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use markdown::{Block, Document, documents, root};
use shell::{Stage, Step, steps};

/// What may stand behind an opening fence, and what becomes of such a block.
const LANGUAGES: &[(&str, &str)] = &[
    ("yaml", "a configuration, or a part of one: `nilegate check` has to accept it"),
    ("sh", "commands, which have to succeed"),
    ("console", "commands behind `$ `, which have to print what is shown below them"),
    ("js", "a program, which has to be one for node"),
    ("nginx", "what others write; nginx is no part of the tests"),
    ("text", "nothing"),
];

fn blocks(language: &str) -> Vec<Block> {
    let all = documents().into_iter().flat_map(|document| document.blocks);
    all.filter(|block| block.info == language).collect()
}

fn commands(document: &Document) -> Vec<Step> {
    let own = document.blocks.iter().filter(|block| ["sh", "console"].contains(&block.info.as_str()));
    own.flat_map(steps).collect()
}

#[test]
fn every_block_says_what_it_is() {
    let all: Vec<Block> = documents().into_iter().flat_map(|document| document.blocks).collect();
    let known = |block: &&Block| LANGUAGES.iter().any(|(language, _)| *language == block.info);
    let strange: Vec<_> = all.iter().filter(|block| !known(block)).map(|b| (&b.place, &b.info)).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    assert!(all.len() > 40, "{} blocks", all.len());
}

#[test]
fn examples_of_configuration_pass_the_check() {
    let examples = blocks("yaml");
    assert!(examples.len() > 20, "{} examples", examples.len());
    let refused: Vec<String> = examples
        .iter()
        .filter_map(|block| {
            let output = example::check(block);
            let problem = || format!("{}\n{}", block.place, String::from_utf8_lossy(&output.stderr));
            (!output.status.success()).then(problem)
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn examples_of_node_are_programs() {
    let place = tempfile::tempdir().unwrap();
    for block in blocks("js") {
        let path = place.path().join("example.js");
        fs::write(&path, &block.text).unwrap();
        let output = Command::new("node").arg("--check").arg(&path).output().expect("node runs");
        assert!(output.status.success(), "{}\n{}", block.place, String::from_utf8_lossy(&output.stderr));
    }
}

/// Runs what a document says can be run, in its order, against one demo.
#[track_caller]
fn follow(path: &str) {
    let run: Vec<Step> = commands(&Document::read(Path::new(path)))
        .into_iter()
        .filter(|step| step.not_run().is_none())
        .collect();
    assert!(!run.is_empty(), "{path} has no command that is run: take it from the list");
    let stage = Stage::new();
    let wrong: Vec<String> = run.iter().filter_map(|step| stage.follow(step)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One test for each document with commands, so that they run beside each other.
macro_rules! followed {
    ($($name:ident: $file:literal,)+) => {
        $(#[test]
        fn $name() {
            follow($file);
        })+

        #[test]
        fn every_document_with_commands_is_followed() {
            let with_commands = documents().into_iter().filter(|document| {
                commands(document).iter().any(|step| step.not_run().is_none())
            });
            let found: BTreeSet<String> =
                with_commands.map(|document| document.path.to_str().unwrap().to_owned()).collect();
            assert_eq!(found, BTreeSet::from([$($file.to_owned()),+]));
        }
    };
}

followed! {
    the_readme_is_followed: "README.md",
    the_reference_is_followed: "conf/README.md",
    the_migration_is_followed: "conf/migration.md",
    the_runbook_is_followed: "deploy/README.md",
    the_operations_are_followed: "deploy/operations.md",
    the_security_page_is_followed: "deploy/security.md",
}

#[test]
fn the_newest_entry_of_the_changelog_is_this_version() {
    let changes = Document::read(Path::new("deploy/CHANGELOG.md"));
    let text = fs::read_to_string(root().join(&changes.path)).unwrap();
    let newest = text.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert!(newest.starts_with(env!("CARGO_PKG_VERSION")), "{newest}");
}

/// Figures stand in two places: where they are measured and where they are shown off.
#[test]
fn figures_of_the_readme_are_those_of_the_benches() {
    let measured = fs::read_to_string(root().join("benches/README.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- figures -->\n").unwrap();
    let (figures, _) = rest.split_once("<!-- end of figures -->").unwrap();
    let number = regex::Regex::new(r"\d[\d,]*\.\d+x?|\d[\d,]{2,}").unwrap();
    let numbers: Vec<&str> = number.find_iter(figures).map(|found| found.as_str()).collect();
    assert!(numbers.len() > 10, "{numbers:?}");
    let unknown: Vec<_> = numbers.iter().filter(|figure| !measured.contains(**figure)).collect();
    assert!(unknown.is_empty(), "not in benches/README.md: {unknown:?}");
}
