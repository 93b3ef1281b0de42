//! Commands in documents: which of them are run, what they run against, what they must print.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    markdown::{Block, root},
    ports::Port,
};

/// Beginnings of commands that are not run here, and why. What such a command names has to exist.
const NOT_RUN: &[(&str, &str)] = &[
    (".ci/run", "it runs this test"),
    ("apt-get", "it changes the machine"),
    ("cargo", "it builds; the test runner has done that already"),
    ("docker", "it needs a container engine"),
    ("journalctl", "it needs systemd"),
    ("kill", "tests/e2e/shutdown.rs and reload.rs send signals to gateways of their own"),
    ("kubectl", "it needs a cluster"),
    ("nilegate run", "it serves until it is ended; tests/e2e/shutdown.rs upgrades under load"),
    ("npm", "it needs the network"),
    ("scripts/dev", "it runs this test"),
    ("scripts/package", "it makes a release build"),
    ("systemctl", "it needs systemd"),
    ("target/release/examples/bare", "it needs a release build"),
    ("target/release/nilegate", "it needs a release build"),
    ("wrk", "a load test"),
];

/// A command, and what a document says that it prints.
#[derive(Debug)]
pub struct Step {
    pub place: String,
    pub command: String,
    /// Nothing where the document shows no output.
    pub shown: Vec<String>,
}

impl Step {
    /// A command of which no output is shown.
    pub fn new(place: &str, command: &str) -> Self {
        Self { place: place.to_owned(), command: command.to_owned(), shown: Vec::new() }
    }

    /// Why it is not run, if it is not: it, or what follows behind `&&`, is on the list.
    pub fn not_run(&self) -> Option<&'static str> {
        self.command.split("&&").find_map(|part| {
            let words = program(part);
            let listed = |begin: &str| {
                words.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            };
            NOT_RUN.iter().find(|(begin, _)| listed(begin)).map(|(_, reason)| *reason)
        })
    }
}

/// A command without the assignments before it.
fn program(command: &str) -> &str {
    let mut left = command.trim_start();
    while let Some((word, rest)) = left.split_once(' ') {
        let assignment = word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
        if word != "env" && !assignment {
            break;
        }
        left = rest.trim_start();
    }
    left
}

/// The commands of a block: `console` has them behind `$ ` with their output below, `sh` bare.
pub fn steps(block: &Block) -> Vec<Step> {
    let console = block.info == "console";
    let mut steps: Vec<Step> = Vec::new();
    let mut continued = false;
    for line in block.text.lines() {
        let command = if console { line.strip_prefix("$ ") } else { Some(line) };
        if continued {
            let step = steps.last_mut().unwrap();
            step.command.push('\n');
            step.command.push_str(line);
            continued = line.ends_with('\\');
        } else if let Some(command) = command {
            if command.trim().is_empty() || command.trim_start().starts_with('#') {
                continue;
            }
            continued = command.ends_with('\\');
            steps.push(Step::new(&block.place, command));
        } else {
            let step =
                steps.last_mut().unwrap_or_else(|| panic!("{}: no `$ ` at the beginning", block.place));
            step.shown.push(line.to_owned());
        }
    }
    assert!(!continued, "{}: the last command goes on", block.place);
    steps
}

/// The demo on ports of its own, and a directory in which commands find what they expect.
pub struct Stage {
    demo: Child,
    gateway: Port,
    admin: Port,
    place: tempfile::TempDir,
}

impl Stage {
    /// Starts the demo and waits until it is ready.
    pub fn new() -> Self {
        let (gateway, admin) = (Port::free(), Port::free());
        let place = tempfile::tempdir().unwrap();
        let demo = Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(["demo", "--latency", "20ms"])
            .args(["--address", &gateway.to_string(), "--admin", &admin.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for name in ["conf", "deploy", "scripts", "src"] {
            symlink(root().join(name), place.path().join(name)).unwrap();
        }
        let stage = Self { demo, gateway, admin, place };
        // Commands ask the admin port of a gateway where it is by default; this one is elsewhere.
        stage.program(&format!(
            "case $1 in healthcheck | purge | stats | versions) set -- \"$@\" --admin {} ;; esac\nexec {} \"$@\"",
            stage.admin,
            env!("CARGO_BIN_EXE_nilegate"),
        ));
        let started = Instant::now();
        while !stage.run("nilegate healthcheck").0 {
            assert!(started.elapsed() < Duration::from_secs(30), "the demo is not ready");
            thread::yield_now();
        }
        stage
    }

    /// The `nilegate` that commands find.
    fn program(&self, script: &str) {
        let path = self.bin().join("nilegate");
        fs::create_dir_all(self.bin()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn bin(&self) -> PathBuf {
        self.place.path().join("bin")
    }

    /// A text with the ports of the documents as the ones of this stage.
    fn here(&self, text: &str) -> String {
        let file = std::env::temp_dir().join(format!("nilegate-demo-{}", self.gateway.address().port()));
        text.replace("127.0.0.1:8080", &self.gateway.to_string())
            .replace("127.0.0.1:9900", &self.admin.to_string())
            .replace("/tmp/nilegate-demo-8080", file.to_str().unwrap())
    }

    fn run(&self, command: &str) -> (bool, String) {
        let script = format!("exec 2>&1\nPATH={}:$PATH\n{command}", self.bin().display());
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(self.place.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command; what is wrong with it or with what it prints, if anything.
    pub fn follow(&self, step: &Step) -> Option<String> {
        let (ended_well, printed) = self.run(&self.here(&step.command));
        let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        let shown: Vec<String> = step.shown.iter().map(|line| self.here(line.trim_end())).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let shown = shown.strip_suffix(&[""]).unwrap_or(&shown);
        // A command whose failure is the point shows what it says.
        if (ended_well || !shown.is_empty()) && (shown.is_empty() || fits(shown, &printed)) {
            return None;
        }
        Some(format!(
            "{}: $ {}\n--- shown\n{}\n--- printed\n{}\n",
            step.place,
            step.command,
            shown.join("\n"),
            printed.join("\n")
        ))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.demo.kill().ok();
        self.demo.wait().ok();
    }
}

/// Whether lines are as shown: `…` alone stands for any lines, within one for any text.
fn fits(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, others)| line_fits(first, line) && fits(rest, others))
        }
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut left) = printed.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
    for part in middle {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[test]
fn what_is_shown_fits_what_is_printed() {
    assert!(fits(&["a", "…", "d"], &["a", "b", "c", "d"]));
    assert!(fits(&["…"], &[]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["b", "…"], &["a", "b"]));
    assert!(line_fits("x…y…", "x1y2"));
    assert!(line_fits("…", ""));
    assert!(!line_fits("x…z", "x1y"));
    assert!(!line_fits("x", "xy"));
}

#[test]
fn commands_and_their_output_are_told_apart() {
    let block = |info: &str, text: &str| Block { place: String::new(), info: info.into(), text: text.into() };
    let found = steps(&block("console", "$ a \\\n  b\nout\n\n$ c\n"));
    assert_eq!(found[0].command, "a \\\n  b");
    assert_eq!(found[0].shown, ["out", ""]);
    assert_eq!(found[1].shown, Vec::<String>::new());
    let found = steps(&block("sh", "# says\nenv A=1 target/release/nilegate run\ncurl x\n"));
    let commands: Vec<_> = found.iter().map(|step| program(&step.command)).collect();
    assert_eq!(commands, ["target/release/nilegate run", "curl x"]);
    assert!(found[0].not_run().is_some() && found[1].not_run().is_none());
    let found = steps(&block("sh", "nilegate check && nilegate run -u\nnilegate runs\n"));
    assert!(found[0].not_run().is_some() && found[1].not_run().is_none());
}
