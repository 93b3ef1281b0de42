//! What somebody else, or nobody, put into Redis is never served and never an error.

use super::{NO_MEMORY, counting, get, node_of, only_entry, tier, wait_entries, wait_hit_from_redis};
use crate::harness::redis::RedisServer;

/// Puts bytes under a key.
async fn set(redis: &RedisServer, name: &str, value: &[u8]) {
    let mut connection = redis.connection().await.unwrap();
    redis::cmd("DEL").arg(name).query_async::<()>(&mut connection).await.unwrap();
    let mut command = redis::cmd("SET");
    command.arg(name).arg(value).arg("PX").arg(60_000).query_async::<()>(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_foreign_values_are_misses() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let gateway = node_of(&origin, &redis, NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/report").await;
    let name = only_entry(&redis).await;
    let whole: Vec<u8> = redis.run(&["GET", &name]).await;
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() - 5].to_vec();
    let empty_head = b"NLG".to_vec();
    let garbage = b"\x00\xffgarbage from elsewhere".repeat(50);
    let huge = vec![b'x'; 3 << 20];
    let mut corrupted = 0.0;
    for (what, value) in [
        ("garbage", garbage),
        ("cut off", cut),
        ("a flipped bit", flipped),
        ("three bytes", empty_head),
        ("too large", huge),
    ] {
        let fetched = origin.requests().len();
        set(&redis, &name, &value).await;
        let answer = get(&gateway, "/report").await;
        assert_eq!(tier(&answer), None, "{what} is a miss");
        assert_eq!(origin.requests().len(), fetched + 1, "{what}");
        corrupted += 1.0;
        gateway.wait_metric("cache_corrupted_values_total", &[("tier", "redis")], corrupted).await;
        wait_hit_from_redis(&gateway, "/report").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_under_the_key_of_another_is_not_served() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let gateway = node_of(&origin, &redis, NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/one").await;
    let one = only_entry(&redis).await;
    let theirs = get(&gateway, "/other").await.text().to_owned();
    wait_entries(&redis, 2).await;
    let other = super::entries(&redis).await.into_iter().find(|name| *name != one).unwrap();
    let value: Vec<u8> = redis.run(&["GET", &other]).await;
    set(&redis, &one, &value).await;
    let answer = get(&gateway, "/one").await;
    assert_eq!(tier(&answer), None);
    assert_ne!(answer.text(), theirs);
    let labels = [("tier", "redis"), ("reason", "other_key")];
    gateway.wait_metric("cache_corrupted_values_total", &labels, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_a_miss() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let gateway = node_of(&origin, &redis, NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/report").await;
    let name = only_entry(&redis).await;
    redis.run::<i64>(&["DEL", &name]).await;
    redis.run::<i64>(&["RPUSH", &name, "a", "list"]).await;
    assert_eq!(tier(&get(&gateway, "/report").await), None);
    wait_hit_from_redis(&gateway, "/report").await;
}
