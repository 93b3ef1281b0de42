//! A real Sentinel set of the story's own.

use std::{
    collections::HashMap,
    process::{Child, Command},
};

use redis::{Client, FromRedisValue};
use tempfile::TempDir;

use super::{
    ports::Port,
    redis::{RedisOptions, RedisServer, launch},
    wait::wait_until,
};

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

    async fn state(&self) -> Option<HashMap<String, String>> {
        self.run(&["SENTINEL", "MASTER", MASTER]).await.ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
