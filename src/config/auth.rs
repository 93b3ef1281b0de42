//! Identity: the ways of proving who one is, and what a route demands.

mod jwt;
mod provider;
mod rule;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Name;
pub use jwt::{AlgorithmConfig, ClaimPathsConfig, JwksConfig, JwtConfig, KeysConfig, PEM_MARK, TokenSource};
pub use provider::{
    ApiKeyConfig, ApiKeysConfig, BasicConfig, ForwardAuthConfig, ForwardIdentityConfig, UserConfig,
};
pub use rule::{AuthMode, ConditionGroup, ConditionNode, Demand, Fact, RequireConfig, RouteAuthConfig};

/// The `traffic.auth:` section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Ways of proving who one is, by name. Routes choose among them.
    pub providers: BTreeMap<Name, ProviderConfig>,
}

impl AuthConfig {
    pub(super) fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }
}

/// One way of proving who one is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderConfig {
    /// Signed tokens (RFC 7519).
    Jwt(Box<JwtConfig>),
    /// Keys given to programs.
    ApiKeys(ApiKeysConfig),
    /// Names and passwords (RFC 7617).
    Basic(BasicConfig),
    /// A service that is asked.
    Forward(ForwardAuthConfig),
}

impl ProviderConfig {
    /// The upstream it asks, with the path of the key that names it.
    pub fn upstream(&self) -> Option<(&'static str, &Name)> {
        match self {
            Self::Jwt(jwt) => match &jwt.keys {
                KeysConfig::Jwks(jwks) => Some(("jwt.keys.jwks.upstream", &jwks.upstream)),
                _ => None,
            },
            Self::Forward(forward) => Some(("forward.upstream", &forward.upstream)),
            Self::ApiKeys(_) | Self::Basic(_) => None,
        }
    }
}
