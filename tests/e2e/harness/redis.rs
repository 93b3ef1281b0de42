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

/// Waits for a value that a command brings.
pub async fn wait_reply<T: FromRedisValue>(
    server: &RedisServer,
    words: &[&str],
    wanted: impl Fn(&T) -> bool,
) -> T {
    let what = format!("the wanted answer to {words:?}");
    wait_for(&what, async || server.try_run::<T>(words).await.ok().filter(|value| wanted(value))).await
}
