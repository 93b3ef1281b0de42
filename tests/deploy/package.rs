//! The systemd unit, the Debian package, and what both are made of.

use std::{collections::BTreeMap, fs, process::Command};

use clap::Parser as _;
use nilegate::{cli::Args, config::load::load_text};
use serde_json::Value;

use crate::{deploy, items, read, root};

/// The settings of a section of a unit, in order.
fn section(unit: &str, name: &str) -> Vec<(String, String)> {
    let text = unit.split_once(&format!("[{name}]\n")).unwrap().1;
    let text = text.split_once("\n[").map_or(text, |(section, _)| section);
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("not a setting: {line}")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn service() -> Vec<(String, String)> {
    section(&read(&deploy("systemd/nilegate.service")), "Service")
}

fn setting(name: &str) -> String {
    let found = service().into_iter().rfind(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("the unit does not set {name}")).1
}

/// The part of Cargo.toml that describes the package.
fn manifest() -> Vec<String> {
    let text = read(&root("Cargo.toml"));
    let part = text.split_once("\n[package.metadata.deb]\n").unwrap().1;
    part.split("\n[").next().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_binary_understands_what_the_unit_starts() {
    let commands: Vec<String> = service()
        .into_iter()
        .filter(|(key, value)| key.starts_with("Exec") && value.starts_with("/usr/bin/nilegate"))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(commands.len(), 2, "one to start, one to check before a reload");
    for command in commands {
        let words = command.split_whitespace().map(|word| word.trim_start_matches("/usr/bin/"));
        Args::try_parse_from(words).unwrap();
    }
    assert_eq!(setting("Type"), "notify");
    assert_eq!(setting("NotifyAccess"), "all", "a successor is no main process yet when it says it is one");
    assert_eq!(setting("RestartPreventExitStatus"), nilegate::cli::EXIT_CONFIG.to_string());
}

#[test]
fn the_unit_leaves_the_process_what_it_needs_and_no_more() {
    for (key, value) in [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "yes"),
        ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"),
        // TCP, and sockets of the host's: the upgrade socket and the service manager.
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("RuntimeDirectory", "nilegate"),
    ] {
        assert_eq!(setting(key), value, "{key}");
    }
    // The hand-over looks who listens in /proc/net/unix.
    assert!(service().iter().all(|(key, _)| key != "ProcSubset"));
    let stop: u64 = setting("TimeoutStopSec").parse().unwrap();
    let none = |_: &str| None;
    let config = load_text("welcome.yaml", &read(&root("conf/welcome.yaml")), &none).unwrap().config;
    let shutdown = config.process.shutdown;
    assert!(stop >= (shutdown.delay.get() + shutdown.drain_timeout.get()).as_secs() + 10);
}

#[test]
fn the_packaged_configuration_uses_the_directories_of_the_unit() {
    let text = read(&root("conf/welcome.yaml"));
    let environment = BTreeMap::from([("RUNTIME_DIRECTORY", "/run/nilegate")]);
    let look = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let loaded = load_text("welcome.yaml", &text, &look).unwrap();
    let socket = loaded.config.process.shutdown.upgrade_socket;
    assert_eq!(socket.parent().unwrap().to_str(), Some("/run/nilegate"));
    assert_eq!(setting("Environment"), "NILEGATE_CONFIG=/etc/nilegate");
    assert!(loaded.config.process.listeners.iter().all(|listener| listener.address.ip().is_loopback()));
}

#[test]
fn the_package_is_made_of_what_is_there() {
    let lines = manifest();
    let assets: Vec<Vec<String>> = lines
        .iter()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| line.starts_with("[\""))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(assets.len() > 8, "{assets:?}");
    let script = read(&root("scripts/package"));
    for asset in &assets {
        let source = &asset[0];
        match source.strip_prefix("target/package/") {
            Some(made) => assert!(script.contains(made.split('/').next().unwrap()), "nobody makes {source}"),
            None if source == "target/release/nilegate" => {}
            None => assert!(root(source).is_file(), "{source}"),
        }
    }
    let conf = lines.iter().find_map(|line| line.strip_prefix("conf-files = ")).unwrap();
    let conf: Value = serde_json::from_str(conf).unwrap();
    for file in items(&conf) {
        let installed = file.as_str().unwrap().trim_start_matches('/');
        assert!(assets.iter().any(|asset| asset[1] == installed), "{installed}");
    }
    for name in ["postinst", "prerm", "postrm"] {
        let text = read(&deploy("debian").join(name));
        assert!(text.starts_with("#!/bin/sh\nset -e\n") && text.contains("#DEBHELPER#"), "{name}");
    }
    assert!(
        setting("User") == "nilegate" && read(&deploy("systemd/nilegate.sysusers")).contains("\nu nilegate ")
    );
}

#[test]
fn pages_and_completions_come_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nilegate")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["generate", "man", directory.path().to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let main = page("nilegate.1");
    assert!(main.starts_with(".ie") || main.starts_with(".TH"), "not a manual page: {main:.60}");
    for word in ["nilegate\\-healthcheck(1)", ".SH \"EXIT STATUS\"", "\\fBUSR2\\fR"] {
        assert!(main.contains(word), "{word} is not in\n{main}");
    }
    assert!(!main.contains("generate"), "hidden is hidden");
    assert!(page("nilegate-purge.1").contains("\\-\\-tag"));
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["generate", "completions", shell]);
        assert!(script.contains("healthcheck") && script.contains("explain"), "{shell}");
    }
}

#[test]
fn the_version_says_which_commit_when_it_is_known() {
    let output = Command::new(env!("CARGO_BIN_EXE_nilegate")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let stamp = said.trim().strip_prefix("nilegate ").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let commit = stamp.strip_prefix(version).unwrap_or_else(|| panic!("{said}"));
    let name = commit.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    assert!(commit.is_empty() || name.is_some_and(|name| name.len() >= 7), "{said}");
}

#[test]
fn the_workflow_runs_what_is_there() {
    let text = read(&root(".github/workflows/ci.yml"));
    let words = text.split(|c: char| c.is_whitespace() || "\"'`;()".contains(c));
    let is_ours = |word: &&str| {
        ["scripts/", ".ci/", "deploy/", "docker-compose"].iter().any(|start| word.starts_with(start))
    };
    let named: Vec<&str> = words.filter(is_ours).collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        // What follows a variable or a pattern is decided later.
        let fixed = name.split(['$', '*']).next().unwrap();
        let path = if fixed == name { fixed } else { fixed.rsplit_once('/').unwrap().0 };
        assert!(root(path).exists(), "{name}");
    }
    assert!(text.contains("run: .ci/run\n"), "tests and lints are those of any other machine");
}
