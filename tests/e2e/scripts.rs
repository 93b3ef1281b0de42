//! `scripts/dev` as a developer types it: what it starts answers, and nothing of it stays.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::harness::{Client, Load, ports::Port};

/// What a whole stack may take to be up, and to be gone.
const PATIENCE: Duration = Duration::from_secs(120);
const BINARY: &str = env!("CARGO_BIN_EXE_nilegate");

/// A checkout of the story's own, as far as the scripts look at it.
struct Checkout {
    directory: TempDir,
    ports: Vec<(&'static str, Port)>,
}

impl Checkout {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("nilegate-checkout-").tempdir().unwrap();
        let (here, there) = (directory.path(), Path::new(env!("CARGO_MANIFEST_DIR")));
        for name in ["scripts", "deploy", "Cargo.toml", "Cargo.lock"] {
            symlink(there.join(name), here.join(name)).unwrap();
        }
        for name in ["src", "conf/demo", "tmp", "bin"] {
            fs::create_dir_all(here.join(name)).unwrap();
        }
        for entry in fs::read_dir(there.join("conf/demo")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), here.join("conf/demo").join(entry.file_name())).unwrap();
        }
        fs::write(here.join("src/lib.rs"), "first").unwrap();
        // A build takes a copy: what is built is not the subject here.
        let cargo = format!(
            "#!/bin/sh\n! grep -q broken src/lib.rs || exit 1\nrm -f bin/nilegate && cp {BINARY} bin/nilegate\n"
        );
        fs::write(here.join("bin/cargo"), cargo).unwrap();
        fs::set_permissions(here.join("bin/cargo"), PermissionsExt::from_mode(0o755)).unwrap();
        fs::copy(BINARY, here.join("bin/nilegate")).unwrap();
        let names = ["GATEWAY", "ADMIN", "REDIS", "TRACES", "PROMETHEUS", "ALERTMANAGER"];
        Self { directory, ports: names.map(|name| (name, Port::free())).into() }
    }

    fn port(&self, name: &str) -> &Port {
        &self.ports.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let here = self.directory.path();
        let mut command = Command::new("sh");
        command.args(["-c", r#"PATH="$PWD/bin:$PATH" exec scripts/dev "$@""#, "sh"]).current_dir(here);
        command.args(arguments).args(["--binary", "bin/nilegate"]);
        command.env("TMPDIR", here.join("tmp")).env_remove("CARGO_TARGET_DIR");
        for (name, port) in &self.ports {
            command.env(format!("{name}_PORT"), port.address().port().to_string());
        }
        command
    }

    /// Starts a command that runs until it is stopped, and waits until it says this.
    async fn start(&self, command: &str, ready: &str) -> Running<'_> {
        let output = File::create(self.directory.path().join("output")).unwrap();
        let child = self
            .command(&[command])
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut running = Running { checkout: self, child };
        running.wait_said(ready).await;
        running
    }

    /// Processes that this checkout's commands started, and their commands.
    fn processes(&self) -> Vec<String> {
        let mark = format!("TMPDIR={}", self.directory.path().join("tmp").display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
                let command = fs::read(path.join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
        found
    }

    fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        let left: Vec<_> = fs::read_dir(self.directory.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!self.directory.path().join("target/dev-stack").exists());
    }

    async fn get(&self, name: &str, path: &str) -> String {
        let answer = Client::new(self.port(name).address()).get(path).send().await;
        assert_eq!(answer.status, 200, "{name} {path}: {answer:?}");
        answer.text().to_owned()
    }

    /// Replaces text in a file, in one step.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.directory.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        let new = path.with_extension("new");
        fs::write(&new, text.replace(from, to)).unwrap();
        fs::rename(&new, &path).unwrap();
    }
}

struct Running<'a> {
    checkout: &'a Checkout,
    child: Child,
}

impl Running<'_> {
    fn output(&self) -> String {
        fs::read_to_string(self.checkout.directory.path().join("output")).unwrap()
    }

    async fn wait(&mut self, what: &str, mut is_so: impl AsyncFnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self).await {
            assert!(Instant::now() < deadline, "waited for {what}:\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn wait_said(&mut self, text: &str) {
        self.wait(text, async |this| {
            let ended = this.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}:\n{}", this.output());
            this.output().contains(text)
        })
        .await;
    }

    async fn wait_exit(mut self) -> ExitStatus {
        let mut status = None;
        self.wait("the end", async |this| {
            status = this.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A story that failed: the script stops what it has started.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal("TERM");
            let _ = self.child.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_answers_at_its_access_points_and_goes_with_one_key() {
    let checkout = Checkout::new();
    let began = Instant::now();
    let mut stack = checkout.start("stack", "Any key stops all.").await;
    eprintln!("stack: up after {:?}", began.elapsed());
    for (name, port) in &checkout.ports {
        assert!(stack.output().contains(&port.to_string()), "{name}: {}", stack.output());
    }
    assert!(checkout.get("GATEWAY", "/api/v1/patients/1").await.contains("firstName"));
    assert!(checkout.get("ADMIN", "/readyz").await.contains("ready"));
    checkout.get("ALERTMANAGER", "/-/ready").await;
    let (query, rules) = ("/api/v1/query?query=up%7Bjob%3D%22nilegate%22%7D", "/api/v1/rules");
    stack.wait("a scrape", async |_| checkout.get("PROMETHEUS", query).await.contains(r#","1"]"#)).await;
    assert!(checkout.get("PROMETHEUS", rules).await.contains("ProxyDown"));
    stack
        .wait("Redis in use", async |_| {
            checkout.get("ADMIN", "/metrics").await.contains("cache_backend_up{tier=\"redis\"} 1")
        })
        .await;

    let shown = checkout.command(&["trace", "/api/v1/patients/2"]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{text}{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text.contains("/api/v1/patients/2 → 200 in") && text.contains("└─ "), "{text}");
    let id = text.split_once("trace ").unwrap().1.split_whitespace().next().unwrap();
    let again = checkout.command(&["trace", id]).output().unwrap();
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(again.starts_with(&format!("trace {id} ")), "{again}");

    stack.child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    assert!(stack.wait_exit().await.success());
    checkout.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_goes_with_a_signal_too() {
    let checkout = Checkout::new();
    let stack = checkout.start("stack", "Any key stops all.").await;
    stack.signal("INT");
    assert_eq!(stack.wait_exit().await.code(), Some(130));
    checkout.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_needs_no_stack() {
    let checkout = Checkout::new();
    let shown = checkout.command(&["trace"]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{text}{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text.contains("/api/v1/patients/1 → 200 in") && text.contains("└─ "), "{text}");
    checkout.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_follows_what_is_saved_without_losing_a_request() {
    let checkout = Checkout::new();
    let mut watch = checkout.start("watch", "Any key stops all").await;
    let gateway = checkout.port("GATEWAY").address();
    let client = Client::new(gateway);
    let load = Load::start(gateway, "/api/v1/patients/1", 4);
    load.wait_for_more(200).await;

    // A route.
    let saved = Instant::now();
    checkout.edit(
        "conf/demo/nilegate.yaml",
        "- name: short-link",
        "- { name: new, match: { path: /new }, respond: { body: saved } }\n    - name: short-link",
    );
    watch.wait("the new route", async |_| client.get("/new").send().await.text() == "saved").await;
    eprintln!("watch: a new route answers {:?} after saving", saved.elapsed());
    load.wait_for_more(100).await;

    // Source that does not build changes nothing.
    checkout.edit("src/lib.rs", "first", "broken");
    watch.wait_said("it does not build: the old program serves on").await;
    load.wait_for_more(100).await;

    // Source that builds.
    let before = checkout.get("ADMIN", "/metrics").await;
    let saved = Instant::now();
    checkout.edit("src/lib.rs", "broken", "second");
    watch.wait_said("the new program serves").await;
    eprintln!("watch: the new program serves {:?} after saving, the build apart", saved.elapsed());
    let begun = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("process_start_time_seconds "));
        line.unwrap().to_owned()
    };
    assert_ne!(begun(&before), begun(&checkout.get("ADMIN", "/metrics").await));
    load.wait_for_more(200).await;
    let tally = load.stop().await;
    eprintln!("watch: {} answered, lost {:?}, slowest {:?}", tally.ok, tally.failed, tally.slowest);
    tally.assert_none_lost();

    watch.signal("TERM");
    assert_eq!(watch.wait_exit().await.code(), Some(143));
    checkout.assert_nothing_left();
}
