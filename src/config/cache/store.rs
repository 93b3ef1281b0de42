//! `process.cache:` — the two tiers and the ways to manage them.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{
    redis::{
        DEFAULT_CONNECT_TIMEOUT, DEFAULT_PREFIX, RedisBreakerConfig, RedisServerConfig, RedisTlsConfig,
        SentinelConfig,
    },
    values::{ByteSize, Period, Secret},
};

/// Where responses are kept. Routes say with their own `cache:` what is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheStoreConfig {
    /// The tier in this process.
    pub memory: MemoryTierConfig,
    /// The tier that all nodes share. Leave out: memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisConfig>,
    /// Keyed into every cache key and tag, so that neither tells what it stands for. All
    /// nodes on one Redis need the same. Leave out: keys are hashes without a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_secret: Option<Secret>,
    /// The `PURGE` method. Leave out: it is a method like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge: Option<PurgeConfig>,
    /// Statistics on the public side. Leave out: on the admin port only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<StatsConfig>,
}

/// The tier in this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryTierConfig {
    /// Bytes of all entries together: keys, fields, bodies and upkeep. `0B` turns the tier off.
    pub capacity: ByteSize,
    /// What goes first when the capacity is reached.
    pub eviction: Eviction,
    /// Bytes of the largest entry kept.
    pub max_object: ByteSize,
}

impl Default for MemoryTierConfig {
    fn default() -> Self {
        Self { capacity: ByteSize::mib(256), eviction: Eviction::default(), max_object: ByteSize::mib(16) }
    }
}

/// What goes first when the memory tier is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// What was asked for once and never again, then what is asked for least (S3-FIFO).
    #[default]
    S3Fifo,
    /// What was not asked for longest.
    Lru,
    /// What was stored first.
    Fifo,
    /// What stops being fresh first.
    Ttl,
}

/// The shared tier. Exactly one of `url`, `cluster` and `sentinel` says where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// One server: `redis://host:port/database`, or `rediss://` for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Nodes of a cluster to begin with, as URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<Secret>,
    /// Sentinels that name the master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelConfig>,
    /// The user (ACL). Instead of one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. Instead of one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The database. Instead of one in the URL; a cluster has only 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<u16>,
    /// Trust for `rediss://`.
    pub tls: RedisTlsConfig,
    /// Put before every key and channel, followed by `:`.
    pub prefix: String,
    /// Longest time a request waits for Redis. What takes longer is a miss.
    pub timeout: Period,
    /// Longest time for connecting, which no request waits for.
    pub connect_timeout: Period,
    /// Bytes of the largest entry kept, as stored.
    pub max_object: ByteSize,
    /// Compresses entries. Leave out: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<CompressValuesConfig>,
    /// Encrypts entries. Leave out: not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<EncryptionConfig>,
    /// Entries on their way to Redis.
    pub queue: WriteQueueConfig,
    /// When Redis is left alone for a while.
    pub breaker: RedisBreakerConfig,
    /// One fetch over all nodes. Leave out: one fetch a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseConfig>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            cluster: Vec::new(),
            sentinel: None,
            username: None,
            password: None,
            database: None,
            tls: RedisTlsConfig::default(),
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: Period::millis(20),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            max_object: ByteSize::mib(1),
            compress: None,
            encrypt: None,
            queue: WriteQueueConfig::default(),
            breaker: RedisBreakerConfig::default(),
            lease: None,
        }
    }
}

impl RedisConfig {
    /// The part of it that says where Redis is.
    pub fn server(&self) -> RedisServerConfig {
        RedisServerConfig {
            url: self.url.clone(),
            cluster: self.cluster.clone(),
            sentinel: self.sentinel.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            database: self.database,
            tls: self.tls.clone(),
            prefix: self.prefix.clone(),
            connect_timeout: self.connect_timeout,
            breaker: self.breaker.clone(),
        }
    }
}

/// Compression of entries in Redis (zstd).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressValuesConfig {
    /// Only entries larger than this.
    pub above: ByteSize,
    /// Level of zstd.
    #[schemars(range(min = 1, max = 19))]
    pub level: u8,
}

impl Default for CompressValuesConfig {
    fn default() -> Self {
        Self { above: ByteSize::kib(4), level: 1 }
    }
}

/// Encryption of entries in Redis (XChaCha20-Poly1305).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// 32 bytes in base64. New entries are encrypted with it.
    pub key: Secret,
    /// Keys that older entries may still be encrypted with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Secret>,
}

/// Entries on their way to Redis; what does not fit is not written and counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriteQueueConfig {
    /// Entries waiting at once.
    #[schemars(range(min = 1))]
    pub entries: usize,
    /// Bytes waiting at once.
    pub bytes: ByteSize,
}

impl Default for WriteQueueConfig {
    fn default() -> Self {
        Self { entries: 10_000, bytes: ByteSize::mib(64) }
    }
}

/// One fetch over all nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// Longest time a request waits for the fetch of another node.
    pub wait: Period,
    /// Longest time a node may hold the lease.
    pub hold: Period,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { wait: Period::secs(2), hold: Period::secs(5) }
    }
}

/// The `PURGE` method on the public side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeConfig {
    /// The clients that may use it; others get 403.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<IpNet>,
}

/// Statistics on the public side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatsConfig {
    /// Where they are served, before any route.
    #[serde(default = "default_stats_path")]
    pub path: String,
    /// The bearer token that opens them.
    pub token: Secret,
}

fn default_stats_path() -> String {
    "/api/v1/cache/stats".to_owned()
}
