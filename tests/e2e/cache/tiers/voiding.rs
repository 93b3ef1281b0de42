//! What is declared void on one node is void on all.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::{Value, json};

use super::{HOST, NO_MEMORY, PATIENT, counting, get, node, node_of, only_entry, tier, wait_linked};
use crate::harness::{
    Answer, Client, Gate, Gateway, Origin, RawClient, redis::RedisServer, relay::Relay, wait_until,
};

async fn purge(gateway: &Gateway, scope: &Value) -> Value {
    let answer = Client::new(gateway.admin_address()).post("/cache/purge", scope.to_string()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Two nodes on one Redis that both have the report.
struct Shared {
    one: Gateway,
    other: Gateway,
    /// What it says.
    before: String,
    /// Kept alive.
    _servers: (Origin, RedisServer),
}

async fn shared() -> Shared {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let before = get(&one, "/report").await.text().to_owned();
    only_entry(&redis).await;
    assert_eq!(get(&other, "/report").await.text(), before);
    Shared { one, other, before, _servers: (origin, redis) }
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
    let Shared { one, other, before, _servers } = shared().await;
    one.client().post("/report", "a change").host(HOST).send().await;
    assert_ne!(get(&one, "/report").await.text(), before, "void at once where it was written");
    wait_until("the other node to hear of it", async || get(&other, "/report").await.text() != before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_puts_in_or_takes_out_counts_on_all_nodes() {
    let Shared { one, other, _servers, .. } = shared().await;
    let operator = Client::new(one.admin_address());
    let entry = format!("/cache/entry?ttl=60&url=http://{HOST}/report");
    let put = operator.request(Method::PUT, &entry).body("by hand").send().await;
    assert_eq!((put.status, put.json()["success"].as_bool()), (200, Some(true)), "{}", put.text());
    assert_eq!(get(&one, "/report").await.text(), "by hand");
    wait_until("the other node to have it", async || get(&other, "/report").await.text() == "by hand").await;
    assert_eq!(tier(&get(&other, "/report").await), Some("memory"));
    let removed = operator.request(Method::DELETE, &entry).send().await;
    assert_eq!(removed.json()["data"]["removed"], true);
    assert_ne!(get(&one, "/report").await.text(), "by hand", "not even from Redis");
    wait_until("the other node to hear of it", async || get(&other, "/report").await.text() != "by hand")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_later_knows_what_was_purged() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    wait_linked(&one, &redis).await;
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
async fn node_behind(relay: &Relay, origin: &Origin, redis: &RedisServer) -> Gateway {
    let keys = format!("url: 'redis://{}', {PATIENT}, connect_timeout: 500ms", relay.address());
    let gateway = node(origin, &keys, "").start().await;
    wait_linked(&gateway, redis).await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_catches_up() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let mut relay = Relay::to(redis.port()).await;
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_behind(&relay, &origin, &redis).await;
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
    let one = node_behind(&relay, &origin, &redis).await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&other, &redis).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_before_a_purge_and_arrives_after_it_is_not_kept() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let (gate, count) = (gate.clone(), AtomicUsize::new(0));
        move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let answer = Answer::status(200).chunked(["old ", "but long"]).hold_body(&gate);
                answer.header("Cache-Control", "max-age=60")
            }
            _ => Answer::ok("new").header("Cache-Control", "max-age=60"),
        }
    })
    .await;
    let redis = RedisServer::start().await;
    let gateway = node_of(&origin, &redis, "").start().await;
    wait_linked(&gateway, &redis).await;
    let mut first = RawClient::connect(gateway.address()).await;
    first.send(&format!("GET /report HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    first.head().await.unwrap();
    purge(&gateway, &json!({ "url": format!("http://{HOST}/report") })).await;
    assert_eq!(get(&gateway, "/report").await.text(), "new", "not what was asked for before");
    gate.open();
    let rest = first.at_least("4\r\nold \r\n8\r\nbut long\r\n".len()).await;
    assert!(String::from_utf8_lossy(&rest).contains("but long"));
    wait_until("the new one in memory", async || {
        let answer = get(&gateway, "/report").await;
        assert_eq!(answer.text(), "new");
        tier(&answer) == Some("memory")
    })
    .await;
}
