//! The real binary with a configuration of the story's own.

mod builder;
mod one_upstream;

use std::{
    fmt::Display,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use http::Method;
use serde_json::Value;

pub use self::builder::Builder;
use super::{Client, Response, metrics::Metrics, ports::Port, wait_for, wait_until};

/// A running gateway. Dropping it ends the process; a failing story shows its output.
pub struct Gateway {
    builder: Builder,
    child: Child,
    listener: Port,
    admin: Port,
    starts: usize,
}

impl Gateway {
    fn started(builder: Builder, child: Child, listener: Port, admin: Port) -> Self {
        Self { builder, child, listener, admin, starts: 1 }
    }

    /// A gateway in the making, with the process section that stories start from.
    #[expect(clippy::new_ret_no_self, reason = "`Gateway::new()…start()` is how the story reads")]
    pub fn new() -> Builder {
        Builder::new()
    }

    /// A gateway in the making that sends everything to this origin: its upstream is called
    /// `origin`, its route `all`.
    pub fn before(origin: impl Display) -> Builder {
        Builder::new().backend(origin)
    }

    /// The same with two origins.
    pub fn before_pair(first: impl Display, second: impl Display) -> Builder {
        Self::before(first).backend(second)
    }
}

/// Requests.
impl Gateway {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Where operators connect.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// A plain HTTP/1.1 client of the listener.
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// A GET through the gateway.
    pub async fn get(&self, path: &str) -> Response {
        self.client().get(path).send().await
    }

    /// A GET at the admin port.
    pub async fn admin(&self, path: &str) -> Response {
        Client::new(self.admin.address()).get(path).send().await
    }

    /// The same when nobody may be there.
    pub async fn admin_status(&self, path: &str) -> Option<u16> {
        let answer = Client::new(self.admin.address()).get(path).try_send().await;
        answer.ok().map(|answer| answer.status)
    }

    /// A scrape.
    pub async fn metrics(&self) -> Metrics {
        let answer = self.admin("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics::parse(answer.text())
    }

    /// Waits until a metric has this sum.
    pub async fn wait_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let what = format!("{name}{labels:?} = {value}");
        #[expect(clippy::float_cmp, reason = "counts are exact")]
        wait_until(&what, async || self.metrics().await.sum(name, labels) == value).await;
    }
}

/// Its life.
impl Gateway {
    /// Waits until `/readyz` says yes; panics at once when the process ends.
    pub async fn wait_ready(&mut self) {
        let admin = Client::new(self.admin.address());
        let child = &mut self.child;
        wait_until("the gateway to be ready", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the gateway ended with {status} before it was ready");
            }
            admin.get("/readyz").try_send().await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes another traffic section to the file; nothing is told to read it.
    pub fn write_traffic(&mut self, yaml: &str) {
        yaml.clone_into(&mut self.builder.traffic);
        self.builder.write();
    }

    /// Writes another key of the process section to the file.
    pub fn write_process(&mut self, key: &str, yaml: &str) {
        self.builder.process.insert(key.to_owned(), yaml.to_owned());
        self.builder.write();
    }

    /// Writes this as the whole file, good or bad.
    pub fn write_file(&self, text: &str) {
        fs::write(self.builder.file(), text).unwrap();
    }

    /// What `@name@` stands for from the next write on.
    pub fn set(&mut self, name: &str, value: impl Display) {
        self.builder.values.insert(name.to_owned(), value.to_string());
    }

    /// The gateway's own directory.
    pub fn directory(&self) -> &Path {
        self.builder.directory()
    }

    /// `POST /reload`.
    pub async fn reload(&self) -> Response {
        Client::new(self.admin.address()).request(Method::POST, "/reload").send().await
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    /// Asks for a reload.
    pub fn sighup(&self) {
        self.signal("HUP");
    }

    /// Asks for the end.
    pub fn sigterm(&self) {
        self.signal("TERM");
    }

    /// Waits until the process has ended.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        wait_exit(&mut self.child).await
    }

    /// Starts the binary anew with `--upgrade` and has the old process hand over and end.
    pub async fn upgrade(&mut self) {
        let socket = self.directory().join("upgrade.sock");
        let new = self.builder.spawn(self.starts, &["--upgrade"]);
        self.starts += 1;
        let mut old = std::mem::replace(&mut self.child, new);
        wait_until("the new process to wait for the listeners", async || socket.exists()).await;
        send_signal(old.id(), "QUIT");
        let status = wait_exit(&mut old).await;
        assert!(status.success(), "the old process ended with {status}");
        self.wait_ready().await;
    }

    /// Starts the binary again on its ports, after its process has ended.
    pub async fn restart(&mut self) {
        self.child = self.builder.spawn(self.starts, &[]);
        self.starts += 1;
        self.wait_ready().await;
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// What it says.
impl Gateway {
    fn output(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}.{}", self.starts - 1))
    }

    /// Standard error so far, of the newest process.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.output("stderr")).unwrap()
    }

    /// The whole lines of the access log so far, of the newest process.
    pub fn access_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.output("stdout")).unwrap();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
        whole.lines().map(parse).collect()
    }

    /// Waits until the access log has a line of which this is true.
    pub async fn wait_for_log(&self, what: &str, predicate: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("an access log line: {what}"), async || {
            self.access_log().into_iter().find(|line| predicate(line))
        })
        .await
    }

    /// Waits until the process's own log says this.
    pub async fn wait_for_stderr(&self, text: &str) {
        wait_until(&format!("{text:?} on stderr"), async || self.stderr().contains(text)).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for start in 0..self.starts {
                for name in ["nilegate.yaml".to_owned(), format!("stderr.{start}"), format!("stdout.{start}")]
                {
                    let text = fs::read_to_string(self.directory().join(&name)).unwrap_or_default();
                    eprintln!("--- {name}\n{}", tail(&text));
                }
            }
        }
    }
}

/// The last lines: a story under load writes a long log.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

fn send_signal(pid: u32, name: &str) {
    // The shell's own `kill` is there on every system.
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success(), "cannot send {name} to {pid}");
}

async fn wait_exit(child: &mut Child) -> ExitStatus {
    wait_for("the process to end", async || child.try_wait().unwrap()).await
}
