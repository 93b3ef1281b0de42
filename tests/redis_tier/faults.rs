//! Redis slow, gone, full or read-only: a lookup keeps its time, and all is well again
//! without a restart of ours.

use std::time::{Duration, Instant};

use nilegate::{
    cache::redis::{Leased, Lookup},
    telemetry::{
        cache::{BackendFailure, BackendOperation, WriteResult},
        label::BreakerState,
    },
};

use crate::harness::{Node, RedisServer, entry, key, redis::RedisOptions, wait_until};

/// What a lookup may take beyond its time on a machine that is busy with other stories.
const SLACK: Duration = Duration::from_millis(150);

const YAML: &str = "timeout: 50ms, connect_timeout: 300ms, breaker: { failures: 3, open: 200ms }, lease: {}";

#[tokio::test]
async fn a_redis_that_does_not_answer_costs_no_more_than_the_time_allowed() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    node.put(key(1), &entry(b"x")).await;
    redis.pause();
    for n in 0..20 {
        let started = Instant::now();
        let lookup = node.tier.get(key(n)).await;
        assert!(matches!(lookup, Lookup::Unavailable(_)), "{lookup:?}");
        assert!(started.elapsed() < Duration::from_millis(50) + SLACK, "{:?}", started.elapsed());
    }
    assert_ne!(node.tier.breaker(), BreakerState::Closed);
    assert!(node.metrics.failures(BackendOperation::Get, BackendFailure::Timeout) >= 3);
    assert!(
        node.metrics.failures(BackendOperation::Get, BackendFailure::BreakerOpen)
            + node.metrics.failures(BackendOperation::Get, BackendFailure::Disconnected)
            > 0,
        "it is left alone after the third failure"
    );
    let started = Instant::now();
    assert!(matches!(node.get_or_lease(key(9)).await, Leased::Unavailable(_)));
    assert!(started.elapsed() < Duration::from_millis(50) + SLACK);
    redis.resume();
    wait_until("the entry to be found again", async || node.body(key(1)).await.is_some()).await;
    assert_eq!(node.tier.breaker(), BreakerState::Closed);
}

#[tokio::test]
async fn a_pause_long_enough_to_lose_the_connection_is_survived() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    redis.pause();
    wait_until("the connection to be given up", async || {
        node.tier.get(key(1)).await;
        !node.tier.is_connected()
    })
    .await;
    assert!(!node.metrics.is_up());
    let started = Instant::now();
    assert!(matches!(node.tier.get(key(1)).await, Lookup::Unavailable(BackendFailure::Disconnected)));
    assert!(started.elapsed() < SLACK, "nobody waits for a connection");
    redis.resume();
    node.wait_working().await;
}

#[tokio::test]
async fn a_redis_that_was_killed_and_started_again_is_used_again() {
    let mut redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    node.wait_working().await;
    redis.kill();
    wait_until("the loss to be noticed", async || {
        let lookup = node.tier.get(key(1)).await;
        assert!(matches!(lookup, Lookup::Unavailable(_)));
        !node.tier.is_connected()
    })
    .await;
    // What is stored meanwhile waits in the queue.
    node.tier.put(key(7), entry(b"kept"), None);
    redis.restart().await;
    wait_until("the entry that waited", async || node.body(key(7)).await.is_some()).await;
}

#[tokio::test]
async fn a_tier_may_start_before_redis_does() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let node = Node::start_alone(&format!("{{ url: '{}', {YAML} }}", redis.url()));
    wait_until("a refusal", async || {
        node.metrics.failures(BackendOperation::Connect, BackendFailure::Io) > 0
    })
    .await;
    assert!(matches!(node.tier.get(key(1)).await, Lookup::Unavailable(BackendFailure::Disconnected)));
    redis.restart().await;
    node.wait_working().await;
}

#[tokio::test]
async fn a_full_redis_still_answers_lookups() {
    let options = RedisOptions::default().with("maxmemory-policy", "noeviction");
    let redis = RedisServer::start_with(options).await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    node.put(key(1), &entry(b"x")).await;
    redis.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    node.put(key(2), &entry(b"y")).await;
    assert_eq!(node.metrics.failures(BackendOperation::Set, BackendFailure::OutOfMemory), 1);
    assert_eq!(node.metrics.writes(WriteResult::Failed), 1);
    assert_eq!(node.body(key(1)).await.as_deref(), Some(&b"x"[..]));
    assert!(matches!(node.get_or_lease(key(3)).await, Leased::Unavailable(BackendFailure::OutOfMemory)));
    assert_eq!(node.tier.breaker(), BreakerState::Closed, "it is full, not gone");
    redis.run::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    node.wait_working().await;
}

#[tokio::test]
async fn a_read_only_redis_is_a_reason_to_look_for_another() {
    let master = RedisServer::start().await;
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    node.put(key(1), &entry(b"x")).await;
    redis.run::<String>(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    node.put(key(2), &entry(b"y")).await;
    assert!(node.metrics.failures(BackendOperation::Set, BackendFailure::ReadOnly) > 0);
    assert!(!matches!(node.tier.get(key(1)).await, Lookup::Unavailable(BackendFailure::ReadOnly)));
    redis.run::<String>(&["REPLICAOF", "NO", "ONE"]).await;
    node.wait_working().await;
}

#[tokio::test]
async fn a_key_that_holds_something_else_is_counted() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {YAML} }}", redis.url())).await;
    redis.run::<i64>(&["LPUSH", &crate::harness::name(key(1)), "x"]).await;
    let lookup = node.tier.get(key(1)).await;
    assert!(matches!(lookup, Lookup::Unavailable(BackendFailure::WrongType)), "{lookup:?}");
    assert_eq!(node.metrics.failures(BackendOperation::Get, BackendFailure::WrongType), 1);
    assert_eq!(node.tier.breaker(), BreakerState::Closed);
    node.put(key(1), &entry(b"x")).await;
    assert_eq!(node.body(key(1)).await.as_deref(), Some(&b"x"[..]), "the next write makes it good");
}

#[tokio::test]
async fn concurrent_lookups_of_one_key_are_one_command() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', timeout: 2s }}", redis.url())).await;
    node.put(key(1), &entry(b"x")).await;
    redis.pause();
    let lookups = (0..100).map(|_| node.tier.get(key(1)));
    let resume = async { redis.resume() };
    let (found, ()) = tokio::join!(futures::future::join_all(lookups), resume);
    assert!(found.iter().all(|lookup| matches!(lookup, Lookup::Found(_))));
    assert_eq!(node.metrics.hits(), 1, "one command for all");
}
