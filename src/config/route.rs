//! Which requests a route takes, and what becomes of them.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    api_version::{ServedVersionConfig, VersionName},
    auth::RouteAuthConfig,
    cache::CacheConfig,
    graphql::RouteGraphqlConfig,
    headers::{HeadersConfig, SecurityHeadersConfig},
    rate_limit::RateLimitUse,
    trace::RouteTracingConfig,
    upstream::{RetryConfig, TimeoutsConfig},
    values::{ByteSize, Name, OneOrMany},
};

/// One entry of `traffic.routes:`.
///
/// Exactly one of `upstream`, `split`, `redirect`, `respond`, `serve` and `graphql` says what
/// becomes of a matching request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The name in metrics, logs and traces.
    pub name: Name,
    /// The requests taken. Left out: all.
    #[serde(default, rename = "match")]
    pub matches: MatchConfig,
    /// Sends to one upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Name>,
    /// Spreads over several upstreams by weight (canary).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Vec<SplitConfig>>,
    /// Answers with a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<RedirectConfig>,
    /// Answers with a fixed response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond: Option<RespondConfig>,
    /// Answers with what the gateway knows of itself. Use it with `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serve: Option<ServeConfig>,
    /// Answers GraphQL, by the schema of `traffic.graphql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<RouteGraphqlConfig>,
    /// Who may ask, and what backends learn of them. Leave out: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<RouteAuthConfig>,
    /// Changes to the request target on its way to the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<RewriteConfig>,
    /// Limits on time, before those of the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsConfig>,
    /// Repeating a failed attempt, instead of the upstream's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
    /// Changes to header fields, after those of all routes.
    #[serde(default)]
    pub headers: HeadersConfig,
    /// Protective response fields, instead of those of all routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_headers: Option<SecurityHeadersConfig>,
    /// How each version of the API is served. The paths of `match` are then without the
    /// version: `/api/patients/**` takes `/api/v1/patients/1` too. Leave out: the route has no versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<VersionName, ServedVersionConfig>,
    /// Keeps responses and serves them again. Leave out: nothing is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheConfig>,
    /// Tags whose entries are dropped after a successful unsafe request; `{name}` inserts
    /// what the path captured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_write: Vec<String>,
    /// Limits that a request must keep, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limit: Vec<RateLimitUse>,
    /// Bytes of a request's body, instead of the process's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<ByteSize>,
    /// Sampling and trace formats, instead of those of `process.telemetry.tracing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<RouteTracingConfig>,
}

/// The requests a route takes. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// Host names: exact, or `*.example.com` for every name below it. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<OneOrMany<String>>,
    /// The path: exact `/a`, below a prefix `/a/**`, or with captures
    /// `/a/{id}/b`. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany<String>>,
    /// Methods. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<OneOrMany<String>>,
    /// Conditions on request header fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, ConditionConfig>,
    /// Conditions on query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, ConditionConfig>,
}

/// A condition on one value: the exact text, or one of the tests below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ConditionConfig {
    /// The value is exactly this.
    Exact(String),
    /// The value passes a test.
    Test(ConditionTest),
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for ConditionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = ConditionConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a map with one of `present`, `prefix`, `regex`, `one_of`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ConditionConfig::Exact(text.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let test = ConditionTest::deserialize(de::value::MapAccessDeserializer::new(&mut map))?;
                if map.next_key::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::custom("a condition has exactly one test"));
                }
                Ok(ConditionConfig::Test(test))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A test of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionTest {
    /// The value is there (`true`) or not there (`false`).
    Present(bool),
    /// The value starts with this.
    Prefix(String),
    /// The value matches this regular expression as a whole.
    Regex(String),
    /// The value is one of these.
    OneOf(Vec<String>),
}

/// One part of a weighted split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// The upstream.
    pub upstream: Name,
    /// Its share relative to the others'. 0 sends nothing.
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
}

/// Answers with a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectConfig {
    /// The new location; `{name}` inserts what the path captured, `{path}` the
    /// whole path, `{query}` the query with its `?`, `{host}` the host without
    /// port. Starts with `/`, `https://`, `http://` or `{path}`.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "default_redirect_status")]
    pub status: u16,
}

fn default_redirect_status() -> u16 {
    308
}

/// Answers with a fixed response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RespondConfig {
    /// The status code, 200 to 599.
    #[serde(default = "default_respond_status")]
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// Its media type.
    #[serde(default = "default_content_type")]
    pub content_type: String,
}

/// What the gateway knows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServeConfig {
    /// The statistics of the cache, as JSON.
    CacheStats,
}

fn default_respond_status() -> u16 {
    200
}

fn default_content_type() -> String {
    "text/plain; charset=utf-8".to_owned()
}

/// Changes to the request target on its way to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewriteConfig {
    /// A prefix that is cut off (whole segments only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// A prefix that is put in front, after the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<String>,
    /// A whole new path; `{name}` inserts what the route's path captured, and
    /// `{rest}` what `/**` stands for. Not together with the two above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Host` field sent to the backend. Default: the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}
