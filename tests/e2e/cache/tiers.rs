//! The memory of each node and the Redis they share.

mod damage;
mod faults;
mod secrecy;
mod sharing;
mod voiding;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::CACHED;
use crate::harness::{
    Answer, Gateway, Origin, Response, gateway::Builder, redis::RedisServer, wait_for, wait_until,
};

/// Both nodes are asked for the same.
const HOST: &str = "shared.example";

/// Lookups have time enough on a machine that is busy with other stories.
const PATIENT: &str = "timeout: 2s";

/// Nothing is kept in the process: all hits come from Redis.
const NO_MEMORY: &str = "memory: { capacity: 0B }";

/// A node whose `redis:` has these keys, with further keys of `cache:`.
fn node(origin: &Origin, redis: &str, more: &str) -> Builder {
    let cache = format!("{{ redis: {{ {redis} }}, {more} }}");
    Gateway::new().set("origin", origin).process("cache", &cache).traffic(CACHED)
}

/// A node of this server that waits patiently.
fn node_of(origin: &Origin, redis: &RedisServer, more: &str) -> Builder {
    node(origin, &format!("url: '{}', {PATIENT}", redis.url()), more)
}

/// An origin that counts: every answer differs, may be kept for an hour and has tags.
async fn counting() -> Origin {
    let count = AtomicUsize::new(0);
    Origin::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Answer::ok(format!("number {number} of a confidential report"))
            .header("Cache-Control", "max-age=3600")
            .header("Surrogate-Key", "ward-7")
    })
    .await
}

async fn get(gateway: &Gateway, path: &str) -> Response {
    let answer = gateway.client().get(path).host(HOST).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Where a hit came from; `None`: it was none.
fn tier(answer: &Response) -> Option<&str> {
    let status = answer.header("cache-status").unwrap();
    status.contains(";hit").then(|| status.rsplit_once("detail=").map_or("", |(_, detail)| detail))
}

/// Waits until this node can ask Redis, hears of what is void, and keeps what it fetches.
pub async fn wait_linked(gateway: &Gateway, redis: &RedisServer) {
    wait_until("the node to be among those of Redis", async || {
        let stats = gateway.admin("/cache/stats").await.json();
        stats["data"]["tiers"]["redis"]["current"] == true
    })
    .await;
    // What was requested as shortly after the beginning of the stream as clocks may differ
    // counts as requested before.
    let record: Vec<(String, redis::Value)> =
        redis.run(&["XREVRANGE", "nilegate:inv", "+", "-", "COUNT", "1"]).await;
    let begun: u64 = record[0].0.split_once('-').unwrap().0.parse().unwrap();
    wait_until("the margin of the clocks to pass", async || {
        let (seconds, micros): (u64, u64) = redis.run(&["TIME"]).await;
        seconds * 1_000 + micros / 1_000 > begun + 20
    })
    .await;
}

/// The keys of entries, which are complete when they are there.
async fn entries(redis: &RedisServer) -> Vec<String> {
    names(redis).await.into_iter().filter(|name| name.contains(":e:") && !name.contains(":l:")).collect()
}

/// All keys.
async fn names(redis: &RedisServer) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let page: (String, Vec<String>) = redis.run(&["SCAN", &cursor, "COUNT", "1000"]).await;
        names.extend(page.1);
        cursor = page.0;
        if cursor == "0" {
            return names;
        }
    }
}

/// Waits for the only entry there is to be, and returns its key.
async fn only_entry(redis: &RedisServer) -> String {
    wait_for("an entry in Redis", async || {
        let names = entries(redis).await;
        assert!(names.len() <= 1, "{names:?}");
        names.into_iter().next()
    })
    .await
}

/// Waits until so many entries are in Redis.
async fn wait_entries(redis: &RedisServer, count: usize) {
    wait_until("entries in Redis", async || entries(redis).await.len() == count).await;
}

/// Waits until an answer comes from Redis.
async fn wait_hit_from_redis(gateway: &Gateway, path: &str) {
    wait_until("a hit from Redis", async || tier(&get(gateway, path).await) == Some("redis")).await;
}

/// Longest time that any answer may take while Redis is in trouble: far more than the
/// configured time, far less than anything that waits for Redis itself.
const BOUND: Duration = Duration::from_secs(2);
