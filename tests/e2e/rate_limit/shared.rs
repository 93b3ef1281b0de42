//! Limits that nodes keep together in Redis.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::assert_refusals_cost_nothing;
use crate::harness::{
    Gateway, Origin, gateway::Builder, redis::RedisServer, redis_cluster::RedisCluster, wait_until,
};

/// A node that waits patiently for this Redis: the machine may be busy with other stories.
fn node_at(origin: &Origin, redis: &str, limits: &str) -> Builder {
    super::limited(origin, limits).process("rate_limits", &format!("{{ redis: {{ {redis} }}, budget: 2s }}"))
}

async fn node(origin: &Origin, redis: &RedisServer, limits: &str) -> Gateway {
    let gateway = node_at(origin, &format!("url: '{}'", redis.url()), limits).start().await;
    wait_linked(&gateway).await;
    gateway
}

async fn wait_linked(gateway: &Gateway) {
    gateway.wait_metric("rate_limit_backend_up", &[], 1.0).await;
}

/// How often each status came for so many requests at once at each node.
async fn at_once(nodes: &[&Gateway], count: usize) -> BTreeMap<u16, usize> {
    let ask = |gateway: &Gateway| {
        let client = gateway.client();
        async move { client.get("/").send().await.status }
    };
    let requests = nodes.iter().flat_map(|gateway| std::iter::repeat_n(*gateway, count)).map(ask);
    let mut counts = BTreeMap::new();
    for status in futures::future::join_all(requests).await {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

/// The keys in Redis.
async fn keys(redis: &RedisServer) -> Vec<String> {
    let (_, keys): (String, Vec<String>) = redis.run(&["SCAN", "0", "COUNT", "1000"]).await;
    keys
}

const LIMIT: &str = "[{ rate: 20/h, by: address, shared: true }]";

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_let_as_many_pass_as_one() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let (one, other) = (node(&origin, &redis, LIMIT).await, node(&origin, &redis, LIMIT).await);
    assert_eq!(at_once(&[&one, &other], 40).await, BTreeMap::from([(200, 20), (429, 60)]));
    assert_eq!(origin.requests().len(), 20);
    let refused = other.get("/").await;
    super::assert_refused(&refused);
    assert!(refused.header("ratelimit").unwrap().starts_with("\"all#1\";r=0;t="));
    for gateway in [&one, &other] {
        assert_eq!(gateway.metrics().await.sum("rate_limit_fallbacks_total", &[]), 0.0);
    }
    let script = one.metrics().await.sum("rate_limit_script_duration_seconds_count", &[]);
    assert!((script - 40.0).abs() < 0.1, "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_told_by_all_nodes_alike() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let (one, other) = (node(&origin, &redis, LIMIT).await, node(&origin, &redis, LIMIT).await);
    for (left, gateway) in [(19, &one), (18, &other), (17, &one)] {
        let full_in = 180 * (20 - left);
        let expected = format!("\"all#1\";r={left};t={full_in}");
        assert_eq!(gateway.get("/").await.header("ratelimit"), Some(&*expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_no_value_and_nothing_for_ever() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let limits = "[{ rate: 10/s, burst: 20, by: 'header:X-Tenant', shared: true }]";
    let gateway = node(&origin, &redis, limits).await;
    gateway.client().get("/").header("X-Tenant", "confidential").send().await;
    let keys = keys(&redis).await;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let hash = key.strip_prefix("nilegate:rl:").unwrap();
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    wait_until("the full bucket to be gone", async || redis.run::<u64>(&["DBSIZE"]).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_a_shared_limit_costs_nothing_of_the_others() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let limits = "[{ rate: 3/h, by: route, shared: true }, { rate: 1/h, by: 'header:X-Tenant', shared: true }, \
                  { rate: 4/h, by: address }]";
    let gateway = node(&origin, &redis, limits).await;
    assert_refusals_cost_nothing(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_redis_forgot_is_sent_again() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let gateway = node(&origin, &redis, LIMIT).await;
    gateway.get("/").await;
    redis.run::<()>(&["SCRIPT", "FLUSH"]).await;
    assert!(gateway.get("/").await.header("ratelimit").unwrap().contains(";r=18;"));
    assert_eq!(gateway.metrics().await.sum("rate_limit_fallbacks_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_makes_no_sense_is_one_like_any_other() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let gateway = node(&origin, &redis, LIMIT).await;
    gateway.get("/").await;
    let key = keys(&redis).await.remove(0);
    redis.run::<()>(&["SET", &key, "nonsense"]).await;
    assert!(gateway.get("/").await.header("ratelimit").unwrap().contains(";r=19;"));
    // As after the clock of Redis went back by a century.
    redis.run::<()>(&["SET", &key, "4900000000000000"]).await;
    assert_eq!(gateway.get("/").await.status, 429);
    let wait: u32 = gateway.get("/").await.header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 180, "no more than an empty bucket: {wait}");
    redis.run::<()>(&["DEL", &key]).await;
    redis.run::<()>(&["RPUSH", &key, "a list"]).await;
    assert_eq!(gateway.get("/").await.status, 200, "decided by the node");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_gone_each_node_remembers_what_it_let_pass() {
    let (origin, mut redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let gateway = node(&origin, &redis, LIMIT).await;
    assert_eq!(at_once(&[&gateway], 15).await, BTreeMap::from([(200, 15)]));
    redis.kill();
    assert_eq!(at_once(&[&gateway], 15).await, BTreeMap::from([(200, 5), (429, 10)]), "no 5xx");
    assert!(gateway.metrics().await.sum("rate_limit_fallbacks_total", &[]) > 0.0);
    gateway.wait_metric("rate_limit_backend_up", &[], 0.0).await;
    redis.restart().await;
    wait_linked(&gateway).await;
    // An empty Redis begins anew, and decides.
    wait_until("Redis to decide", async || gateway.get("/").await.status == 200).await;
    assert!(!keys(&redis).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_silent_holds_nobody_up() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let url = format!("url: '{}', breaker: {{ failures: 3, open: 200ms }}", redis.url());
    let gateway = node_at(&origin, &url, "[{ rate: 30/h, by: address, shared: true }]")
        .process("rate_limits", &format!("{{ redis: {{ {url} }}, budget: 50ms }}"))
        .start()
        .await;
    wait_linked(&gateway).await;
    gateway.get("/").await;
    redis.pause();
    let started = Instant::now();
    let counts = at_once(&[&gateway], 50).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [200, 429], "no 5xx");
    // What Redis let pass before its answer got lost may be charged there as well.
    assert!(counts[&200] <= 30, "{counts:?}");
    assert!(gateway.metrics().await.sum("rate_limit_fallbacks_total", &[]) >= 1.0);
    redis.resume();
    wait_until("Redis to decide again", async || {
        let before = gateway.metrics().await.sum("rate_limit_script_duration_seconds_count", &[]);
        gateway.get("/").await;
        gateway.metrics().await.sum("rate_limit_script_duration_seconds_count", &[]) > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_of_the_cache_serves_limits_too() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let builder = || {
        super::limited(&origin, LIMIT)
            .process("cache", &format!("{{ redis: {{ url: '{}', prefix: gate }} }}", redis.url()))
            .process("rate_limits", "{ budget: 2s }")
    };
    let (one, other) = (builder().start().await, builder().start().await);
    wait_linked(&one).await;
    wait_linked(&other).await;
    assert_eq!(at_once(&[&one, &other], 20).await, BTreeMap::from([(200, 20), (429, 20)]));
    assert!(keys(&redis).await.iter().any(|key| key.starts_with("gate:rl:")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_holds_buckets_on_all_its_nodes() {
    let (origin, cluster) = (Origin::saying("hello").await, RedisCluster::start().await);
    let limits = "[{ rate: 2/h, by: 'header:X-Tenant', shared: true }]";
    let place = format!("cluster: [{}]", cluster.urls().join(", "));
    let gateway = node_at(&origin, &place, limits).start().await;
    wait_linked(&gateway).await;
    for tenant in 0..20 {
        let client = gateway.client();
        let ask = async || client.get("/").header("X-Tenant", &tenant.to_string()).send().await.status;
        assert_eq!([ask().await, ask().await, ask().await], [200, 200, 429], "{tenant}");
    }
    assert_eq!(gateway.metrics().await.sum("rate_limit_fallbacks_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_may_be_shared_from_a_reload_on() {
    let (origin, redis) = (Origin::saying("hello").await, RedisServer::start().await);
    let url = format!("url: '{}'", redis.url());
    let mut gateway = node_at(&origin, &url, "[{ rate: 9/h, by: address }]").start().await;
    gateway.get("/").await;
    assert_eq!(keys(&redis).await, Vec::<String>::new());
    gateway.write_traffic(&format!(
        "upstreams: {{ origin: {{ backends: ['{origin}'] }} }}\n\
         routes:\n  - {{ name: all, upstream: origin, rate_limit: {LIMIT} }}\n"
    ));
    assert_eq!(gateway.reload().await.status, 200);
    wait_linked(&gateway).await;
    gateway.get("/").await;
    assert_eq!(keys(&redis).await.len(), 1);
}
