//! What is stored is found, wherever Redis is and however it is reached.

use std::time::{Duration, Instant};

use nilegate::{
    cache::redis::Lookup,
    telemetry::cache::{BackendFailure, BackendOperation, WriteResult},
};

use crate::harness::{
    Node, RedisServer, entry, entry_for, key, name,
    redis::{RedisOptions, wait_reply},
    redis_cluster::RedisCluster,
    redis_sentinel::{MASTER, RedisSentinels},
    tls::Authority,
    wait_until,
};

const STORY_TIMEOUT: &str = "timeout: 500ms";

#[tokio::test]
async fn what_one_node_stores_another_one_finds() {
    let redis = RedisServer::start().await;
    let yaml = format!("{{ url: '{}', {STORY_TIMEOUT} }}", redis.url());
    let (one, other) = (Node::start(&yaml).await, Node::start(&yaml).await);
    assert_eq!(other.body(key(1)).await, None);
    one.put(key(1), &entry(b"hello")).await;
    assert_eq!(other.body(key(1)).await.as_deref(), Some(&b"hello"[..]));
    assert_eq!((other.metrics.hits(), other.metrics.misses()), (1, 1));
    assert_eq!(one.metrics.writes(WriteResult::Stored), 1);
    one.tier.remove([key(1)]);
    assert!(one.tier.flush(Duration::from_secs(5)).await);
    assert_eq!(other.body(key(1)).await, None);
}

#[tokio::test]
async fn every_key_has_a_time_to_live() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', {STORY_TIMEOUT}, lease: {{}} }}", redis.url())).await;
    node.put(key(1), &entry_for(b"x", Duration::from_secs(100))).await;
    let life: i64 = redis.run(&["PTTL", &name(key(1))]).await;
    assert!((90_000..=100_000).contains(&life), "{life}");
    node.put(key(2), &entry_for(b"x", Duration::ZERO)).await;
    assert_eq!(node.metrics.writes(WriteResult::Useless), 1);
    let lease = node.get_or_lease(key(3)).await;
    node.tier.publish(b"x".to_vec()).await.unwrap();
    wait_reply(&redis, &["DBSIZE"], |size: &i64| *size == 4).await;
    for name in redis.run::<Vec<String>>(&["KEYS", "*"]).await {
        assert!(name.starts_with("nilegate:"), "{name}");
        assert!(redis.run::<i64>(&["PTTL", &name]).await > 0, "{name} would stay for ever");
    }
    drop(lease);
}

#[tokio::test]
async fn values_can_be_compressed_and_encrypted() {
    let redis = RedisServer::start().await;
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let yaml = format!(
        "{{ url: '{}', {STORY_TIMEOUT}, compress: {{ above: 1KiB }}, encrypt: {{ key: {secret} }} }}",
        redis.url()
    );
    let node = Node::start(&yaml).await;
    let body = b"patient ".repeat(1_000);
    node.put(key(1), &entry(&body)).await;
    assert!(redis.run::<usize>(&["STRLEN", &name(key(1))]).await < 1_000);
    assert_eq!(node.body(key(1)).await, Some(body));
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_not_written_and_counted() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let node = Node::start(&format!(
        "{{ url: '{url}', {STORY_TIMEOUT}, max_object: 1KiB, queue: {{ entries: 3, bytes: 10KiB }} }}"
    ))
    .await;
    node.put(key(1), &entry(&[0; 2_000])).await;
    assert_eq!(node.metrics.writes(WriteResult::TooLarge), 1);
    redis.pause();
    let small = entry(b"x");
    (0..200).for_each(|n| node.tier.put(key(n), small.clone(), None));
    assert!(node.metrics.writes(WriteResult::QueueFull) > 100);
    redis.resume();
}

#[tokio::test]
async fn tls_with_an_own_authority_and_a_user_with_few_rights() {
    let options = RedisOptions { authority: Some(Authority::new()), ..RedisOptions::default() };
    let redis = RedisServer::start_with(options).await;
    let rights = "on >hunter2 ~nilegate:* &nilegate:* -@all +getrange +set +del +eval +exists +get \
        +pexpire +type +xadd +xrange +publish +subscribe +time +hset +hgetall +hdel +ping +client";
    let words: Vec<&str> = ["ACL", "SETUSER", "gate"].into_iter().chain(rights.split_whitespace()).collect();
    redis.run::<String>(&words).await;
    let ca = redis.directory().join("ca.pem");
    let yaml = format!(
        "{{ url: '{}', {STORY_TIMEOUT}, username: gate, password: hunter2, tls: {{ ca: '{}' }}, lease: {{}} }}",
        redis.url(),
        ca.display()
    );
    let node = Node::start(&yaml).await;
    node.wait_working().await;
    drop(node.get_or_lease(key(1)).await);
    node.tier.publish(b"r".to_vec()).await.unwrap();
    wait_until("the record", async || node.records() == [b"r"]).await;
    for operation in [BackendOperation::Get, BackendOperation::Set, BackendOperation::Lease] {
        assert_eq!(node.metrics.failures(operation, BackendFailure::Denied), 0, "{operation}");
    }
    assert_eq!(node.metrics.failures(BackendOperation::Follow, BackendFailure::Denied), 0);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_authority_are_no_connection() {
    let options = RedisOptions { password: Some("right".to_owned()), ..RedisOptions::default() };
    let redis = RedisServer::start_with(options).await;
    let node = Node::start_alone(&format!("{{ url: '{}', password: wrong }}", redis.url()));
    wait_until("a refusal", async || {
        node.metrics.failures(BackendOperation::Connect, BackendFailure::Denied) > 0
    })
    .await;
    assert!(!node.tier.is_connected() && !node.metrics.is_up());
    let right = Node::start(&format!("{{ url: '{}', {STORY_TIMEOUT}, password: right }}", redis.url())).await;
    right.wait_working().await;

    let options = RedisOptions { authority: Some(Authority::new()), ..RedisOptions::default() };
    let redis = RedisServer::start_with(options).await;
    let directory = tempfile::tempdir().unwrap();
    let other = Authority::new().write(directory.path());
    let yaml = format!("{{ url: '{}', tls: {{ ca: '{}' }} }}", redis.url(), other.display());
    let node = Node::start_alone(&yaml);
    wait_until("a failed handshake", async || {
        node.metrics.failures(BackendOperation::Connect, BackendFailure::Io) > 0
    })
    .await;
    assert!(!node.tier.is_connected());
}

#[tokio::test]
async fn a_database_and_a_prefix_of_its_own() {
    let redis = RedisServer::start().await;
    let node =
        Node::start(&format!("{{ url: '{}', {STORY_TIMEOUT}, database: 3, prefix: mine }}", redis.url()))
            .await;
    node.put(key(1), &entry(b"x")).await;
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "*"]).await, Vec::<String>::new());
    let space: String = redis.run(&["INFO", "keyspace"]).await;
    assert!(space.contains("db3:"), "{space}");
    assert_eq!(node.body(key(1)).await.as_deref(), Some(&b"x"[..]));
}

#[tokio::test]
async fn a_cluster_holds_entries_leases_and_invalidations() {
    let cluster = RedisCluster::start().await;
    let yaml = format!("{{ cluster: {:?}, {STORY_TIMEOUT}, lease: {{}} }}", cluster.urls());
    let (one, other) = (Node::start(&yaml).await, Node::start(&yaml).await);
    for n in 0..30 {
        one.put(key(n), &entry(&[n])).await;
    }
    for n in 0..30 {
        assert_eq!(other.body(key(n)).await, Some(vec![n]));
        drop(other.get_or_lease(key(n + 100)).await);
    }
    for node in &cluster.nodes {
        assert!(node.run::<i64>(&["DBSIZE"]).await > 0, "every master has some of them");
    }
    let id = one.tier.publish(b"r".to_vec()).await.unwrap();
    wait_until("the record", async || other.records() == [b"r"]).await;
    let confirmation = one.tier.confirmed(id, Duration::from_secs(5)).await.unwrap();
    assert_eq!((confirmation.confirmed.len(), confirmation.pending.len()), (2, 0));
    let errors = [BackendOperation::Get, BackendOperation::Set, BackendOperation::Lease];
    for operation in errors {
        assert_eq!(other.metrics.failures(operation, BackendFailure::Moved), 0, "{operation}");
    }
}

#[tokio::test]
async fn a_cluster_that_loses_a_master_costs_no_more_than_the_time_allowed() {
    let mut cluster = RedisCluster::start().await;
    let yaml = format!(
        "{{ cluster: {:?}, timeout: 50ms, connect_timeout: 500ms, breaker: {{ failures: 3, open: 200ms }} }}",
        cluster.urls()
    );
    let node = Node::start(&yaml).await;
    node.wait_working().await;
    cluster.nodes[1].kill();
    wait_until("the loss to be noticed", async || {
        let started = Instant::now();
        let lookups = (0..30).map(|n| node.tier.get(key(n)));
        let lookups = futures::future::join_all(lookups).await;
        assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
        lookups.iter().any(|lookup| matches!(lookup, Lookup::Unavailable(_)))
    })
    .await;
    cluster.nodes[1].restart().await;
    cluster.wait_whole().await;
    for n in 0..30 {
        wait_until("every slot to work again", async || {
            node.put(key(n), &entry(&[n])).await;
            node.body(key(n)).await == Some(vec![n])
        })
        .await;
    }
}

#[tokio::test]
async fn the_master_is_the_one_that_the_sentinels_name() {
    let set = RedisSentinels::start().await;
    let yaml = format!("{{ sentinel: {{ nodes: {:?}, master: {MASTER} }}, {STORY_TIMEOUT} }}", set.urls());
    let node = Node::start(&yaml).await;
    node.put(key(1), &entry(b"x")).await;
    assert_eq!(set.servers[0].run::<i64>(&["EXISTS", &name(key(1))]).await, 1);

    set.fail_over().await;
    // The old master serves until it is demoted; then the tier finds the new one.
    wait_until("entries to be stored at the new master", async || {
        node.put(key(2), &entry(b"y")).await;
        set.servers[1].run::<i64>(&["EXISTS", &name(key(2))]).await == 1
    })
    .await;
    node.wait_working().await;
    wait_until("a record to be published", async || node.tier.publish(b"after".to_vec()).await.is_ok()).await;
    wait_until("invalidations to go on", async || node.records().contains(&b"after".to_vec())).await;
}

#[tokio::test]
async fn a_master_that_dies_is_replaced() {
    let mut set = RedisSentinels::start().await;
    let yaml = format!("{{ sentinel: {{ nodes: {:?}, master: {MASTER} }}, {STORY_TIMEOUT} }}", set.urls());
    let node = Node::start(&yaml).await;
    node.wait_working().await;
    set.servers[0].kill();
    set.wait_failed_over().await;
    node.wait_working().await;
    assert_eq!(set.servers[1].run::<i64>(&["EXISTS", &name(key(250))]).await, 1);
}
