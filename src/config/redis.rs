//! Where a Redis is, and when it is left alone.

use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    finding::Problem,
    values::{Period, Secret},
};

/// A Redis. Exactly one of `url`, `cluster` and `sentinel` says where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisServerConfig {
    /// One server: `redis://host:port/database`, or `rediss://` for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Nodes of a cluster to begin with, as URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<Secret>,
    /// Sentinels that name the master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelConfig>,
    /// The user (ACL). Instead of one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. Instead of one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The database. Instead of one in the URL; a cluster has only 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<u16>,
    /// Trust for `rediss://`.
    pub tls: RedisTlsConfig,
    /// Put before every key, followed by `:`.
    pub prefix: String,
    /// Longest time for connecting, which no request waits for.
    pub connect_timeout: Period,
    /// When Redis is left alone for a while.
    pub breaker: RedisBreakerConfig,
}

impl Default for RedisServerConfig {
    fn default() -> Self {
        Self {
            url: None,
            cluster: Vec::new(),
            sentinel: None,
            username: None,
            password: None,
            database: None,
            tls: RedisTlsConfig::default(),
            prefix: DEFAULT_PREFIX.to_owned(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            breaker: RedisBreakerConfig::default(),
        }
    }
}

/// Put before every key, unless the file says otherwise.
pub const DEFAULT_PREFIX: &str = "nilegate";
/// Longest time for connecting, unless the file says otherwise.
pub const DEFAULT_CONNECT_TIMEOUT: Period = Period::secs(2);

/// Sentinels that name the master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentinelConfig {
    /// Their URLs.
    #[schemars(length(min = 1))]
    pub nodes: Vec<Secret>,
    /// The name they know the master by.
    pub master: String,
    /// Whether the master speaks TLS.
    #[serde(default)]
    pub tls: bool,
}

/// Trust for `rediss://`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisTlsConfig {
    /// Certificate authorities (PEM) instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// When Redis is left alone for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisBreakerConfig {
    /// Failures in a row that open it.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// Time until one lookup tries again.
    pub open: Period,
}

impl Default for RedisBreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open: Period::secs(1) }
    }
}

impl RedisServerConfig {
    /// All that is wrong, with paths from this section. No secret is ever part of a problem.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.place_problems();
        for (path, period) in [("connect_timeout", self.connect_timeout), ("breaker.open", self.breaker.open)]
        {
            if period == Period::default() {
                problems.push(Problem::new(path, "must be longer than zero"));
            }
        }
        problems
    }

    /// What is wrong with the addresses and the prefix.
    pub fn place_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_place(&mut problems);
        let tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(tag) {
            let message = "must be 1 to 64 letters, digits, `-`, `_`, `.` or `:`";
            problems.push(Problem::new("prefix", message));
        }
        problems
    }

    fn check_place(&self, problems: &mut Vec<Problem>) {
        let places = [self.url.is_some(), !self.cluster.is_empty(), self.sentinel.is_some()];
        if places.iter().filter(|&&given| given).count() != 1 {
            let message = "needs exactly one of `url`, `cluster` and `sentinel`";
            problems.push(Problem::new("", message).hint("for one server: `url: redis://host:6379`"));
        }
        let mut url = |path: String, url: &Secret| match parse(url) {
            Ok(info) => Some(info),
            Err(message) => {
                let hint = "write `redis://host:6379` or `rediss://host:6379`";
                problems.push(Problem::new(path, message).hint(hint).about_secret());
                None
            }
        };
        if let Some(text) = &self.url {
            url("url".to_owned(), text);
        }
        let nodes = self.cluster.iter().enumerate();
        let nodes: Vec<_> = nodes.filter_map(|(n, text)| url(format!("cluster[{n}]"), text)).collect();
        let sentinels = self.sentinel.iter().flat_map(|sentinel| sentinel.nodes.iter().enumerate());
        let sentinels: Vec<_> =
            sentinels.filter_map(|(n, text)| url(format!("sentinel.nodes[{n}]"), text)).collect();
        for (key, infos) in [("cluster", &nodes), ("sentinel.nodes", &sentinels)] {
            if infos.iter().any(|info| matches!(info.addr(), ConnectionAddr::Unix(_))) {
                let message = "needs addresses of the network, not of a socket file";
                problems.push(Problem::new(key, message).about_secret());
            }
        }
        if nodes.iter().any(|info| info.redis_settings().db() != 0)
            || (!self.cluster.is_empty() && self.database.is_some_and(|database| database != 0))
        {
            problems.push(Problem::new("cluster", "a cluster has only the database 0").about_secret());
        }
        let alike = |info: &ConnectionInfo| {
            let settings = info.redis_settings();
            let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
            (settings.username().map(str::to_owned), settings.password().map(str::to_owned), tls)
        };
        if nodes.windows(2).any(|pair| alike(&pair[0]) != alike(&pair[1])) {
            let message = "all nodes need the same scheme, user and password";
            problems.push(Problem::new("cluster", message).about_secret());
        }
        if let Some(sentinel) = &self.sentinel {
            if sentinel.nodes.is_empty() {
                problems.push(Problem::new("sentinel.nodes", "needs at least one sentinel"));
            }
            if sentinel.master.is_empty() {
                problems.push(Problem::new("sentinel.master", "needs the name of the master"));
            }
        }
    }
}

fn parse(url: &Secret) -> Result<ConnectionInfo, &'static str> {
    let info = url.expose().into_connection_info().map_err(|_| "is not the URL of a Redis server")?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            Err("`#insecure` is not offered: name the authority in `tls.ca`")
        }
        _ => Ok(info),
    }
}
