//! `api_keys:`, `basic:` and `forward:`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{Name, Period, Secret};

/// Keys given to programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeysConfig {
    /// The field that carries a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The query parameter that carries a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The keys, as hashes.
    #[schemars(length(min = 1))]
    pub keys: Vec<ApiKeyConfig>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// Whose it is: the subject of the identity.
    pub id: String,
    /// `sha256:` and 64 hexadecimal digits, as `printf %s KEY | sha256sum` prints them.
    pub hash: Secret,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What its holder is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Further facts about its holder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

/// Names and passwords (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// What browsers show when they ask. Default: the name of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The users.
    #[schemars(length(min = 1))]
    pub users: Vec<UserConfig>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The name: the subject of the identity.
    pub name: String,
    /// The hash of the password: Argon2 (`$argon2id$…`) or bcrypt (`$2b$…`).
    pub hash: Secret,
    /// What the user may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What the user is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Further facts about the user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

/// A service that is asked who it is. 2xx admits, 401 and 403 refuse, anything else is a
/// failure: 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuthConfig {
    /// The upstream.
    pub upstream: Name,
    /// The path there.
    pub path: String,
    /// The method.
    #[serde(default = "default_method")]
    pub method: String,
    /// The `Host` sent. Default: the address of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The fields of the request that are sent: the credentials. Nothing else of it is, so
    /// that the answer depends on them alone.
    #[serde(default = "default_send")]
    #[schemars(length(min = 1))]
    pub send: Vec<String>,
    /// The fields of the answer that say who it is.
    pub identity: ForwardIdentityConfig,
    /// How long an admission is remembered. `0s`: not at all.
    #[serde(default = "default_cache")]
    pub cache: Period,
    /// Longest time the answer may take.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
}

fn default_method() -> String {
    "GET".to_owned()
}

fn default_send() -> Vec<String> {
    vec!["Authorization".to_owned(), "Cookie".to_owned()]
}

fn default_cache() -> Period {
    Period::secs(0)
}

fn default_timeout() -> Period {
    Period::secs(2)
}

/// The fields of the answer that say who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardIdentityConfig {
    /// Who it is. An admission without it is a failure.
    pub subject: String,
    /// What the caller may do: a list with commas or spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// What the caller is: a list with commas or spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// Further facts, by claim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}
