//! Traces: whose context is believed, which requests are sampled, where spans go.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    tls::CertificateConfig,
    values::{Period, Secret},
};

/// The `process.telemetry.tracing:` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracingConfig {
    /// Whose trace context is continued, on listeners that do not say so themselves. For
    /// everyone else a new trace begins, with a link to the caller's.
    pub trust: TrustConfig,
    /// The formats understood, the preferred one first: the first that a request holds counts.
    #[schemars(length(min = 1))]
    pub accept: Vec<TraceFormat>,
    /// Formats in which backends are told of the trace beside W3C's, in which they always are.
    pub also_send: Vec<TraceFormat>,
    /// Which requests are sampled.
    pub sampling: SamplingConfig,
    /// What spans tell.
    pub spans: SpansConfig,
    /// Whether trusted callers that send `X-Server-Timing: 1` are answered with `Server-Timing`.
    pub server_timing: bool,
    /// Where spans are sent. Leave out: nowhere; ids are still passed on and logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportConfig>,
}

impl Default for TracingConfig {
    fn default() -> Self {
        Self {
            trust: TrustConfig::Never,
            accept: vec![
                TraceFormat::Tracecontext,
                TraceFormat::B3,
                TraceFormat::B3multi,
                TraceFormat::Jaeger,
            ],
            also_send: Vec::new(),
            sampling: SamplingConfig::default(),
            spans: SpansConfig::default(),
            server_timing: true,
            export: None,
        }
    }
}

/// Whose trace context is continued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustConfig {
    /// Nobody's.
    #[default]
    Never,
    /// Everybody's.
    Always,
    /// That of peers in these networks.
    Networks(Vec<IpNet>),
}

impl JsonSchema for TrustConfig {
    fn schema_name() -> Cow<'static, str> {
        "TrustConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": ["always", "never"] },
                { "type": "array", "items": { "type": "string" } },
            ],
        })
    }
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for TrustConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = TrustConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`always`, `never`, or a list of networks")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "always" => Ok(TrustConfig::Always),
                    "never" => Ok(TrustConfig::Never),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(TrustConfig::Networks)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for TrustConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_str("never"),
            Self::Always => serializer.serialize_str("always"),
            Self::Networks(networks) => networks.serialize(serializer),
        }
    }
}

/// How a trace context is written in header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// W3C: `traceparent`, `tracestate` and `baggage`.
    Tracecontext,
    /// Zipkin's single field `b3`.
    B3,
    /// Zipkin's fields `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`, `X-B3-Flags`.
    B3multi,
    /// Jaeger: `uber-trace-id` and `uberctx-*`.
    Jaeger,
}

/// Which requests are sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// The share of new traces that are sampled, unless the route says otherwise.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: f64,
    /// Whether a trusted caller's decision comes before the ratio.
    pub parent_based: bool,
    /// The most that are sampled in a second because their callers say so; beyond it the ratio
    /// decides.
    pub parent_limit: u32,
    /// Requests whose spans are sent although they were not sampled.
    pub keep: KeepConfig,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { ratio: 0.01, parent_based: true, parent_limit: 1000, keep: KeepConfig::default() }
    }
}

/// Which requests are kept after the fact. Only the gateway's own spans can be: backends were
/// told that the trace is not sampled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepConfig {
    /// Those answered with 5xx, and those that got no answer for want of a backend's.
    pub errors: bool,
    /// Those that took more than one attempt.
    pub retries: bool,
    /// Those that took at least so long. `0`: none.
    pub slower_than: Period,
    /// The most that are kept in a second.
    pub per_second: u32,
}

impl Default for KeepConfig {
    fn default() -> Self {
        Self { errors: true, retries: true, slower_than: Period::secs(1), per_second: 100 }
    }
}

/// What spans tell. The path follows `access_log.path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpansConfig {
    /// Whether the query is told, in `url.query` and `url.full`.
    pub query: bool,
    /// Whether `http.method`, `http.url` and `http.status_code` are told beside the names that
    /// took their place.
    pub legacy_names: bool,
}

/// Where spans are sent, by OTLP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// How OTLP is spoken.
    pub protocol: ExportProtocol,
    /// The collector, such as `http://127.0.0.1:4317`; over HTTP the whole URL, such as
    /// `http://127.0.0.1:4318/v1/traces`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Fields sent with every export, such as a token.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Whether exports are compressed with gzip. Some collectors refuse it.
    pub gzip: bool,
    /// TLS, for an `https` endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ExportTlsConfig>,
    /// Longest time an export may take, its repetitions included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// Spans waiting to be exported. When it is full, spans are dropped and counted.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub queue: usize,
    /// Most spans sent at once.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: usize,
    /// Longest time a span waits for others.
    pub interval: Period,
    /// Longest time that the end of the process waits for the last exports.
    pub flush_timeout: Period,
    /// Attributes of the process, such as `deployment.environment.name`. `service.name` is
    /// `nilegate` by default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resource: BTreeMap<String, String>,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self {
            protocol: ExportProtocol::Grpc,
            endpoint: None,
            headers: BTreeMap::new(),
            gzip: false,
            tls: None,
            timeout: None,
            queue: 65_536,
            batch: 1024,
            interval: Period::millis(500),
            flush_timeout: Period::secs(2),
            resource: BTreeMap::new(),
        }
    }
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportProtocol {
    /// gRPC.
    #[default]
    Grpc,
    /// Protobuf over HTTP: `http/protobuf` in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    #[serde(alias = "http/protobuf")]
    Http,
}

impl ExportProtocol {
    /// Where a collector listens by default.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::Http => "http://localhost:4318/v1/traces",
        }
    }
}

/// TLS towards the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportTlsConfig {
    /// The authorities that may have signed the collector's certificate (PEM). Leave out: those
    /// of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The certificate shown to the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<CertificateConfig>,
}

/// Tracing on one route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteTracingConfig {
    /// The share of new traces that are sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: Option<f64>,
    /// Formats in which backends are told of the trace beside W3C's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also_send: Option<Vec<TraceFormat>>,
    /// Which requests are kept although they were not sampled; what is left out is as for all
    /// routes. How many are is limited over all routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<RouteKeepConfig>,
}

/// Which requests of one route are kept after the fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteKeepConfig {
    /// Those answered with 5xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<bool>,
    /// Those that took more than one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<bool>,
    /// Those that took at least so long. `0`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slower_than: Option<Period>,
}
