//! `traffic.routes[].cache:` — what is kept, for how long, and for whom.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::{
    route::ConditionConfig,
    values::{ByteSize, OneOrMany, Period},
};

/// What a route keeps. `cache: {}` is RFC 9111 with safe defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Freshness lifetime where the response states none, by status: `200`, `4xx` or
    /// `default`; 401, 403 and 407 only by their own number. With `ignore` it counts instead
    /// of what the response states.
    #[schemars(with = "BTreeMap<String, Period>")]
    pub ttl: BTreeMap<TtlKey, Period>,
    /// Fields of the response that count as absent.
    pub ignore: Vec<IgnoredField>,
    /// Whether `Last-Modified` gives a lifetime where nothing else does (RFC 9111 section 4.2.2).
    pub heuristic: bool,
    /// Longest freshness lifetime, whoever states it.
    pub max_ttl: Period,
    /// How long a stale response may be served while it is refreshed in the background,
    /// where the response does not say.
    pub stale_while_revalidate: Period,
    /// How long a stale response may be served when the upstream fails, where the response
    /// does not say.
    pub stale_if_error: Period,
    /// Longest of both windows, whoever states them.
    pub max_stale: Period,
    /// What makes two requests different.
    pub key: CacheKeyConfig,
    /// Keeps one copy for each value of this: `header:X-Tenant`, `cookie:session`, or what the
    /// route's `auth` has verified: `claim:tenant`, `roles`. Requests without it are not served from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionConfig>,
    /// Says that responses are the same for everybody, credentials or not.
    pub shared: bool,
    /// Requests that neither look into the cache nor fill it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass: Option<BypassConfig>,
    /// What becomes of responses that set a cookie.
    pub set_cookie: SetCookie,
    /// Whether `Cache-Control` of requests counts.
    pub request_directives: RequestDirectives,
    /// Tags of every response of this route; `{name}` inserts what the path captured.
    pub tags: Vec<String>,
    /// Bytes of the largest body kept, instead of the tiers' limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_object: Option<ByteSize>,
    /// Whether one fetch serves all requests that wait for the same response.
    pub coalesce: bool,
    /// Longest time a request waits for the fetch of another.
    pub coalesce_wait: Period,
    /// Compresses responses, once, and keeps them in each encoding. Leave out: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<CompressionConfig>,
    /// Whether `Cache-Status` (RFC 9211) is sent.
    pub cache_status: bool,
    /// Whether `X-Cache: HIT`, `MISS`, `STALE` or `BYPASS` is sent.
    pub x_cache: bool,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: BTreeMap::new(),
            ignore: Vec::new(),
            heuristic: true,
            max_ttl: Period::secs(365 * 86_400),
            stale_while_revalidate: Period::secs(0),
            stale_if_error: Period::secs(60),
            max_stale: Period::secs(7 * 86_400),
            key: CacheKeyConfig::default(),
            partition: None,
            shared: false,
            bypass: None,
            set_cookie: SetCookie::default(),
            request_directives: RequestDirectives::default(),
            tags: Vec::new(),
            max_object: None,
            coalesce: true,
            coalesce_wait: Period::secs(10),
            compress: None,
            cache_status: true,
            x_cache: false,
        }
    }
}

/// The responses a lifetime is for. Ordered from the most to the least precise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TtlKey {
    /// One status code.
    Status(u16),
    /// A hundred of them: `4` is `4xx`.
    Class(u8),
    /// All that nothing else names.
    Default,
}

impl FromStr for TtlKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        match (text, class, text.parse()) {
            ("default", ..) => Ok(Self::Default),
            (_, Some(class @ 2..=5), _) => Ok(Self::Class(class)),
            (_, _, Ok(status @ 200..=599)) if status != 206 && status != 304 => Ok(Self::Status(status)),
            _ => Err(format!("`{text}` is not a status such as `200` or `4xx`, nor `default`")),
        }
    }
}

impl fmt::Display for TtlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for TtlKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TtlKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A field of the response that counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredField {
    /// `Cache-Control`, with its `no-store` and `private`.
    CacheControl,
    /// `CDN-Cache-Control` (RFC 9213).
    CdnCacheControl,
    /// `Surrogate-Control` (W3C Edge Architecture); then clients get it.
    SurrogateControl,
    /// `Expires`.
    Expires,
    /// `Vary`: the first client's choice is everybody's.
    Vary,
}

/// What makes two requests different, beyond method and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheKeyConfig {
    /// Whether the host counts.
    pub host: bool,
    /// Whether `HEAD` is kept apart from `GET`.
    pub method: bool,
    /// Which query parameters count, and in what order.
    pub query: QueryKeyConfig,
    /// Request fields that count.
    pub headers: Vec<String>,
    /// Cookies that count.
    pub cookies: Vec<String>,
}

impl Default for CacheKeyConfig {
    fn default() -> Self {
        Self {
            host: true,
            method: false,
            query: QueryKeyConfig::default(),
            headers: Vec::new(),
            cookies: Vec::new(),
        }
    }
}

/// Which query parameters count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryKeyConfig {
    /// Only these. An empty list: none. Leave out: all. `utm_*` names all that begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// All but these. Not together with `allow`.
    pub ignore: Vec<String>,
    /// Whether their order does not count.
    pub sort: bool,
}

/// Where the value comes from that separates users: `header:Name`, `cookie:name`,
/// `claim:name` or `roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionConfig {
    /// A request field.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A claim of whoever the route's `auth` finds to call.
    Claim(String),
    /// All roles of whoever it is.
    Roles,
}

impl FromStr for PartitionConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            Some(("claim", name)) if !name.is_empty() => Ok(Self::Claim(name.to_owned())),
            None if text == "roles" => Ok(Self::Roles),
            _ => Err(format!(
                "`{text}` is not a partition; write `header:X-Tenant`, `cookie:session`, `claim:tenant` or `roles`"
            )),
        }
    }
}

impl fmt::Display for PartitionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Roles => f.write_str("roles"),
        }
    }
}

impl Serialize for PartitionConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PartitionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for PartitionConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Partition".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^((header|cookie|claim):.+|roles)$",
            "description": "`header:Name`, `cookie:name`, `claim:name` or `roles`",
        })
    }
}

/// Requests that leave the cache alone. One condition that holds is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BypassConfig {
    /// Conditions on request fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, ConditionConfig>,
    /// Conditions on cookies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cookies: BTreeMap<String, ConditionConfig>,
    /// Conditions on query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, ConditionConfig>,
}

/// What becomes of responses that set a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SetCookie {
    /// They are not stored.
    #[default]
    Refuse,
    /// They are stored without the cookie.
    Strip,
    /// They are stored with it, so that later clients get it too (what RFC 9111 allows).
    Store,
}

/// Whether `Cache-Control` of requests counts (RFC 9111 section 5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestDirectives {
    /// It does not: no client can make the gateway ask the upstream.
    #[default]
    Ignore,
    /// `no-cache`, `no-store`, `max-age`, `min-fresh`, `max-stale` and `only-if-cached` are obeyed.
    Obey,
}

/// Compression for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionConfig {
    /// The encodings offered, the preferred first.
    pub encodings: Vec<Encoding>,
    /// Only bodies larger than this.
    pub above: ByteSize,
    /// Media types that are compressed; `text/*` names a whole type.
    pub types: OneOrMany<String>,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        let types = ["application/json", "application/*+json", "application/javascript", "application/xml"];
        let types = types.into_iter().chain(["application/*+xml", "image/svg+xml", "text/*"]);
        Self {
            encodings: vec![Encoding::Zstd, Encoding::Br, Encoding::Gzip],
            above: ByteSize::kib(1),
            types: OneOrMany::Many(types.map(str::to_owned).collect()),
        }
    }
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Gzip (RFC 1952).
    Gzip,
}
