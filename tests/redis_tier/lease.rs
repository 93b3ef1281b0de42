//! One node fetches, the others wait for what it brings.

use std::time::{Duration, Instant};

use nilegate::cache::redis::Leased;
use tokio::time::timeout;

use crate::harness::{Node, RedisServer, entry, key, redis::wait_reply};

async fn nodes(redis: &RedisServer, lease: &str) -> (Node, Node) {
    let yaml = format!("{{ url: '{}', timeout: 500ms, lease: {lease} }}", redis.url());
    (Node::start(&yaml).await, Node::start(&yaml).await)
}

#[tokio::test]
async fn two_nodes_make_one_fetch() {
    let redis = RedisServer::start().await;
    let (one, other) = nodes(&redis, "{ wait: 10s, hold: 20s }").await;
    let Leased::Absent(Some(lease)) = one.get_or_lease(key(1)).await else {
        panic!("the first one gets the leave to fetch")
    };
    let mut waiting = Box::pin(other.get_or_lease(key(1)));
    assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "the second one waits");
    one.tier.put(key(1), entry(b"fetched once"), Some(lease));
    match waiting.await {
        Leased::Found(entry) => assert_eq!(&entry.body()[..], b"fetched once"),
        _ => panic!("what the first one stored"),
    }
    wait_reply(&redis, &["EXISTS", &format!("nilegate:l:{{nilegate:e:{}}}", key(1))], |n: &i64| *n == 0)
        .await;
}

#[tokio::test]
async fn two_nodes_that_found_something_void_make_one_fetch() {
    let redis = RedisServer::start().await;
    let (one, other) = nodes(&redis, "{ wait: 10s, hold: 20s }").await;
    one.put(key(1), &entry(b"void")).await;
    let Leased::Absent(Some(lease)) = one.tier.lease(key(1), true).await else {
        panic!("the first one gets the leave to fetch")
    };
    let mut waiting = Box::pin(other.tier.lease(key(1), true));
    assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "the second one waits");
    one.tier.put(key(1), entry(b"fetched once"), Some(lease));
    match waiting.await {
        Leased::Found(entry) => assert_eq!(&entry.body()[..], b"fetched once"),
        _ => panic!("what the first one stored"),
    }
}

#[tokio::test]
async fn a_response_that_may_not_be_stored_releases_all_at_once() {
    let redis = RedisServer::start().await;
    let (one, other) = nodes(&redis, "{ wait: 10s, hold: 20s }").await;
    let Leased::Absent(Some(lease)) = one.get_or_lease(key(1)).await else { panic!("no lease") };
    let mut waiting = Box::pin(other.get_or_lease(key(1)));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    lease.decline();
    let started = Instant::now();
    assert!(matches!(waiting.await, Leased::Absent(None)), "everybody for himself");
    assert!(matches!(one.get_or_lease(key(1)).await, Leased::Absent(None)), "remembered for a while");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_fetch_that_failed_is_the_next_ones_turn() {
    let redis = RedisServer::start().await;
    let (one, other) = nodes(&redis, "{ wait: 10s, hold: 20s }").await;
    let Leased::Absent(Some(lease)) = one.get_or_lease(key(1)).await else { panic!("no lease") };
    let mut waiting = Box::pin(other.get_or_lease(key(1)));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    drop(lease);
    assert!(matches!(waiting.await, Leased::Absent(Some(_))));
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed_nor_for_a_node_that_died() {
    let redis = RedisServer::start().await;
    let (one, other) = nodes(&redis, "{ wait: 200ms, hold: 20s }").await;
    let Leased::Absent(Some(_lease)) = one.get_or_lease(key(1)).await else { panic!("no lease") };
    let started = Instant::now();
    assert!(matches!(other.get_or_lease(key(1)).await, Leased::Absent(None)));
    assert!(started.elapsed() < Duration::from_secs(2));

    let (one, other) = nodes(&redis, "{ wait: 10s, hold: 300ms }").await;
    let Leased::Absent(Some(held)) = one.get_or_lease(key(2)).await else { panic!("no lease") };
    one.stop(); // It dies: nothing is given back, the lease runs out.
    assert!(matches!(other.get_or_lease(key(2)).await, Leased::Absent(Some(_))));
    drop(held);
}
