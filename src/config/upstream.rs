//! A named group of backends: who they are, how one is chosen, and when it is left alone.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    tls::UpstreamTlsConfig,
    values::{ByteSize, Period},
};

/// One entry of `traffic.upstreams:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The backends, as `host:port` or with a weight.
    #[schemars(length(min = 1))]
    pub backends: Vec<BackendConfig>,
    /// How a backend is chosen.
    #[serde(default)]
    pub balance: BalanceConfig,
    /// The protocol spoken to the backends.
    #[serde(default)]
    pub protocol: UpstreamProtocol,
    /// TLS to the backends. Leave out: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTlsConfig>,
    /// Limits on time. A route may override them.
    #[serde(default)]
    pub timeouts: TimeoutsConfig,
    /// Repeating a failed attempt.
    #[serde(default)]
    pub retry: RetryConfig,
    /// Probes sent to each backend. Leave out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// Leaving a backend alone that fails real requests.
    #[serde(default)]
    pub ejection: EjectionConfig,
    /// Refusing requests while the whole upstream fails. Leave out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreakerConfig>,
    /// Requests served at once. Leave out: as many as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyConfig>,
    /// How backends named by DNS are looked up.
    #[serde(default)]
    pub dns: DnsConfig,
    /// Kept-alive connections.
    #[serde(default)]
    pub keepalive: KeepaliveConfig,
    /// Whether `/readyz` says no while this upstream has no healthy backend.
    #[serde(default)]
    pub required: bool,
}

/// One backend: an address or a host name with a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BackendConfig {
    /// `host:port`, weight 1.
    Address(String),
    /// With a weight.
    Weighted(WeightedBackend),
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for BackendConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = BackendConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text such as `host:port`, or a map with `address` and `weight`")
            }
            fn visit_str<E: de::Error>(self, address: &str) -> Result<Self::Value, E> {
                Ok(BackendConfig::Address(address.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                WeightedBackend::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(BackendConfig::Weighted)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A backend and its share of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedBackend {
    /// `host:port`.
    pub address: String,
    /// Its share relative to the others'.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u16,
}

fn one() -> u16 {
    1
}

impl BackendConfig {
    /// The path of its address, where it is the entry of `backends` with this index.
    pub fn path(&self, index: usize) -> String {
        match self {
            Self::Address(_) => format!("backends[{index}]"),
            Self::Weighted(_) => format!("backends[{index}].address"),
        }
    }

    /// `host:port` as written.
    pub fn address(&self) -> &str {
        match self {
            Self::Address(address) => address,
            Self::Weighted(backend) => &backend.address,
        }
    }

    /// The share of requests relative to the others'.
    pub fn weight(&self) -> u16 {
        match self {
            Self::Address(_) => 1,
            Self::Weighted(backend) => backend.weight,
        }
    }
}

/// How a backend is chosen among the healthy ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceConfig {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// At random, by weight.
    Random,
    /// The fewest requests in flight for its weight.
    LeastRequests,
    /// The lower of two chosen at random, by latency (peak EWMA) times requests in flight.
    PeakEwma,
    /// The same backend for the same value, with few moves when backends change (ketama).
    ConsistentHash(HashOn),
}

/// The value that `consistent_hash` hashes. A request without it is spread at random.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// The client's address.
    ClientAddress,
    /// The path of the request.
    Path,
    /// A request header field.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// The protocol spoken to the backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 only: ALPN on TLS, prior knowledge on plain text. gRPC needs it.
    Http2,
    /// HTTP/2 when the backend offers it by ALPN, else HTTP/1.1. Needs TLS.
    Auto,
}

/// Limits on the time of one attempt and of the whole request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsConfig {
    /// To establish a connection, TLS included. Default 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Period>,
    /// From the end of the request to the first byte of the response. Default: that of
    /// `read`, or 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Period>,
    /// For the next piece of the response, from the moment at which the client has taken
    /// the one before. Default: that of `first_byte`, or 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Period>,
    /// To hand over a piece of the request. Default 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Period>,
    /// For the whole request with all its attempts. A tunnel is no part of it. Default:
    /// no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Period>,
    /// How long a tunnel (WebSocket) may be silent in both directions. Also the longest
    /// that an HTTP/2 backend is waited for while a request's body is still coming. Default 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Period>,
}

/// Repeating a failed attempt on another backend.
///
/// Only idempotent methods (RFC 9110 section 9.2.2) and requests that carry an
/// `Idempotency-Key` are repeated, and never after the first byte of a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Attempts in all; 1 turns retries off.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u8,
    /// Which failures are worth another attempt.
    pub on: Vec<RetryOn>,
    /// Retries allowed, as a share of the requests of the last ten seconds.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub budget: f64,
    /// Retries a second allowed whatever the share says.
    pub min_per_second: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 2, on: vec![RetryOn::Connect, RetryOn::Reset], budget: 0.2, min_per_second: 10 }
    }
}

/// A failure that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// No connection. Nothing was sent, so this repeats every method.
    Connect,
    /// The connection broke, or the answer was not HTTP.
    Reset,
    /// No first byte in time.
    Timeout,
    /// The backend answered 502, 503 or 504.
    GatewayError,
}

/// Probes sent to each backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckConfig {
    /// The path of a GET that must answer 200 to 299. Leave out: a TCP connection is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Host` field of the probe. Default: the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Time between two probes of a backend.
    #[serde(default = "HealthCheckConfig::default_interval")]
    pub interval: Period,
    /// Time a probe may take.
    #[serde(default = "HealthCheckConfig::default_timeout")]
    pub timeout: Period,
    /// Good probes in a row that bring a backend back.
    #[serde(default = "HealthCheckConfig::default_healthy")]
    #[schemars(range(min = 1))]
    pub healthy: u16,
    /// Bad probes in a row that take a backend out.
    #[serde(default = "HealthCheckConfig::default_unhealthy")]
    #[schemars(range(min = 1))]
    pub unhealthy: u16,
}

impl HealthCheckConfig {
    fn default_interval() -> Period {
        Period::secs(5)
    }
    fn default_timeout() -> Period {
        Period::secs(1)
    }
    fn default_healthy() -> u16 {
        2
    }
    fn default_unhealthy() -> u16 {
        3
    }
}

/// Leaving a backend alone that fails real requests (outlier ejection).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EjectionConfig {
    /// Failures in a row (connection, timeout, broken answer, 502 to 504) that
    /// eject a backend; 0 turns ejection off.
    pub consecutive_failures: u32,
    /// Time of the first ejection; it grows with each further one, up to ten times.
    pub period: Period,
    /// Most backends ejected at once, as a share. One is always left.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_share: f64,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self { consecutive_failures: 5, period: Period::secs(10), max_share: 0.5 }
    }
}

/// Refusing requests while the whole upstream fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitBreakerConfig {
    /// Share of failed attempts that opens it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub failure_ratio: f64,
    /// Attempts needed in the window before the share counts.
    #[schemars(range(min = 1))]
    pub min_requests: u32,
    /// The window the share is taken over.
    pub window: Period,
    /// Time it stays open before trial requests are let through (half-open).
    pub open_for: Period,
    /// Trial requests at once while half-open; all must succeed to close it.
    #[schemars(range(min = 1))]
    pub half_open_requests: u32,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_requests: 20,
            window: Period::secs(10),
            open_for: Period::secs(5),
            half_open_requests: 3,
        }
    }
}

/// Requests served at once, and those that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyConfig {
    /// Requests at the backends at once, over all of them.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// Requests that wait at once; further ones are refused.
    #[serde(default)]
    pub queue: u32,
    /// Longest time that one waits.
    #[serde(default = "ConcurrencyConfig::default_queue_timeout")]
    pub queue_timeout: Period,
}

impl ConcurrencyConfig {
    fn default_queue_timeout() -> Period {
        Period::millis(100)
    }
}

/// How backends named by DNS are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsConfig {
    /// Time between two look-ups. The last good answer is kept when one fails.
    pub refresh: Period,
    /// Time a look-up may take.
    pub timeout: Period,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self { refresh: Period::secs(30), timeout: Period::secs(2) }
    }
}

/// Kept-alive connections to the backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveConfig {
    /// Time an idle connection is kept; 0 turns reuse off.
    pub idle_timeout: Period,
    /// Streams at once on one HTTP/2 connection.
    #[schemars(range(min = 1))]
    pub http2_streams: usize,
    /// Time between two HTTP/2 pings. Leave out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2_ping: Option<Period>,
    /// Size of the kernel's receive buffer. Leave out: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_buffer: Option<ByteSize>,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self { idle_timeout: Period::secs(60), http2_streams: 100, http2_ping: None, receive_buffer: None }
    }
}
