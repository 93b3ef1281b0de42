//! Three nodes and a Redis Cluster behind a client that spreads its requests over them: as much
//! of a fleet as fits on one machine. What the stories measure they print (`--no-capture`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::harness::{
    Answer, Gateway, Load, Origin, Response, load::Tally, redis_cluster::RedisCluster, wait_until,
};

const NODES: usize = 3;
/// Connections of the load to each node.
const CONNECTIONS: usize = 4;
/// Objects: enough that every master of Redis has some.
const OBJECTS: usize = 60;
/// The name that all nodes are asked by: what they keep is the same.
const HOST: &str = "fleet.example";

const TRAFFIC: &str = "\
upstreams:
  origin: { backends: ['@origin@'] }
routes:
  - name: reports
    match: { path: '/reports/**' }
    upstream: origin
    cache: {}
";

struct Fleet {
    fetched: Arc<AtomicUsize>,
    _origin: Origin,
    redis: RedisCluster,
    nodes: Vec<Gateway>,
}

fn paths() -> Vec<String> {
    (0..OBJECTS).map(|number| format!("/reports/{number}")).collect()
}

/// Where a hit came from; `None`: it was none.
fn tier(answer: &Response) -> Option<String> {
    let status = answer.header("cache-status").unwrap();
    let detail = status.rsplit_once("detail=").map_or("", |(_, detail)| detail);
    status.contains(";hit").then(|| detail.to_owned())
}

/// As which number it was fetched.
fn number(answer: &Response) -> usize {
    answer.text().rsplit_once(' ').unwrap().1.parse().unwrap()
}

impl Fleet {
    /// All nodes up and linked with Redis. `memory`: what each keeps itself.
    async fn start(memory: &str) -> Self {
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&fetched);
        let origin = Origin::start(move |_| {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            Answer::ok(format!("{:1000} fetched as number {number}", "report"))
                .header("Cache-Control", "max-age=3600")
                .header("Surrogate-Key", "reports")
        })
        .await;
        let redis = RedisCluster::start_with_replicas().await;
        let cache = format!(
            "{{ memory: {{ capacity: {memory} }}, redis: {{ cluster: {:?}, timeout: 200ms, \
             connect_timeout: 500ms, breaker: {{ failures: 3, open: 200ms }} }} }}",
            redis.urls()
        );
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let node = Gateway::new().set("origin", &origin).process("cache", &cache).traffic(TRAFFIC);
            nodes.push(node.start().await);
        }
        for node in &nodes {
            wait_linked(node).await;
        }
        Self { fetched, _origin: origin, redis, nodes }
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    async fn get(&self, node: usize, path: &str) -> Response {
        let answer = self.nodes[node].client().get(path).host(HOST).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Fetches every object through the first node, until Redis has it.
    async fn fill(&self) {
        for path in paths() {
            wait_until("an object in Redis", async || {
                tier(&self.get(0, &path).await).as_deref() == Some("redis")
            })
            .await;
        }
    }

    /// Bytes that all servers of Redis sent since the last time this was asked.
    async fn traffic_of_redis(&self) -> usize {
        let mut sum = 0;
        for server in &self.redis.nodes {
            let info: String = server.run(&["INFO", "stats"]).await;
            let sent = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
            sum += sent.unwrap().parse::<usize>().unwrap();
            server.run::<String>(&["CONFIG", "RESETSTAT"]).await;
        }
        sum
    }

    /// Keeps all nodes busy with all objects.
    fn load(&self) -> Load {
        let nodes = self.nodes.iter().map(Gateway::address).collect();
        Load::spread(nodes, HOST, &paths(), CONNECTIONS * NODES)
    }
}

/// Waits until a node hears of what is void.
async fn wait_linked(node: &Gateway) {
    wait_until("the node to be among those of Redis", async || {
        let stats = node.admin("/cache/stats").await.json();
        stats["data"]["tiers"]["redis"]["current"] == true
    })
    .await;
}

fn tell(story: &str, tally: &Tally) {
    eprintln!(
        "{story}: {} answered, lost {:?}, p99 {:?}, slowest {:?}",
        tally.ok, tally.failed, tally.p99, tally.slowest
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_fetched_all_nodes_have() {
    let fleet = Fleet::start("0B").await;
    fleet.fill().await;
    let fetched = fleet.fetched();
    fleet.traffic_of_redis().await;
    for node in 0..NODES {
        for path in paths() {
            assert_eq!(tier(&fleet.get(node, &path).await).as_deref(), Some("redis"), "{node} {path}");
        }
    }
    assert_eq!(fleet.fetched(), fetched, "nothing was fetched twice");
    let (bytes, hits) = (fleet.traffic_of_redis().await, NODES * OBJECTS);
    eprintln!(
        "shared: {OBJECTS} objects, {fetched} fetched, {hits} hits, {} bytes of Redis each",
        bytes / hits
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_at_one_node_reaches_all_memories() {
    let fleet = Fleet::start("16MiB").await;
    for node in 0..NODES {
        for path in paths() {
            wait_until("an object in memory", async || {
                tier(&fleet.get(node, &path).await).as_deref() == Some("memory")
            })
            .await;
        }
    }
    let began = Instant::now();
    let admin = fleet.nodes[1].admin_address().to_string();
    let purged = crate::commands::nilegate(&["purge", "--tag", "reports", "--admin", &admin]);
    assert!(purged.status.success(), "{purged:?}");
    let told = began.elapsed();
    let fetched = fleet.fetched();
    for node in 0..NODES {
        wait_until("the purge to reach the node", async || {
            number(&fleet.get(node, "/reports/0").await) > fetched
        })
        .await;
    }
    eprintln!("purge: answered after {told:?}, in force on {NODES} nodes after {:?}", began.elapsed());
    for path in paths() {
        for node in 0..NODES {
            assert!(number(&fleet.get(node, &path).await) > fetched, "{path} of node {node} is an old one");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_costs_no_request() {
    let mut fleet = Fleet::start("16MiB").await;
    let load = fleet.load();
    load.wait_for_more(500).await;
    for node in &mut fleet.nodes {
        node.upgrade().await;
        load.wait_for_more(500).await;
    }
    let tally = load.stop().await;
    tell("rolling upgrade", &tally);
    tally.assert_none_lost();
    assert!(fleet.fetched() <= OBJECTS * NODES, "the new processes have what is in Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_master_of_redis_costs_no_request() {
    let mut fleet = Fleet::start("0B").await;
    fleet.fill().await;
    let load = fleet.load();
    load.wait_for_more(500).await;
    let began = Instant::now();
    fleet.redis.nodes[0].kill();
    fleet.redis.wait_replaced(0).await;
    let replaced = began.elapsed();
    // Every node has all objects from Redis again, those of the lost master too.
    for node in 0..NODES {
        for path in paths() {
            wait_until("a hit from the new master", async || {
                tier(&fleet.get(node, &path).await).as_deref() == Some("redis")
            })
            .await;
        }
    }
    eprintln!("master lost: replaced after {replaced:?}, all hits again after {:?}", began.elapsed());
    let tally = load.stop().await;
    tell("master lost", &tally);
    tally.assert_none_lost();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_node_costs_what_it_had_in_hand() {
    let mut fleet = Fleet::start("16MiB").await;
    let load = fleet.load();
    load.wait_for_more(500).await;
    fleet.nodes[0].signal("KILL");
    fleet.nodes[0].wait_exit().await;
    load.wait_for_more(500).await;
    let fetched = fleet.fetched();
    fleet.nodes[0].restart().await;
    wait_linked(&fleet.nodes[0]).await;
    load.wait_for_more(500).await;
    let tally = load.stop().await;
    tell("node lost", &tally);
    let lost: u64 = tally.failed.values().sum();
    assert!(lost <= (CONNECTIONS * NODES) as u64, "one for each connection at most: {:?}", tally.failed);
    assert!(tally.failed.keys().all(|reason| !reason.starts_with("status")), "{:?}", tally.failed);
    for path in paths() {
        fleet.get(0, &path).await;
    }
    assert_eq!(fleet.fetched(), fetched, "the node that came back has what is in Redis");
}
