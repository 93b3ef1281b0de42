//! What one node fetched, all have.

use super::{
    CACHED, NO_MEMORY, PATIENT, counting, get, node, node_of, only_entry, tier, wait_entries, wait_linked,
};
use crate::harness::{Answer, Gate, Gateway, Origin, in_time, redis::RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_fetched_the_other_serves() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let fetched = get(&one, "/report").await;
    assert_eq!(tier(&fetched), None);
    only_entry(&redis).await;
    for expected in ["redis", "memory"] {
        let answer = get(&other, "/report").await;
        assert_eq!((tier(&answer), answer.text()), (Some(expected), fetched.text()));
        assert!(answer.header("age").is_some());
    }
    assert_eq!(tier(&get(&one, "/report").await), Some("memory"));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_without_memory_share_all_the_same() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let one = node_of(&origin, &redis, NO_MEMORY).start().await;
    let other = node_of(&origin, &redis, NO_MEMORY).start().await;
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let fetched = get(&one, "/report").await;
    only_entry(&redis).await;
    for gateway in [&other, &one, &other] {
        let answer = get(gateway, "/report").await;
        assert_eq!((tier(&answer), answer.text()), (Some("redis"), fetched.text()));
    }
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_all_sizes_come_whole_from_either_tier() {
    let origin = Origin::start(|request| {
        let length = request.target.trim_start_matches('/').parse().unwrap();
        Answer::ok("abcdefg".repeat(length)).header("Cache-Control", "max-age=60")
    })
    .await;
    let redis = RedisServer::start().await;
    let one = node_of(&origin, &redis, "").start().await;
    let other = node_of(&origin, &redis, "").start().await;
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let lengths = [0, 1, 2_340, 2_341, 50_000];
    for (count, length) in lengths.into_iter().enumerate() {
        let (path, body) = (format!("/{length}"), "abcdefg".repeat(length));
        assert_eq!(get(&one, &path).await.text(), body);
        wait_entries(&redis, count + 1).await;
        for (gateway, expected) in [(&one, "memory"), (&other, "redis"), (&other, "memory")] {
            let answer = get(gateway, &path).await;
            assert_eq!((tier(&answer), answer.text()), (Some(expected), &*body));
        }
    }
    assert_eq!(origin.requests().len(), lengths.len());
}

async fn ask_many(gateway: &Gateway, count: usize) {
    let client = gateway.client();
    let requests = (0..count).map(|_| client.get("/cold").host(super::HOST).send());
    for answer in futures::future::join_all(requests).await {
        assert_eq!((answer.status, answer.body.len()), (200, 2_000), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_requests_at_two_nodes_are_one_fetch() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |_| Answer::ok("x".repeat(2_000)).header("Cache-Control", "max-age=60").hold(&gate)
    })
    .await;
    let redis = RedisServer::start().await;
    let keys = format!("url: '{}', {PATIENT}, lease: {{ wait: 10s, hold: 20s }}", redis.url());
    let (one, other) = (node(&origin, &keys, "").start().await, node(&origin, &keys, "").start().await);
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let open = async {
        in_time("the fetch", origin.wait_begun(1)).await;
        gate.open();
    };
    tokio::join!(ask_many(&one, 250), ask_many(&other, 250), open);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_leads_to_nothing_holds_no_node_up() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/broken" => Answer::ok("x".repeat(1_000)).header("Cache-Control", "max-age=60").cut_after(500),
        _ => Answer::ok("mine").header("Cache-Control", "no-store"),
    })
    .await;
    let redis = RedisServer::start().await;
    // Whoever waited for a lease in vain would not answer within the time of these stories.
    let keys = format!("url: '{}', {PATIENT}, lease: {{ wait: 60s, hold: 60s }}", redis.url());
    let obeying = CACHED.replace("cache: {}", "cache: { request_directives: obey }");
    let one = node(&origin, &keys, "").traffic(&obeying).start().await;
    let other = node(&origin, &keys, "").traffic(&obeying).start().await;
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    for gateway in [&one, &other, &one] {
        assert_eq!(get(gateway, "/private").await.text(), "mine");
    }
    for gateway in [&one, &other, &one] {
        // How a response that breaks off is told to the client is another story.
        drop(gateway.client().get("/broken").host(super::HOST).try_send().await);
    }
    let client = one.client();
    let lookup = client.get("/nothing").host(super::HOST).header("Cache-Control", "only-if-cached");
    assert_eq!(lookup.send().await.status, 504);
    assert_eq!(get(&other, "/nothing").await.text(), "mine", "nobody fetches it meanwhile");
    let looked = one.admin(&format!("/cache/entry?url=http://{}/looked-for", super::HOST)).await;
    assert_eq!(looked.status, 404);
    assert_eq!(get(&other, "/looked-for").await.text(), "mine", "who looks does not fetch either");
}
