//! A gateway with everything that can be configured, and what stands around it.

mod configuration;
mod services;

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use tokio_rustls::rustls::ClientConfig;

use self::{
    configuration::{LISTENERS, SCHEMA, TRAFFIC},
    services::{service, tunnels},
};
use crate::harness::{
    Answer, Collector, Gateway, Origin,
    h2_origin::{H2Answer, H2Origin},
    ports::Port,
    redis::RedisServer,
    tls::Authority,
    tokens::{Signer, key_set},
};

/// The services, and the ports of the gateway.
pub struct Stage {
    pub steady: Origin,
    second: Origin,
    failing: Origin,
    slow: Origin,
    issuer: Origin,
    grpc: H2Origin,
    sealed: Option<H2Origin>,
    tunnels: SocketAddr,
    nobody: Port,
    nowhere: Port,
    pub redis: RedisServer,
    pub collector: Collector,
    pub signer: Signer,
    pub authority: Authority,
    /// Ports of the listeners beside the first.
    pub secure: Port,
    pub balanced: Port,
    pub narrow: Port,
    /// A client that takes up its sessions again.
    pub browser: Arc<ClientConfig>,
    pub old_browser: Arc<ClientConfig>,
}

impl Stage {
    /// Everything but the gateway.
    pub async fn set() -> Self {
        let signer = Signer::es256().named("one");
        let keys = key_set(&[&signer]);
        let authority = Authority::new();
        let (browser, old_browser) = (authority.client(None, &["http/1.1"]), authority.old_client());
        Self {
            steady: service().await,
            second: service().await,
            failing: Origin::start(|_| Answer::status(503)).await,
            slow: Origin::start(|_| Answer::ok("slow at last").drip(1, Duration::from_millis(20))).await,
            issuer: Origin::start(move |_| Answer::ok(&keys)).await,
            grpc: H2Origin::start(|_| {
                H2Answer::ok(&["\0\0\0\0\0"])
                    .header("content-type", "application/grpc")
                    .trailer("grpc-status", "0")
            })
            .await,
            sealed: None,
            tunnels: tunnels().await,
            nobody: Port::free(),
            nowhere: Port::free(),
            redis: RedisServer::start().await,
            collector: Collector::http().await,
            signer,
            authority,
            secure: Port::free(),
            balanced: Port::free(),
            narrow: Port::free(),
            browser,
            old_browser,
        }
    }

    /// The gateway before it.
    pub async fn gateway(&mut self) -> Gateway {
        let builder = Gateway::new();
        let directory = builder.directory().to_owned();
        self.authority.leaf(&["a.test"]).write(&directory, "a");
        self.authority.write(&directory);
        fs::write(directory.join("schema.graphql"), SCHEMA).unwrap();
        let leaf = self.authority.leaf(&["sealed.test"]);
        self.sealed = Some(H2Origin::start_tls(leaf.server(None, &["h2"]), |_| H2Answer::ok(&["x"])).await);
        let sealed = self.sealed.as_ref().unwrap().address();
        let telemetry = format!(
            "{{ log: {{ format: text, level: info }}, access_log: {{ format: json, sample: 0.5 }}, \
               explain: {{ secret: '{SECRET}' }}, \
               tracing: {{ trust: always, sampling: {{ ratio: 1, parent_limit: 1 }}, export: {{ {} }} }} }}",
            self.collector.export()
        );
        builder
            .process("listeners", LISTENERS)
            .process("telemetry", &telemetry)
            .process(
                "cache",
                "{ memory: { capacity: 256KiB, max_object: 64KiB }, redis: { url: '@redis@' } }",
            )
            .process("rate_limits", "{ keys: 16 }")
            .process("limits", "{ idle_timeout: 2s, header_timeout: 1s }")
            .set("redis", self.redis.url())
            .set("secure", &self.secure)
            .set("balanced", &self.balanced)
            .set("narrow", &self.narrow)
            .set("steady", &self.steady)
            .set("second", &self.second)
            .set("failing", &self.failing)
            .set("slow", &self.slow)
            .set("issuer", &self.issuer)
            .set("named", format!("localhost:{}", self.steady.address().port()))
            .set("calls", self.grpc.address())
            .set("sealed", sealed)
            .set("tunnels", self.tunnels)
            .set("nobody", &self.nobody)
            .set("nowhere", &self.nowhere)
            .traffic(TRAFFIC)
            .start()
            .await
    }
}

/// What wishes to explain a request are signed with.
pub const SECRET: &str = "a secret of the tests, long enough for all";
