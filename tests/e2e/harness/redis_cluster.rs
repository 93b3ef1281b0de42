//! A real Redis Cluster of the story's own.

use super::{
    ports::Port,
    redis::{RedisOptions, RedisServer},
    wait::{wait_for, wait_until},
};

/// How many masters share the slots.
const MASTERS: usize = 3;

/// Three masters that share the slots, and their replicas.
pub struct RedisCluster {
    /// The masters, and behind them a replica of each, if there are replicas.
    pub nodes: Vec<RedisServer>,
    _bus_ports: Vec<Port>,
}

impl RedisCluster {
    /// A cluster of masters that is ready.
    pub async fn start() -> Self {
        Self::of(MASTERS).await
    }

    /// The same with a replica of each master, which takes its place when it dies.
    pub async fn start_with_replicas() -> Self {
        let cluster = Self::of(2 * MASTERS).await;
        for (master, replica) in cluster.nodes.iter().zip(&cluster.nodes[MASTERS..]) {
            let id: String = master.run(&["CLUSTER", "MYID"]).await;
            replica.run::<String>(&["CLUSTER", "REPLICATE", &id]).await;
        }
        for replica in &cluster.nodes[MASTERS..] {
            wait_until("a replica to have what its master has", async || {
                let info: String = replica.run(&["INFO", "replication"]).await;
                info.contains("role:slave") && info.contains("master_link_status:up")
            })
            .await;
        }
        cluster
    }

    async fn of(count: usize) -> Self {
        let (mut nodes, mut bus_ports) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let bus = Port::free();
            let options = RedisOptions::default()
                .with("cluster-enabled", "yes")
                .with("cluster-port", &bus.address().port().to_string())
                .with("cluster-node-timeout", "2000");
            nodes.push(RedisServer::start_with(options).await);
            bus_ports.push(bus);
        }
        for (index, node) in nodes.iter().take(MASTERS).enumerate() {
            let (first, last) = (index * 16_384 / MASTERS, (index + 1) * 16_384 / MASTERS - 1);
            let range = [&first.to_string(), &last.to_string()];
            node.run::<String>(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]).await;
        }
        for (node, bus) in nodes.iter().zip(&bus_ports) {
            let (port, bus) = (node.port().to_string(), bus.address().port().to_string());
            nodes[0].run::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        let cluster = Self { nodes, _bus_ports: bus_ports };
        cluster.wait_whole().await;
        cluster
    }

    /// Waits until every node finds that all is well.
    pub async fn wait_whole(&self) {
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        for node in &self.nodes {
            wait_until("the cluster to be whole", async || {
                let info: String = node.run(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok") && info.contains(&known)
            })
            .await;
        }
    }

    /// Waits until the replica of a master that has died is in its place.
    pub async fn wait_replaced(&self, master: usize) {
        let replica = &self.nodes[MASTERS + master];
        wait_for("the replica to take over", async || {
            let info: String = replica.run(&["CLUSTER", "INFO"]).await;
            let role: String = replica.run(&["INFO", "replication"]).await;
            (info.contains("cluster_state:ok") && role.contains("role:master")).then_some(())
        })
        .await;
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}
