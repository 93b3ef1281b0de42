//! The proxies under test as processes: started on free ports, watched through `/proc`, ended on drop.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Error,
    options::{Options, Target},
};

/// Longest time a proxy may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// `/proc/PID/stat` counts in ticks of 10 ms whatever the kernel's own clock (`USER_HZ`, man 5 proc).
const TICK: Duration = Duration::from_millis(10);

/// Knows the binaries and how to start them.
pub struct Launcher {
    bare: PathBuf,
    nilegate: PathBuf,
    pin: bool,
    collector: String,
}

impl Launcher {
    /// Makes sure that the yardstick is built in the same profile as the product.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let nilegate = PathBuf::from(env!("CARGO_BIN_EXE_nilegate"));
        let bare = nilegate.with_file_name("examples").join("bare");
        if options.targets.contains(&Target::Bare) {
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--release", "--example", "bare"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()?;
            if !status.success() {
                return Err("the example `bare` does not build".into());
            }
        }
        Ok(Self { bare, nilegate, pin: options.pin, collector: options.collector.clone() })
    }

    /// Starts a proxy in front of `origin` and waits until it answers.
    pub async fn start(&self, target: Target, origin: SocketAddr) -> Result<Proxy, Error> {
        let directory = tempfile::Builder::new().prefix("nilegate-load-").tempdir()?;
        let address = free_address()?;
        let (mut command, ready) = match target {
            Target::Direct => return Err("the origin is not a proxy".into()),
            Target::Bare => {
                let mut command = self.command(&self.bare);
                command.args(["--threads", "1", "--port", &address.port().to_string()]);
                command.args(["--origin", &origin.to_string()]);
                (command, (address, "/pass1k"))
            }
            Target::Nilegate | Target::Traced1 | Target::Traced100 => {
                let admin = free_address()?;
                let file = directory.path().join("nilegate.yaml");
                fs::write(
                    &file,
                    nilegate_yaml(address, admin, origin, directory.path(), &self.tracing(target)),
                )?;
                let mut command = self.command(&self.nilegate);
                command.args(["run".as_ref(), "-c".as_ref(), file.as_os_str()]);
                (command, (admin, "/readyz"))
            }
        };
        let log = directory.path().join("log");
        let output = fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut proxy = Proxy { child: command.spawn()?, address, directory };
        let deadline = Instant::now() + START_TIMEOUT;
        while !answers_200(ready.0, ready.1).await {
            if proxy.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(format!("{target} did not start:\n{}", fs::read_to_string(&log)?).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(proxy)
    }

    /// The `tracing` section of a target. Nothing is kept that was not sampled.
    fn tracing(&self, target: Target) -> String {
        let ratio = match target {
            Target::Traced1 => "0.01",
            Target::Traced100 => "1",
            Target::Direct | Target::Bare | Target::Nilegate => return String::new(),
        };
        let keep = "{ errors: false, retries: false, slower_than: 0 }";
        let collector = &self.collector;
        format!(
            r#"tracing: {{ sampling: {{ ratio: {ratio}, keep: {keep} }}, export: {{ endpoint: "{collector}" }} }}"#
        )
    }

    fn command(&self, binary: &PathBuf) -> Command {
        if self.pin {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(binary);
            return command;
        }
        Command::new(binary)
    }
}

/// What is measured is what is shipped: metrics and the access log are on.
fn nilegate_yaml(
    address: SocketAddr,
    admin: SocketAddr,
    origin: SocketAddr,
    directory: &std::path::Path,
    tracing: &str,
) -> String {
    let directory = directory.display();
    format!(
        r#"process:
  listeners: [{{ address: "{address}" }}]
  admin: {{ address: "{admin}" }}
  threads: 1
  shutdown: {{ upgrade_socket: "{directory}/upgrade.sock" }}
  telemetry:
    log: {{ level: warn }}
    access_log: {{ output: file, file: "{directory}/access.log", format: json }}
    {tracing}
traffic:
  # Like the yardstick, which adds no forwarding fields.
  forwarding: {{ x_forwarded: false }}
  upstreams:
    origin: {{ backends: ["{origin}"] }}
  routes:
    - name: cached
      match: {{ path: "/hit1k" }}
      upstream: origin
      cache: {{ ttl: {{ default: 1h }} }}
    - name: everything
      match: {{ path: "/**" }}
      upstream: origin
"#
    )
}

/// A running proxy. Dropping it ends the process.
pub struct Proxy {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Proxy {
    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time of all its threads so far, user and kernel.
    pub fn cpu(&self) -> Result<Duration, Error> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The command name in brackets may hold blanks: count fields from behind it.
        let fields: Vec<&str> =
            stat.rsplit_once(')').ok_or("unreadable /proc/PID/stat")?.1.split_whitespace().collect();
        let [user, kernel] =
            [fields.get(11), fields.get(12)].map(|field| field.and_then(|t| t.parse::<u32>().ok()));
        Ok(TICK * (user.ok_or("no utime")? + kernel.ok_or("no stime")?))
    }

    /// Resident memory now, in bytes.
    pub fn rss(&self) -> Result<u64, Error> {
        self.status_bytes("VmRSS:")
    }

    /// The highest resident memory so far, in bytes.
    pub fn peak_rss(&self) -> Result<u64, Error> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, key: &str) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).ok_or("unreadable /proc/PID/status")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already; either way nobody needs it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(self.directory.path().join("access.log"));
    }
}

fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn answers_200(address: SocketAddr, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(&status == b"HTTP/1.1 200")
    };
    tokio::time::timeout(Duration::from_secs(1), ask).await.is_ok_and(|answer| answer.unwrap_or(false))
}

/// Keeps this process, and the threads it starts from now on, on one CPU.
pub fn pin_self_to_cpu(cpu: u8) -> Result<(), Error> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-cp", &cpu.to_string(), &pid]).stdout(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        _ => Err("--pin needs `taskset` and two CPUs".into()),
    }
}

/// Lets this process and those it starts hold `files` open files.
pub fn raise_file_limit(files: u64) -> Result<(), Error> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|line| line.split_whitespace().next());
    if soft.is_some_and(|soft| soft == "unlimited" || soft.parse::<u64>().is_ok_and(|n| n >= files)) {
        return Ok(());
    }
    let pid = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:{files}")]).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("cannot open {files} files: raise the limit with `ulimit -n {files}`").into()),
    }
}
