//! What is swapped whole on reload: upstreams and routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    headers::{ForwardingConfig, HeadersConfig, SecurityHeadersConfig},
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
    /// Which requests go where.
    pub routes: Vec<RouteConfig>,
    /// What is believed of peers, and what the gateway says of itself.
    pub forwarding: ForwardingConfig,
    /// Changes to header fields on every route, before the route's own.
    pub headers: HeadersConfig,
    /// Protective response fields on every route. Leave out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_headers: Option<SecurityHeadersConfig>,
}
