//! What is declared void on one node is void on all.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{HOST, NO_MEMORY, PATIENT, counting, get, node, node_of, only_entry, tier, wait_linked};
use crate::harness::{Client, Gateway, Origin, redis::RedisServer, relay::Relay, wait_until};

async fn purge(gateway: &Gateway, scope: &Value) -> Value {
    let answer = Client::new(gateway.admin_address()).post("/cache/purge", scope.to_string()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The names of these nodes.
async fn ids<const N: usize>(gateways: [&Gateway; N]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for gateway in gateways {
        let stats = gateway.admin("/cache/stats").await.json();
        ids.insert(stats["data"]["tiers"]["redis"]["node"].as_str().unwrap().to_owned());
    }
    ids
}

fn listed(answer: &Value, which: &str) -> BTreeSet<String> {
    let names = answer["nodes"][which].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_reaches_all_nodes_before_it_is_answered() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_of(&origin, &redis, "").start().await;
    // A node that has confirmed once is known to all.
    wait_until("both nodes to confirm", async || {
        listed(&purge(&one, &json!({ "tag": "nothing" })).await, "confirmed").len() == 2
    })
    .await;
    for scope in [
        json!({ "tag": "ward-7" }),
        json!({ "url": format!("http://{HOST}/report") }),
        json!({ "pattern": "/rep*" }),
        json!({ "route": "kept" }),
        json!({ "all": true }),
    ] {
        get(&one, "/report").await;
        let mut before = String::new();
        wait_until("both nodes to have it", async || {
            let (one, other) = (get(&one, "/report").await, get(&other, "/report").await);
            one.text().clone_into(&mut before);
            tier(&one) == Some("memory") && tier(&other) == Some("memory") && one.text() == other.text()
        })
        .await;
        let answer = purge(&one, &scope).await;
        assert_eq!(answer["applied"], json!({ "memory": true, "redis": "published" }), "{scope}");
        assert_eq!(listed(&answer, "confirmed"), ids([&one, &other]).await, "{scope}");
        assert_eq!(listed(&answer, "pending"), BTreeSet::new(), "{scope}");
        assert_ne!(get(&other, "/report").await.text(), before, "gone after {scope}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_at_one_node_reaches_the_other() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&one).await;
    wait_linked(&other).await;
    let before = get(&one, "/report").await.text().to_owned();
    only_entry(&redis).await;
    assert_eq!(get(&other, "/report").await.text(), before);
    one.client().post("/report", "a change").host(HOST).send().await;
    assert_ne!(get(&one, "/report").await.text(), before, "void at once where it was written");
    wait_until("the other node to hear of it", async || get(&other, "/report").await.text() != before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_later_knows_what_was_purged() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    wait_linked(&one).await;
    let before = get(&one, "/report").await.text().to_owned();
    only_entry(&redis).await;
    assert_eq!(purge(&one, &json!({ "tag": "ward-7" })).await["applied"]["redis"], "published");
    let late = node_of(&origin, &redis, NO_MEMORY).launch();
    // From its first answer on, linked or not.
    wait_until("the first answer", async || {
        late.client().get("/report").host(HOST).try_send().await.is_ok_and(|answer| {
            assert_ne!(answer.text(), before);
            tier(&answer) == Some("redis")
        })
    })
    .await;
}

/// A node whose way to Redis can be cut.
async fn node_behind(relay: &Relay, origin: &Origin) -> Gateway {
    let keys = format!("url: 'redis://{}', {PATIENT}, connect_timeout: 500ms", relay.address());
    let gateway = node(origin, &keys, "").start().await;
    wait_linked(&gateway).await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_catches_up() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let mut relay = Relay::to(redis.port()).await;
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_behind(&relay, &origin).await;
    wait_until("both nodes to confirm", async || {
        listed(&purge(&one, &json!({ "tag": "nothing" })).await, "confirmed").len() == 2
    })
    .await;
    let before = get(&one, "/report").await.text().to_owned();
    only_entry(&redis).await;
    assert_eq!(get(&other, "/report").await.text(), before);
    relay.cut().await;
    let answer = purge(&one, &json!({ "tag": "ward-7" })).await;
    assert_eq!(listed(&answer, "confirmed"), ids([&one]).await);
    assert_eq!(listed(&answer, "pending"), ids([&other]).await);
    assert_eq!(get(&other, "/report").await.text(), before, "it cannot know");
    relay.mend().await;
    wait_until("the node to catch up", async || get(&other, "/report").await.text() != before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_while_redis_is_away_is_told_later() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let mut relay = Relay::to(redis.port()).await;
    let one = node_behind(&relay, &origin).await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&other).await;
    let before = get(&one, "/report").await.text().to_owned();
    only_entry(&redis).await;
    assert_eq!(get(&other, "/report").await.text(), before);
    relay.cut().await;
    let answer = purge(&one, &json!({ "tag": "ward-7" })).await;
    assert_eq!(answer["applied"], json!({ "memory": true, "redis": "queued" }));
    assert_ne!(get(&one, "/report").await.text(), before, "void at once where it was said");
    relay.mend().await;
    wait_until("the other node to hear of it", async || get(&other, "/report").await.text() != before).await;
}
