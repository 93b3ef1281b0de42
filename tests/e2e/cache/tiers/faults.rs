//! Whatever happens to Redis, clients get their answers, and soon; afterwards all is as before.

use std::time::Duration;

use super::{BOUND, NO_MEMORY, counting, node, tier};
use crate::harness::{
    Gateway, Load, Origin,
    redis::{RedisOptions, RedisServer},
    redis_cluster::RedisCluster,
    redis_sentinel::{MASTER, RedisSentinels},
    wait_until,
};

const PATH: &str = "/report";

/// What a node does that cannot wait long.
const QUICK: &str = "timeout: 50ms, connect_timeout: 500ms, breaker: { failures: 3, open: 200ms }, lease: {}";

/// What 99 of 100 answers keep: the time for a lookup and for asking who fetches.
const P99: Duration = Duration::from_millis(100);

/// A node without memory, under load, whose hits come from Redis.
struct Scene {
    _origin: Origin,
    gateway: Gateway,
    load: Load,
}

/// Waits until the answer comes from Redis that the load asks for too.
async fn wait_hit(gateway: &Gateway) {
    wait_until("a hit from Redis", async || {
        let answer = gateway.get(PATH).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        tier(&answer) == Some("redis")
    })
    .await;
}

impl Scene {
    /// `place`: where Redis is.
    async fn begin(place: &str) -> Self {
        let origin = counting().await;
        let gateway = node(&origin, &format!("{place}, {QUICK}"), NO_MEMORY).start().await;
        wait_hit(&gateway).await;
        // Few, so that the servers of Redis have the time to agree on what became of one of them.
        let load = Load::start(gateway.address(), PATH, 3);
        load.wait_for_more(200).await;
        Self { _origin: origin, gateway, load }
    }

    /// Goes on for a while with things as they are.
    async fn go_on(&self) {
        self.load.wait_for_more(500).await;
    }

    /// Redis is well again: it is used again, and nobody ever noticed.
    async fn end(self) {
        wait_hit(&self.gateway).await;
        self.go_on().await;
        let tally = self.load.stop().await;
        tally.assert_none_lost();
        assert!(tally.slowest < BOUND, "the slowest answer took {:?}", tally.slowest);
        assert!(tally.p99 < P99, "one answer in a hundred took {:?}", tally.p99);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_started_again() {
    let mut redis = RedisServer::start().await;
    let scene = Scene::begin(&format!("url: '{}'", redis.url())).await;
    redis.kill();
    scene.go_on().await;
    scene.gateway.wait_metric("cache_backend_up", &[("tier", "redis")], 0.0).await;
    scene.go_on().await;
    redis.restart().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stops_answering_and_goes_on() {
    let redis = RedisServer::start().await;
    let scene = Scene::begin(&format!("url: '{}'", redis.url())).await;
    redis.pause();
    scene.go_on().await;
    scene.gateway.wait_metric("cache_backend_up", &[("tier", "redis")], 0.0).await;
    scene.go_on().await;
    redis.resume();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_full() {
    let redis = RedisServer::start_with(RedisOptions::default().with("maxmemory-policy", "noeviction")).await;
    let scene = Scene::begin(&format!("url: '{}'", redis.url())).await;
    redis.run::<String>(&["FLUSHALL"]).await;
    redis.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    scene.go_on().await;
    wait_until("Redis says that it is full", async || {
        let metrics = scene.gateway.metrics().await;
        metrics.sum("cache_backend_errors_total", &[("reason", "out_of_memory")]) > 0.0
    })
    .await;
    redis.run::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_is_replaced() {
    let set = RedisSentinels::start().await;
    let place = format!("sentinel: {{ nodes: {:?}, master: {MASTER} }}", set.urls());
    let scene = Scene::begin(&place).await;
    set.fail_over().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_dies() {
    let mut set = RedisSentinels::start().await;
    let place = format!("sentinel: {{ nodes: {:?}, master: {MASTER} }}", set.urls());
    let scene = Scene::begin(&place).await;
    set.servers[0].kill();
    scene.go_on().await;
    set.wait_failed_over().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_cluster_dies() {
    let mut cluster = RedisCluster::start().await;
    let scene = Scene::begin(&format!("cluster: {:?}", cluster.urls())).await;
    cluster.nodes[1].kill();
    scene.go_on().await;
    cluster.nodes[1].restart().await;
    cluster.wait_whole().await;
    scene.end().await;
}
