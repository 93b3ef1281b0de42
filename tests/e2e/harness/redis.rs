//! A real Redis of the story's own, which can be paused, killed and started again.

use std::{
    io::ErrorKind,
    process::{Child, Command, Stdio},
};

use redis::{Client, FromRedisValue, IntoConnectionInfo, TlsCertificates, aio::MultiplexedConnection};
use tempfile::TempDir;

use super::{
    ports::Port,
    tls::Authority,
    wait::{wait_for, wait_until},
};

/// How a server is to be started.
#[derive(Default)]
pub struct RedisOptions {
    /// Further options, as on the command line, without the dashes.
    pub settings: Vec<(String, String)>,
    /// The password of the default user.
    pub password: Option<String>,
    /// Its certificate is signed by this authority; then it speaks TLS only.
    pub authority: Option<Authority>,
}

impl RedisOptions {
    /// One more option.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running server. Dropping it ends the process.
pub struct RedisServer {
    options: RedisOptions,
    port: Port,
    directory: TempDir,
    child: Child,
}

impl RedisServer {
    /// A server without anything special.
    pub async fn start() -> Self {
        Self::start_with(RedisOptions::default()).await
    }

    /// A server with these options; ready to answer.
    pub async fn start_with(options: RedisOptions) -> Self {
        let port = Port::free();
        let directory = tempfile::tempdir().unwrap();
        let child = spawn(&options, &port, &directory);
        let mut server = Self { options, port, directory, child };
        server.wait_ready().await;
        server
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> String {
        let scheme = if self.options.authority.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.address().port()
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Carries out a command as the default user.
    pub async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).await.unwrap()
    }

    /// The same when it may be refused.
    pub async fn try_run<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// A connection as the default user.
    pub async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        let info = self.url().into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(password) = &self.options.password {
            settings = settings.set_password(password);
        }
        let info = info.set_redis_settings(settings);
        let client = match &self.options.authority {
            Some(authority) => {
                drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
                let ca = authority.write(self.directory.path());
                let root_cert = Some(std::fs::read(ca).unwrap());
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
            }
            None => Client::open(info)?,
        };
        client.get_multiplexed_async_connection().await
    }

    /// Stops it as a whole: its connections stay open and nobody answers (SIGSTOP).
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Ends it at once, without a word to its clients.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on its port, empty.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.options, &self.port, &self.directory);
        self.wait_ready().await;
    }

    async fn wait_ready(&mut self) {
        let what = format!("redis-server on {}", self.port);
        wait_until(&what, async || self.try_run::<String>(&["PING"]).await.is_ok()).await;
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("redis-server ended with {status}, and somebody else has its port");
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed by the story.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(options: &RedisOptions, port: &Port, directory: &TempDir) -> Child {
    let (number, path) = (port.address().port().to_string(), directory.path());
    let mut command = Command::new("redis-server");
    let mut set = |name: &str, value: &str| {
        command.arg(format!("--{name}")).arg(value);
    };
    set("bind", "127.0.0.1");
    set("dir", path.to_str().unwrap());
    set("save", "");
    set("appendonly", "no");
    set("logfile", "redis.log");
    match &options.authority {
        Some(authority) => {
            let files = authority.leaf(&["127.0.0.1", "localhost"]).write(path, "redis");
            set("port", "0");
            set("tls-port", &number);
            set("tls-cert-file", files.certificate.to_str().unwrap());
            set("tls-key-file", files.key.to_str().unwrap());
            set("tls-ca-cert-file", authority.write(path).to_str().unwrap());
            set("tls-auth-clients", "no");
        }
        None => set("port", &number),
    }
    if let Some(password) = &options.password {
        set("requirepass", password);
    }
    options.settings.iter().for_each(|(name, value)| set(name, value));
    launch(&mut command)
}

/// Starts a process of Redis.
pub fn launch(command: &mut Command) -> Child {
    match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("these stories need a real Redis: `apt-get install redis-server`")
        }
        Err(error) => panic!("cannot start redis-server: {error}"),
    }
}

/// Three masters that share the slots.
pub struct RedisCluster {
    /// The masters.
    pub nodes: Vec<RedisServer>,
    _bus_ports: Vec<Port>,
}

impl RedisCluster {
    /// A cluster that is ready.
    pub async fn start() -> Self {
        let (mut nodes, mut bus_ports) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let bus = Port::free();
            let options = RedisOptions::default()
                .with("cluster-enabled", "yes")
                .with("cluster-port", &bus.address().port().to_string())
                .with("cluster-node-timeout", "2000");
            nodes.push(RedisServer::start_with(options).await);
            bus_ports.push(bus);
        }
        for (index, node) in nodes.iter().enumerate() {
            let (first, last) = (index * 16_384 / 3, (index + 1) * 16_384 / 3 - 1);
            let range = [&first.to_string(), &last.to_string()];
            node.run::<String>(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]).await;
            let (port, bus) = (node.port().to_string(), bus_ports[index].address().port().to_string());
            nodes[0].run::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        for node in &nodes {
            wait_until("the cluster to be whole", async || {
                let info: String = node.run(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        Self { nodes, _bus_ports: bus_ports }
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}

/// A master with a replica, and sentinels that watch over them.
pub struct RedisSentinels {
    /// The server that is master at first, and its replica.
    pub servers: [RedisServer; 2],
    /// Those who decide.
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    child: Child,
    port: Port,
    _directory: TempDir,
}

/// The name that the sentinels know the master by.
pub const MASTER: &str = "main";

impl RedisSentinels {
    /// A set that is ready for a failover.
    pub async fn start() -> Self {
        // Otherwise a failover waits for what the new master has to copy.
        let options = || RedisOptions::default().with("repl-diskless-sync-delay", "0");
        let master = RedisServer::start_with(options()).await;
        let replica_of = format!("127.0.0.1 {}", master.port());
        let replica = RedisServer::start_with(options().with("replicaof", &replica_of)).await;
        wait_until("the replica to follow", async || {
            let info: String = replica.run(&["INFO", "replication"]).await;
            info.contains("master_link_status:up")
        })
        .await;
        let sentinels = (0..3).map(|_| Sentinel::spawn(master.port())).collect();
        let set = Self { servers: [master, replica], sentinels };
        for sentinel in &set.sentinels {
            wait_until("the sentinels to know each other", async || {
                let state = sentinel.state().await;
                state.is_some_and(|state| {
                    let is = |name: &str, value: &str| state.get(name).is_some_and(|own| own == value);
                    is("num-slaves", "1") && is("num-other-sentinels", "2") && is("flags", "master")
                })
            })
            .await;
        }
        set
    }

    /// The URLs of the sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("redis://{}", sentinel.port)).collect()
    }

    /// Makes the replica the master, and waits until it is.
    pub async fn fail_over(&self) {
        // Refused while the sentinels are not yet sure of the replica.
        wait_until("a failover to begin", async || {
            self.sentinels[0].run::<String>(&["SENTINEL", "FAILOVER", MASTER]).await.is_ok()
        })
        .await;
        self.wait_failed_over().await;
    }

    /// Waits until all sentinels name the second server.
    pub async fn wait_failed_over(&self) {
        let port = self.servers[1].port().to_string();
        for sentinel in &self.sentinels {
            wait_until("the sentinels to name the new master", async || {
                let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
                let address = sentinel.run::<(String, String)>(&words).await;
                address.is_ok_and(|(_, named)| named == port)
            })
            .await;
        }
    }
}

impl Sentinel {
    fn spawn(master: u16) -> Self {
        let (port, directory) = (Port::free(), tempfile::tempdir().unwrap());
        let file = directory.path().join("sentinel.conf");
        let number = port.address().port();
        let settings = format!(
            "port {number}\nbind 127.0.0.1\ndir {}\nlogfile sentinel.log\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1000\n\
             sentinel failover-timeout {MASTER} 3000\n",
            directory.path().display()
        );
        std::fs::write(&file, settings).unwrap();
        let child = launch(Command::new("redis-server").arg(file).arg("--sentinel"));
        Self { child, port, _directory: directory }
    }

    async fn run<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = Client::open(format!("redis://{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    async fn state(&self) -> Option<std::collections::HashMap<String, String>> {
        self.run(&["SENTINEL", "MASTER", MASTER]).await.ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a value that a command brings.
pub async fn wait_reply<T: FromRedisValue>(
    server: &RedisServer,
    words: &[&str],
    wanted: impl Fn(&T) -> bool,
) -> T {
    let what = format!("the wanted answer to {words:?}");
    wait_for(&what, async || server.try_run::<T>(words).await.ok().filter(|value| wanted(value))).await
}
