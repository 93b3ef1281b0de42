//! What one node invalidates reaches all, also those that were away.

use std::time::Duration;

use nilegate::cache::redis::Notice;

use crate::harness::{Node, RedisServer, key, redis::RedisOptions, wait_until};

fn yaml(redis: &RedisServer) -> String {
    format!("{{ url: '{}', timeout: 500ms, connect_timeout: 300ms }}", redis.url())
}

#[tokio::test]
async fn a_record_reaches_all_nodes_in_order_and_they_confirm() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    let records: Vec<Vec<u8>> = (0..20).map(|n| vec![n, 0, 255]).collect();
    let mut last = None;
    for record in &records {
        last = Some(one.tier.publish(record.clone()).await.unwrap());
    }
    let confirmation = one.tier.confirmed(last.unwrap(), Duration::from_secs(10)).await.unwrap();
    let mut nodes = [one.tier.node().clone(), other.tier.node().clone()];
    nodes.sort();
    assert_eq!((confirmation.confirmed, confirmation.pending), (nodes.to_vec(), vec![]));
    assert_eq!((one.records(), other.records()), (records.clone(), records));
    // Their times are those of Redis, and so is the clock of the tier.
    let Some(Notice::Record { id, .. }) = other.notices().pop() else { panic!("no record") };
    assert!(other.tier.now().unwrap().since(id.stamp()) < Duration::from_secs(30));
    other.tier.leave().await;
}

#[tokio::test]
async fn a_node_that_comes_later_learns_all_that_is_still_known() {
    let redis = RedisServer::start().await;
    let one = Node::start(&yaml(&redis)).await;
    one.tier.publish(b"before".to_vec()).await.unwrap();
    let late = Node::start(&yaml(&redis)).await;
    wait_until("the record from before", async || late.records() == [b"before"]).await;
    assert_eq!(late.gaps(), 1, "the mark at the beginning, which distrusts nothing that was stored since");
}

#[tokio::test]
async fn a_node_that_missed_messages_catches_up() {
    let redis = RedisServer::start().await;
    let (one, away) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    one.tier.publish(b"1".to_vec()).await.unwrap();
    wait_until("the first record", async || away.records() == [b"1"]).await;
    // All its connections are cut, and it may not come back for the time being.
    let own: i64 = redis.run(&["CLIENT", "ID"]).await;
    assert!(own > 0);
    redis.run::<i64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    redis.run::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    wait_until("a record to be published", async || one.tier.publish(b"2".to_vec()).await.is_ok()).await;
    wait_until("the record it missed", async || away.records().contains(&b"2".to_vec())).await;
    assert_eq!(away.gaps(), 1, "nothing is missing");
}

#[tokio::test]
async fn a_node_that_was_away_too_long_is_told_so() {
    let redis = RedisServer::start().await;
    let one = Node::start(&yaml(&redis)).await;
    one.tier.publish(b"1".to_vec()).await.unwrap();
    wait_until("the record", async || one.records() == [b"1"]).await;
    // Meanwhile its record was trimmed and newer ones came.
    redis
        .run::<String>(&[
            "EVAL",
            "redis.call('XADD', KEYS[1], '*', 'r', 'new'); \
        redis.call('XTRIM', KEYS[1], 'MAXLEN', 1); return 'done'",
            "1",
            "nilegate:inv",
        ])
        .await;
    wait_until("the gap", async || one.gaps() == 2 && one.records().contains(&b"new".to_vec())).await;
}

#[tokio::test]
async fn a_stream_that_redis_lost_is_a_gap_for_all() {
    let mut redis = RedisServer::start().await;
    let (one, other) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    one.tier.publish(b"1".to_vec()).await.unwrap();
    wait_until("the record", async || one.records() == [b"1"] && other.records() == [b"1"]).await;
    redis.restart().await;
    wait_until("both to know", async || one.gaps() >= 2 && other.gaps() >= 2).await;
    wait_until("a record to be published", async || one.tier.publish(b"2".to_vec()).await.is_ok()).await;
    wait_until("the next record", async || other.records().contains(&b"2".to_vec())).await;
    let late = Node::start(&yaml(&redis)).await;
    wait_until("the mark", async || late.gaps() == 1).await;
}

#[tokio::test]
async fn the_end_of_the_stream_lost_in_a_failover_is_a_gap_for_all() {
    let redis = RedisServer::start().await;
    let one = Node::start(&yaml(&redis)).await;
    one.tier.publish(b"1".to_vec()).await.unwrap();
    let id = one.tier.publish(b"2".to_vec()).await.unwrap();
    wait_until("the records", async || one.records().len() == 2).await;
    // The new master never saw the second record; other nodes may not have either.
    redis.run::<i64>(&["XDEL", "nilegate:inv", &id.to_string()]).await;
    wait_until("the mark", async || one.gaps() >= 2).await;
    let entries: i64 = redis.run(&["XLEN", "nilegate:inv"]).await;
    assert_eq!(entries, 3, "the first mark, the record that is left, one new mark");
}

#[tokio::test]
async fn a_redis_that_is_full_still_tells_what_is_void() {
    let options = RedisOptions::default().with("maxmemory-policy", "noeviction");
    let redis = RedisServer::start_with(options).await;
    let (one, other) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    redis.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let id = one.tier.publish(b"while full".to_vec()).await.unwrap();
    let confirmation = one.tier.confirmed(id, Duration::from_secs(10)).await.unwrap();
    assert_eq!((confirmation.confirmed.len(), confirmation.pending), (2, vec![]));
    assert_eq!(other.records(), [b"while full"]);
}

#[tokio::test]
async fn what_strangers_put_in_the_way_is_stepped_over() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    one.tier.publish(b"1".to_vec()).await.unwrap();
    redis.run::<String>(&["XADD", "nilegate:inv", "*", "a", "b", "c", "d"]).await;
    one.tier.publish(b"2".to_vec()).await.unwrap();
    wait_until("what follows", async || other.records() == [b"1", b"2"]).await;
    assert_eq!(other.gaps(), 2, "what the stranger meant is not known");
    redis.run::<String>(&["SET", "nilegate:inv", "no stream"]).await;
    redis.run::<String>(&["SET", "nilegate:nodes", "no list"]).await;
    one.tier.publish(b"3".to_vec()).await.unwrap();
    wait_until("what follows", async || other.records().last() == Some(&b"3".to_vec())).await;
    assert_eq!(other.gaps(), 3, "and what the stream held");
    assert!(other.tier.is_current());
}

#[tokio::test]
async fn who_cannot_read_what_is_void_does_not_trust_redis() {
    let redis = RedisServer::start().await;
    let node = Node::start(&yaml(&redis)).await;
    wait_until("all to be heard", async || node.tier.is_current()).await;
    let rights = "ACL SETUSER default -xrange";
    redis.run::<String>(&rights.split(' ').collect::<Vec<_>>()).await;
    wait_until("the doubt", async || !node.tier.is_current()).await;
    assert!(node.tier.is_connected());
    redis.run::<String>(&["ACL", "SETUSER", "default", "+xrange"]).await;
    wait_until("all to be heard again", async || node.tier.is_current()).await;
}

#[tokio::test]
async fn what_could_not_be_published_is_published_later() {
    let mut redis = RedisServer::start().await;
    let (one, other) = (Node::start(&yaml(&redis)).await, Node::start(&yaml(&redis)).await);
    redis.kill();
    wait_until("the loss to be noticed", async || {
        one.tier.get(key(1)).await;
        !one.tier.is_connected()
    })
    .await;
    one.tier.publish(b"kept".to_vec()).await.unwrap_err();
    assert_eq!(one.tier.unpublished(), 1);
    redis.restart().await;
    wait_until("the record that waited", async || other.records() == [b"kept"]).await;
    wait_until("nothing to wait any more", async || one.tier.unpublished() == 0).await;
}
