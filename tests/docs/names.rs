//! Names in documents: files, commands, benches, metrics, headings and pages exist.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use nilegate::telemetry::metrics::Metrics;

use crate::{
    commands,
    markdown::{Document, documents, root},
    shell::Step,
};

fn exists(path: &str) -> bool {
    root().join(path).exists()
}

#[test]
fn commands_that_are_not_run_name_what_there_is() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let script = fs::read_to_string(root().join("scripts/dev")).unwrap();
    let mut problems = Vec::new();
    for document in documents() {
        let in_prose = document.code.iter().map(|(place, code)| Step::new(place, code));
        let all = commands(&document).into_iter().chain(in_prose);
        for step in all.filter(|step| step.not_run().is_some()) {
            let missing = unknown_names(&step.command, &manifest, &script);
            problems.extend(missing.into_iter().map(|name| format!("{}: there is no {name}", step.place)));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Benches, commands of `scripts/dev` and files that a command names and that do not exist.
fn unknown_names(command: &str, manifest: &str, script: &str) -> Vec<String> {
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || "\"'=,".contains(c)).collect();
    let words = words.split(|word| *word == "#").next().unwrap_or_default();
    let unknown_pair = |pair: &&[&str]| match pair {
        ["scripts/dev", name] => !is_command(name, script),
        ["--bench" | "--example" | "--bin", name] => !manifest.contains(&format!("name = \"{name}\"")),
        _ => false,
    };
    let pairs = words.windows(2).filter(unknown_pair).map(|pair| pair.join(" "));
    let paths = words.iter().map(|word| word.trim_start_matches("./"));
    pairs.chain(paths.filter(|word| is_ours(word) && !exists(word)).map(str::to_owned)).collect()
}

fn is_command(name: &str, script: &str) -> bool {
    [")", " |"].iter().any(|end| script.contains(&format!("\n    {name}{end}")))
}

#[test]
fn names_that_are_unknown_are_noticed() {
    let unknown = |command| unknown_names(command, "name = \"load\"", "\n    run) run ;;");
    assert_eq!(unknown("scripts/dev walk # scripts/dev fly"), ["scripts/dev walk"]);
    assert_eq!(unknown("cargo bench --bench load --bench lost"), ["--bench lost"]);
    assert_eq!(unknown("kubectl apply -k ./deploy/nowhere"), ["deploy/nowhere"]);
    assert!(unknown("scripts/dev run && docker compose -f deploy/README.md").is_empty());
}

/// Whether a word is meant as a path of the repository.
fn is_ours(word: &str) -> bool {
    const FOLDERS: &[&str] =
        &["benches/", "conf/", "deploy/", "scripts/", "src/", "tests/", ".ci/", ".github/", ".config/"];
    let plain = !word.contains(['*', '{', '<', '…', '$', '(']);
    plain && (FOLDERS.iter().any(|folder| word.starts_with(folder)) || word == "docker-compose.dev.yml")
}

#[test]
fn paths_that_are_named_exist() {
    let mut problems = Vec::new();
    for document in documents() {
        for (place, code) in &document.code {
            let Some(word) = code.split_whitespace().next() else { continue };
            let beside = document.path.with_file_name("").join(word);
            if is_ours(word) && !exists(word) && !exists(beside.to_str().unwrap()) {
                problems.push(format!("{place}: there is no {word}"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    for document in documents() {
        for link in &document.links {
            if let Some(problem) = dead(&document, &link.target) {
                problems.push(format!("{}: {}: {problem}", link.place, link.target));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Why a link leads nowhere, if it does. Pages elsewhere are not fetched.
fn dead(document: &Document, target: &str) -> Option<&'static str> {
    if target.contains("://") {
        let Ok(url) = url::Url::parse(target) else { return Some("not a URL") };
        let good = url.scheme() == "https" && url.host_str().is_some_and(|host| host.contains('.'));
        return (!good).then_some("not https, or no host");
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => document.path.clone(),
        _ => document.path.with_file_name("").join(path),
    };
    if !root().join(&path).exists() {
        return Some("no such file");
    }
    let found = || Document::read(&path).anchors.iter().any(|known| known == anchor);
    (!anchor.is_empty() && !found()).then_some("no such heading")
}

#[test]
fn a_dead_link_is_noticed() {
    let readme = Document::read(Path::new("README.md"));
    for bad in
        ["nowhere.md", "conf/README.md#nowhere", "#nowhere", "http://example.org/", "https://localhost/"]
    {
        assert!(dead(&readme, bad).is_some(), "{bad}");
    }
    for good in ["conf/README.md#listeners", "src", "https://example.org/a"] {
        assert_eq!(dead(&readme, good), None, "{good}");
    }
}

/// Whoever reads the README meets every command of the binary.
#[test]
fn every_command_of_the_binary_is_told_of() {
    let help = Command::new(env!("CARGO_BIN_EXE_nilegate")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let listed = rest.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    let all = ["README.md", "conf/README.md", "deploy/operations.md"]
        .map(|path| fs::read_to_string(root().join(path)).unwrap())
        .concat();
    let untold: Vec<_> = names.iter().filter(|name| !all.contains(&format!("nilegate {name}"))).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

/// What stands in backticks as a command of nilegate is understood by it.
#[test]
fn commands_in_prose_are_understood() {
    let named: BTreeSet<(String, String)> =
        documents().into_iter().flat_map(|document| document.code).collect();
    let mut refused = Vec::new();
    let mut seen = 0;
    for (place, code) in &named {
        let Some(words) = code.strip_prefix("nilegate ") else { continue };
        seen += 1;
        // `--help` is answered only where everything before it is known.
        let words =
            words.split_whitespace().filter(|word| !word.contains('…')).map(|word| word.trim_matches('\''));
        let mut command = Command::new(env!("CARGO_BIN_EXE_nilegate"));
        let output = command.args(words).arg("--help").output().unwrap();
        // A placeholder such as NAME=ADDRESS is no good value, but its flag is known.
        let placeholder = String::from_utf8_lossy(&output.stderr).contains("invalid value");
        if !output.status.success() && !placeholder {
            refused.push(format!("{place}: `{code}`"));
        }
    }
    assert!(seen > 20, "{seen} commands");
    assert!(refused.is_empty(), "{refused:#?}");
}

/// What stands in backticks as a metric is one.
#[test]
fn metrics_in_prose_exist() {
    let metrics = Metrics::new("0", "0").unwrap();
    let known: BTreeSet<&str> = metrics.families().iter().map(|family| family.name.as_str()).collect();
    let beginnings: BTreeSet<&str> = known.iter().filter_map(|name| name.split('_').next()).collect();
    let is_metric = |word: &str| {
        let (first, rest) = word.split_once('_').unwrap_or_default();
        let ends = ["_total", "_seconds", "_bytes", "_generation", "_up", "_connections"];
        beginnings.contains(first) && ends.iter().any(|end| rest.ends_with(&end[1..]))
    };
    let documents = documents();
    let named = documents.iter().flat_map(|document| &document.code).filter(|(_, code)| is_metric(code));
    let named: Vec<_> = named.collect();
    assert!(named.len() > 10, "{named:?}");
    let strange: Vec<_> = named.iter().filter(|(_, code)| !known.contains(code.as_str())).collect();
    assert!(strange.is_empty(), "no metrics: {strange:#?}");
}
