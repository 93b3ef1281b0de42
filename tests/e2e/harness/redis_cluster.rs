//! A real Redis Cluster of the story's own.

use super::{
    ports::Port,
    redis::{RedisOptions, RedisServer},
    wait::wait_until,
};

/// Three masters that share the slots.
pub struct RedisCluster {
    /// The masters.
    pub nodes: Vec<RedisServer>,
    _bus_ports: Vec<Port>,
}

impl RedisCluster {
    /// A cluster that is ready.
    pub async fn start() -> Self {
        let (mut nodes, mut bus_ports) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let bus = Port::free();
            let options = RedisOptions::default()
                .with("cluster-enabled", "yes")
                .with("cluster-port", &bus.address().port().to_string())
                .with("cluster-node-timeout", "2000");
            nodes.push(RedisServer::start_with(options).await);
            bus_ports.push(bus);
        }
        for (index, node) in nodes.iter().enumerate() {
            let (first, last) = (index * 16_384 / 3, (index + 1) * 16_384 / 3 - 1);
            let range = [&first.to_string(), &last.to_string()];
            node.run::<String>(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]).await;
            let (port, bus) = (node.port().to_string(), bus_ports[index].address().port().to_string());
            nodes[0].run::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        let cluster = Self { nodes, _bus_ports: bus_ports };
        cluster.wait_whole().await;
        cluster
    }

    /// Waits until every node finds that all is well.
    pub async fn wait_whole(&self) {
        for node in &self.nodes {
            wait_until("the cluster to be whole", async || {
                let info: String = node.run(&["CLUSTER", "INFO"]).await;
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}
