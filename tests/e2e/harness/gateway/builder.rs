//! The configuration of a gateway and the start of its process.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{Gateway, one_upstream::OneUpstream};
use crate::harness::ports::Port;

/// A gateway in the making.
///
/// In every text, `@listener@`, `@admin@` and `@dir@` stand for the free address
/// of the listener, that of the admin port and the gateway's own directory;
/// `@name@` for what `set` was given.
pub struct Builder {
    pub(super) process: BTreeMap<String, String>,
    pub(super) traffic: String,
    one: OneUpstream,
    pub(super) values: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    directory: TempDir,
}

impl Builder {
    /// The process section that stories start from: two threads, no watching of files.
    pub(super) fn new() -> Self {
        let process = [
            ("listeners", r#"[{ address: "@listener@" }]"#),
            ("admin", r#"{ address: "@admin@" }"#),
            ("threads", "2"),
            ("reload", "{ watch: false }"),
            ("shutdown", r#"{ upgrade_socket: "@dir@/upgrade.sock", drain_timeout: 10s }"#),
            ("telemetry", "{ log: { format: text, level: info }, access_log: { format: json } }"),
        ];
        Self {
            process: process.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            traffic: "{}".to_owned(),
            one: OneUpstream::default(),
            values: BTreeMap::new(),
            environment: Vec::new(),
            directory: tempfile::Builder::new().prefix("nilegate-e2e-").tempdir().unwrap(),
        }
    }

    /// Sets a key of the process section, instead of what stories start from.
    pub fn process(mut self, key: &str, yaml: &str) -> Self {
        self.process.insert(key.to_owned(), yaml.to_owned());
        self
    }

    /// Sets the traffic section.
    pub fn traffic(mut self, yaml: &str) -> Self {
        yaml.clone_into(&mut self.traffic);
        self
    }

    /// Adds a backend to the upstream `origin`.
    pub fn backend(self, address: impl Display) -> Self {
        self.one(|one| one.backend(address))
    }

    /// Adds keys to the upstream `origin`, such as `protocol: http2`.
    pub fn upstream(self, yaml: &str) -> Self {
        self.one(|one| one.key(yaml))
    }

    /// Sets the routes, one below the other, instead of the one that takes everything.
    pub fn routes(self, yaml: &str) -> Self {
        self.one(|one| one.routes(yaml))
    }

    /// Adds a key of the traffic section beside upstreams and routes.
    pub fn also(self, yaml: &str) -> Self {
        self.one(|one| one.also(yaml))
    }

    fn one(mut self, change: impl FnOnce(&mut OneUpstream)) -> Self {
        change(&mut self.one);
        self.traffic = self.one.yaml();
        self
    }

    /// What `@name@` stands for.
    pub fn set(mut self, name: &str, value: impl Display) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// Sets a variable of the process's environment.
    pub fn env(mut self, name: &str, value: impl Display) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// The gateway's own directory, for certificates and the like.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts and waits until the gateway says it is ready.
    pub async fn start(self) -> Gateway {
        let mut gateway = self.launch();
        gateway.wait_ready().await;
        gateway
    }

    /// Starts without waiting.
    pub fn launch(mut self) -> Gateway {
        let (listener, admin) = (Port::free(), Port::free());
        self.values.insert("listener".to_owned(), listener.to_string());
        self.values.insert("admin".to_owned(), admin.to_string());
        self.values.insert("dir".to_owned(), self.directory.path().display().to_string());
        self.write();
        let child = self.spawn(0, &[]);
        Gateway::started(self, child, listener, admin)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join("nilegate.yaml")
    }

    pub(super) fn write(&self) {
        let mut text = String::from("process:\n");
        for (key, value) in &self.process {
            text.push_str(&format!("  {key}:{}\n", nested(value, 4)));
        }
        text.push_str(&format!("traffic:{}\n", nested(&self.traffic, 2)));
        for (name, value) in &self.values {
            text = text.replace(&format!("@{name}@"), value);
        }
        // In one step: a watching gateway must never read half of it.
        let new = self.directory.path().join("nilegate.yaml.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.file()).unwrap();
    }

    pub(super) fn spawn(&self, start: usize, arguments: &[&str]) -> Child {
        let output =
            |name: &str| File::create(self.directory.path().join(format!("{name}.{start}"))).unwrap();
        Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .arg("run")
            .arg("-c")
            .arg(self.file())
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap()
    }
}

/// A value behind its key: flow style and scalars on the same line, block style below it and indented.
fn nested(value: &str, indent: usize) -> String {
    let lines: Vec<&str> = value.lines().filter(|line| !line.trim().is_empty()).collect();
    if let [line] = lines[..] {
        let line = line.trim();
        if line.starts_with(['{', '[']) || !line.contains(": ") {
            return format!(" {line}");
        }
    }
    let common = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| format!("\n{:indent$}{}", "", &line[common..])).collect()
}
