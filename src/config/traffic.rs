//! What is swapped whole on reload: upstreams and routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api_version::ApiVersionsConfig,
    auth::AuthConfig,
    graphql::GraphqlConfig,
    headers::{ForwardingConfig, HeadersConfig, SecurityHeadersConfig},
    mapping::MappingConfig,
    rate_limit::RateLimitConfig,
    route::RouteConfig,
    upstream::UpstreamConfig,
    values::Name,
};

/// The `traffic:` section. A reload replaces all of it at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrafficConfig {
    /// Groups of backends, by name.
    pub upstreams: BTreeMap<Name, UpstreamConfig>,
    /// Limits that routes name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rate_limits: BTreeMap<Name, RateLimitConfig>,
    /// Ways of proving who one is.
    #[serde(skip_serializing_if = "AuthConfig::is_empty")]
    pub auth: AuthConfig,
    /// Which requests go where.
    pub routes: Vec<RouteConfig>,
    /// The versions of the API. Leave out: requests have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_versions: Option<ApiVersionsConfig>,
    /// How JSON bodies of one API version become those of its neighbour, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<Name, MappingConfig>,
    /// One schema over the services behind routes. Leave out: no route answers GraphQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphqlConfig>,
    /// What becomes of paths that different servers read differently.
    #[serde(skip_serializing_if = "PathsConfig::is_default")]
    pub paths: PathsConfig,
    /// What is believed of peers, and what the gateway says of itself.
    pub forwarding: ForwardingConfig,
    /// Changes to header fields on every route, before the route's own.
    pub headers: HeadersConfig,
    /// Protective response fields on every route. Leave out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_headers: Option<SecurityHeadersConfig>,
}

/// The `traffic.paths:` section. By default such paths are refused with 400
/// `suspicious_path`; what is changed here is changed for routing and for backends alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PathsConfig {
    /// Whether `//` is read as one slash.
    pub merge_slashes: bool,
    /// Whether dot segments are removed (RFC 3986 section 5.2.4), percent-encoded
    /// ones too. A path that leads above its root is refused all the same.
    pub normalize: bool,
    /// What becomes of slashes and backslashes in encoded form: `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
}

impl PathsConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of `%2F` and `%5C` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscapedSlashes {
    /// The request is refused.
    #[default]
    Reject,
    /// They stay as they are, a part of their segment. Only safe with backends
    /// that do the same.
    Keep,
}
