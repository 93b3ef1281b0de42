//! What an operator does with the cache: purge, look, count.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    invalidation::{Scope, decode_or_all},
    memory::MemoryStats,
    purge::{Applied, NodeAnswers, PurgeAnswer, PurgeRequest, RedisOutcome, Subject, UrlName},
    redis::Notice,
    store::CacheStore,
};
use crate::telemetry::{
    cache::{CacheResult, EvictionReason, PurgeKind, Tier},
    label::Label,
    metrics::RouteCacheMetrics,
};

/// Longest time that a purge waits for Redis to take it.
const PUBLISHING: Duration = Duration::from_secs(2);
/// Longest time that a purge waits for the other nodes to confirm it.
const CONFIRMATION: Duration = Duration::from_millis(500);

impl CacheStore {
    /// Purges on this node at once, tells the others, and waits a little for them to confirm.
    /// `names_of` gives all names by which what is kept for a URL is purged.
    pub async fn purge(
        &self,
        request: PurgeRequest,
        names_of: impl Fn(UrlName) -> Vec<UrlName>,
    ) -> PurgeAnswer {
        let mut named = request.clone();
        if let Subject::Urls(urls) = &mut named.subject {
            *urls = std::mem::take(urls).into_iter().flat_map(names_of).collect();
        }
        let records = named.records(self.keys(), self.voided());
        for record in &records {
            self.metrics().purged(kind(&record.scope));
        }
        let published = self.invalidate(&records, PUBLISHING).await;
        let mut nodes = NodeAnswers::default();
        let redis = match (self.redis(), published) {
            (None, _) => RedisOutcome::Off,
            (Some(_), None) => RedisOutcome::Queued,
            (Some(redis), Some(id)) => {
                if let Ok(answers) = redis.confirmed(id, CONFIRMATION).await {
                    nodes.confirmed = answers.confirmed.iter().map(ToString::to_string).collect();
                    nodes.pending = answers.pending.iter().map(ToString::to_string).collect();
                }
                RedisOutcome::Published
            }
        };
        PurgeAnswer {
            success: true,
            scope: request.subject,
            mode: request.mode,
            applied: Applied { memory: true, redis },
            nodes,
            refreshed: 0,
        }
    }

    /// Takes in what other nodes declared void.
    pub fn notice(&self, notice: Notice) {
        match notice {
            Notice::Gap { before } => self.invalidations().gap(before),
            Notice::Record { id, data } => {
                let (records, unreadable) = decode_or_all(&data, id.stamp());
                if let Some(error) = unreadable {
                    tracing::warn!("everything stored is void: {error}");
                }
                self.invalidations().apply_all(&records, self.voided());
            }
        }
    }

    /// Brings the gauges of the tiers up to date.
    pub fn observe(&self) {
        let MemoryStats { entries, bytes, capacity, gone, .. } = self.memory().stats();
        let metrics = self.metrics().tier(Tier::Memory);
        metrics.set_size(entries, bytes, capacity);
        metrics.set_evictions(|reason| match reason {
            EvictionReason::Capacity => gone.capacity,
            EvictionReason::Expired => gone.expired,
            EvictionReason::Invalidated => gone.removed,
        });
        if let Some(redis) = self.redis() {
            redis.show_breaker();
        }
    }

    /// The statistics of the whole cache, in the form the platform knows:
    /// `hits`, `misses` and `hitRate` in percent, and more beside them.
    pub fn statistics<'r>(&self, routes: impl Iterator<Item = (&'r str, &'r RouteCacheMetrics)>) -> Value {
        let mut all = Counts::default();
        let mut by_route = Map::new();
        for (name, metrics) in routes {
            let counts = Counts::of(metrics);
            all.add(&counts);
            by_route.insert(name.to_owned(), counts.json());
        }
        let mut data = all.json();
        let memory = self.memory().stats();
        let metrics = self.metrics();
        let tier = metrics.tier(Tier::Memory);
        let mut tiers = json!({ "memory": {
            "entries": memory.entries,
            "bytes": memory.bytes,
            "capacity": memory.capacity,
            "hits": tier.hits(),
            "misses": tier.misses(),
            "insertions": memory.insertions,
            "evictions": { "capacity": memory.gone.capacity, "expired": memory.gone.expired },
        }});
        if let Some(redis) = self.redis() {
            let tier = metrics.tier(Tier::Redis);
            tiers["redis"] = json!({
                "connected": redis.is_connected(),
                "current": redis.is_current(),
                "breaker": redis.breaker().as_str(),
                "hits": tier.hits(),
                "misses": tier.misses(),
                "queued": redis.queued(),
                "unpublished": redis.unpublished(),
                "node": redis.node().as_str(),
            });
        }
        let log = self.invalidations().size();
        data["tiers"] = tiers;
        data["routes"] = Value::Object(by_route);
        data["invalidations"] = json!({ "tags": log.tags, "patterns": log.patterns });
        json!({ "success": true, "data": data })
    }

    /// Drops what is of no use any more, a piece at a time.
    pub fn sweep(&self, budget: usize) {
        self.memory().drop_useless(self.now(), budget);
        self.invalidations().prune(self.now());
        self.drop_old_leases();
    }
}

fn kind(scope: &Scope) -> PurgeKind {
    match scope {
        Scope::Tag(_) => PurgeKind::Tag,
        Scope::Url(_) => PurgeKind::Url,
        Scope::Route(_) => PurgeKind::Route,
        Scope::Pattern(_) => PurgeKind::Pattern,
        Scope::All => PurgeKind::All,
    }
}

/// Requests by what the cache did for them.
#[derive(Default)]
struct Counts {
    results: [u64; CacheResult::ALL.len()],
    coalesced: u64,
}

impl Counts {
    fn of(metrics: &RouteCacheMetrics) -> Self {
        let mut counts = Self { coalesced: metrics.coalesced_count(), ..Self::default() };
        for (result, count) in metrics.counts() {
            counts.results[result.index()] = count;
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.results.iter_mut().zip(other.results).for_each(|(sum, more)| *sum += more);
        self.coalesced += other.coalesced;
    }

    fn count(&self, result: CacheResult) -> u64 {
        self.results[result.index()]
    }

    /// A hit is an answer that needed no body from the upstream.
    fn json(&self) -> Value {
        let hits = self.count(CacheResult::Hit)
            + self.count(CacheResult::Stale)
            + self.count(CacheResult::Revalidated);
        let misses = self.count(CacheResult::Miss)
            + self.count(CacheResult::Expired)
            + self.count(CacheResult::Uncacheable);
        let mut value = json!({
            "hits": hits,
            "misses": misses,
            "hitRate": rate(hits, misses),
            "coalesced": self.coalesced,
        });
        for result in CacheResult::ALL {
            value["results"][result.as_str()] = self.count(*result).into();
        }
        value
    }
}

/// Hits in percent of all, to two digits.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn rate(hits: u64, misses: u64) -> f64 {
    match hits + misses {
        0 => 0.0,
        all => (hits as f64 * 10_000.0 / all as f64).round() / 100.0,
    }
}
