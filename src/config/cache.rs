//! The cache: its tiers, fixed until restart, and what a route keeps in them.

mod check;
mod policy;
mod store;

pub use policy::{
    BypassConfig, CacheConfig, CacheKeyConfig, CompressionConfig, Encoding, IgnoredField, PartitionConfig,
    QueryKeyConfig, RequestDirectives, SetCookie, TtlKey,
};
pub use store::{
    CacheStoreConfig, CompressValuesConfig, EncryptionConfig, Eviction, LeaseConfig, MemoryTierConfig,
    PurgeConfig, RedisConfig, StatsConfig, WriteQueueConfig,
};
