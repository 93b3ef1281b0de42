//! What is fixed until restart: sockets, threads, limits of the connection, shutdown.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cache::{CacheStoreConfig, RedisConfig},
    graphql::GraphqlListenerConfig,
    rate_limit::RateLimitsConfig,
    redis::RedisServerConfig,
    telemetry::TelemetryConfig,
    tls::ListenerTlsConfig,
    trace::TrustConfig,
    values::{ByteSize, Name, Period, Secret},
};

/// The `process:` section. A change here needs a restart or an upgrade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Where clients connect.
    #[schemars(length(min = 1))]
    pub listeners: Vec<ListenerConfig>,
    /// The admin port: probes, metrics, reload. Leave out: no admin port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminConfig>,
    /// A listener that serves GraphQL and nothing else. Leave out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphqlListenerConfig>,
    /// Worker threads of the proxy. Default: one a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u16>,
    /// Limits on what a client may send before routing.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Draining and handing over.
    #[serde(default)]
    pub shutdown: ShutdownConfig,
    /// How changes of the configuration file are noticed.
    #[serde(default)]
    pub reload: ReloadConfig,
    /// Idle connections to backends, kept for reuse, over all upstreams.
    #[serde(default = "default_upstream_pool")]
    #[schemars(range(min = 1))]
    pub upstream_pool: usize,
    /// Where responses are kept.
    #[serde(default)]
    pub cache: CacheStoreConfig,
    /// What all rate limits share.
    #[serde(default)]
    pub rate_limits: RateLimitsConfig,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

impl ProcessConfig {
    /// All listeners: those that are listed, then GraphQL's own.
    pub fn all_listeners(&self) -> Vec<ListenerConfig> {
        let own = self.graphql.as_ref().map(|graphql| ListenerConfig {
            name: "graphql".parse().ok(),
            address: graphql.address,
            tls: None,
            http2: true,
            proxy_protocol: None,
            max_connections: default_max_connections(),
            trace_trust: None,
        });
        self.listeners.iter().cloned().chain(own).collect()
    }

    /// Where the buckets of shared limits are.
    pub fn limits_redis(&self) -> Option<RedisServerConfig> {
        let own = self.rate_limits.redis.clone();
        own.or_else(|| self.cache.redis.as_ref().map(RedisConfig::server))
    }
}

fn default_upstream_pool() -> usize {
    1024
}

/// One address clients connect to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// The name used in metrics and logs. Default: `listener-<port>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Address and port, such as `0.0.0.0:8080` or `[::]:8443`.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Serves TLS on this address. Leave out: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTlsConfig>,
    /// Whether HTTP/2 is offered: by ALPN on TLS, by prior knowledge (h2c) on plain text.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Reads the client's address from a PROXY protocol header (version 1 or 2)
    /// that every connection from these peers must start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocolConfig>,
    /// Connections open at once on this listener, TLS handshakes under way included;
    /// further ones are closed at once.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// Whose trace context is continued on this listener, instead of `telemetry.tracing.trust`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_trust: Option<TrustConfig>,
}

impl ListenerConfig {
    /// The name of the listener, given or derived from its port.
    pub fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("listener-{}", self.address.port()), Name::to_string)
    }
}

fn yes() -> bool {
    true
}

fn default_max_connections() -> usize {
    20_000
}

/// PROXY protocol on a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyProtocolConfig {
    /// The load balancers that send the header. A connection from any other
    /// address is refused.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<IpNet>,
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port. Without a token, keep it on loopback or behind a network policy.
    #[serde(default = "default_admin_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The bearer token for everything but probes and metrics. Leave out: nothing is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

fn default_admin_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9900))
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { address: default_admin_address(), token: None }
    }
}

/// Limits on the client's side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Header fields of a request, at most 256.
    #[schemars(range(min = 1, max = 256))]
    pub headers: usize,
    /// Bytes of a request's head: request line and fields together.
    pub header_bytes: ByteSize,
    /// Bytes of the request target.
    pub uri_bytes: ByteSize,
    /// Bytes of a request's body, unless the route says otherwise.
    pub body: ByteSize,
    /// Time from the first byte of a request's head to its last, and from the beginning
    /// of a connection to the end of its PROXY protocol header and TLS handshake.
    pub header_timeout: Period,
    /// Time a kept-alive connection may wait for its next request.
    pub idle_timeout: Period,
    /// Time a client may take between two pieces of its body.
    pub body_timeout: Period,
    /// Time a client may take to accept a piece of the response.
    pub write_timeout: Period,
    /// Requests on one HTTP/1.1 connection before it is closed.
    #[schemars(range(min = 1))]
    pub requests_per_connection: u32,
    /// Streams open at once on one HTTP/2 connection.
    #[schemars(range(min = 1))]
    pub http2_streams: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            headers: 100,
            header_bytes: ByteSize::kib(64),
            uri_bytes: ByteSize::kib(8),
            body: ByteSize::mib(1024),
            header_timeout: Period::secs(10),
            idle_timeout: Period::secs(75),
            body_timeout: Period::secs(60),
            write_timeout: Period::secs(60),
            requests_per_connection: 1_000_000,
            http2_streams: 128,
        }
    }
}

/// How the process ends or hands over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// Longest time that requests in flight may take to finish after SIGTERM.
    /// The process exits as soon as the last one has. At most 29 s, so that
    /// Kubernetes' default of 30 s is kept.
    pub drain_timeout: Period,
    /// Time after SIGTERM in which new connections are still accepted while
    /// `/readyz` already says no, so that load balancers notice in time.
    pub delay: Period,
    /// The socket through which a new process (`nilegate run --upgrade`) takes over the
    /// listeners when the old one gets SIGQUIT. Without a new process that listens there
    /// SIGQUIT does nothing.
    pub upgrade_socket: PathBuf,
    /// Where the process id is written. Leave out: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<PathBuf>,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self {
            drain_timeout: Period::secs(20),
            delay: Period::secs(0),
            upgrade_socket: PathBuf::from("/tmp/nilegate-upgrade.sock"),
            pid_file: None,
        }
    }
}

/// How the running process learns of a changed configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReloadConfig {
    /// Whether the files are watched. SIGHUP and `POST /reload` work either way.
    pub watch: bool,
    /// Time between two looks at the files.
    pub interval: Period,
}

impl Default for ReloadConfig {
    fn default() -> Self {
        Self { watch: true, interval: Period::secs(1) }
    }
}
