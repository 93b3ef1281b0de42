//! What these stories share with those about the binary, and a tier in the making.

#[path = "../e2e/harness/ports.rs"]
pub mod ports;
#[path = "../e2e/harness/redis.rs"]
pub mod redis;
#[path = "../e2e/harness/redis_cluster.rs"]
pub mod redis_cluster;
#[path = "../e2e/harness/redis_sentinel.rs"]
pub mod redis_sentinel;
#[path = "../e2e/harness/tls.rs"]
pub mod tls;
#[path = "../e2e/harness/wait.rs"]
pub mod wait;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ::redis::{FromRedisValue, RedisResult};
use http::StatusCode;
use nilegate::{
    cache::{
        entry::{Parts, Stamp, StoredEntry, Times},
        key::EntryKey,
        redis::{Leased, Lookup, NodeId, Notice, RedisTier},
    },
    config::cache::RedisConfig,
    telemetry::{
        cache::Tier,
        metrics::{Metrics, TierMetrics},
    },
};
use tokio::task::JoinHandle;

pub use self::{redis::RedisServer, wait::wait_until};

/// A tier that runs, as a node of its own. Dropping it stops the work.
pub struct Node {
    pub tier: RedisTier,
    pub metrics: Arc<TierMetrics>,
    notices: Arc<Mutex<Vec<Notice>>>,
    work: JoinHandle<()>,
}

impl Node {
    /// Looks an entry up; if there is none, asks for the leave to fetch it.
    pub async fn get_or_lease(&self, key: EntryKey) -> Leased {
        match self.tier.get(key).await {
            Lookup::Absent => self.tier.lease(key, false).await,
            found => found.into(),
        }
    }

    /// Starts a tier and waits until it is connected.
    pub async fn start(yaml: &str) -> Self {
        let node = Self::start_alone(yaml);
        node.wait_connected().await;
        node
    }

    /// Starts a tier.
    pub fn start_alone(yaml: &str) -> Self {
        let config: RedisConfig = serde_yaml::from_str(yaml).unwrap();
        let metrics = Metrics::new("1", "a").unwrap();
        let metrics = Arc::clone(metrics.cache().tier(Tier::Redis));
        let tier = RedisTier::new(&config, NodeId::unique("test"), Arc::clone(&metrics)).unwrap();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let work = tokio::spawn({
            let (tier, notices) = (tier.clone(), Arc::clone(&notices));
            async move { tier.run(move |notice| notices.lock().unwrap().push(notice)).await }
        });
        Self { tier, metrics, notices, work }
    }

    pub async fn wait_connected(&self) {
        wait_until("a connection to Redis", async || self.tier.is_connected()).await;
    }

    /// The notices so far.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }

    /// The records so far.
    pub fn records(&self) -> Vec<Vec<u8>> {
        let records = self.notices().into_iter().filter_map(|notice| match notice {
            Notice::Record { data, .. } => Some(data),
            Notice::Gap { .. } => None,
        });
        records.collect()
    }

    /// The gaps so far.
    pub fn gaps(&self) -> usize {
        self.notices().iter().filter(|notice| matches!(notice, Notice::Gap { .. })).count()
    }

    /// Stores an entry and waits until it was sent.
    pub async fn put(&self, key: EntryKey, entry: &Arc<StoredEntry>) {
        self.tier.put(key, Arc::clone(entry), None);
        assert!(self.tier.flush(Duration::from_secs(10)).await, "the queue is not empty");
    }

    /// The body found.
    pub async fn body(&self, key: EntryKey) -> Option<Vec<u8>> {
        match self.tier.get(key).await {
            Lookup::Found(entry) => Some(entry.body().to_vec()),
            Lookup::Absent | Lookup::Unavailable(_) => None,
        }
    }

    /// Stores and finds, until that works.
    pub async fn wait_working(&self) {
        let (key, entry) = (key(250), entry(b"works"));
        wait_until("entries to be stored and found", async || {
            self.put(key, &entry).await;
            self.body(key).await.is_some()
        })
        .await;
    }

    /// Ends the work.
    pub fn stop(&self) {
        self.work.abort();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// A key.
pub fn key(number: u8) -> EntryKey {
    EntryKey([number; 16])
}

/// The name of its value with the prefix of these stories.
pub fn name(key: EntryKey) -> String {
    format!("nilegate:e:{key}")
}

/// An entry that is of use for a minute.
pub fn entry(body: &[u8]) -> Arc<StoredEntry> {
    entry_for(body, Duration::from_secs(60))
}

/// An entry that is of use for so long.
pub fn entry_for(body: &[u8], life: Duration) -> Arc<StoredEntry> {
    // A moment ago, because the clock of Redis is not to the millisecond that of the wall.
    let now = Stamp::now().minus(Duration::from_millis(50));
    let times = Times {
        requested: now,
        created: now,
        provenance: now,
        born: now,
        fresh_until: now.plus(life / 2),
        stale_while_revalidate: 1,
        stale_if_error: 2,
        useless_at: now.plus(life),
    };
    let parts = Parts {
        status: StatusCode::OK,
        fields: b"Content-Type: text/plain\r\n",
        body,
        target: b"example.org/",
        variance: None,
        tags: &[],
        times,
    };
    Arc::new(StoredEntry::new(&parts).unwrap())
}

/// Writes bytes that need not be text.
pub async fn set_raw<T: FromRedisValue>(server: &RedisServer, name: &str, value: &[u8]) -> RedisResult<T> {
    let mut connection = server.connection().await?;
    ::redis::cmd("SET").arg(name).arg(value).query_async(&mut connection).await
}

/// Reads bytes that need not be text.
pub async fn get_raw(server: &RedisServer, name: &str) -> Vec<u8> {
    let mut connection = server.connection().await.unwrap();
    ::redis::cmd("GET").arg(name).query_async(&mut connection).await.unwrap()
}
