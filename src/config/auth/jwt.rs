//! `jwt:` — where tokens and keys come from, and what a token must say.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{Name, OneOrMany, Period, Secret};

/// Signed tokens. A token must say when it expires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// What signatures are checked with.
    pub keys: KeysConfig,
    /// The algorithms accepted. Leave out: those that fit the keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<AlgorithmConfig>,
    /// Who may have issued a token (`iss`). Leave out: anybody with the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<OneOrMany<String>>,
    /// For whom a token may be (`aud`): one of these. Leave out: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<OneOrMany<String>>,
    /// How far clocks may differ, for `exp` and `nbf`.
    #[serde(default = "default_leeway")]
    pub leeway: Period,
    /// Where a request carries its token.
    #[serde(default)]
    pub from: TokenSource,
    /// Where the usual facts stand in a token.
    #[serde(default)]
    pub claims: ClaimPathsConfig,
}

fn default_leeway() -> Period {
    Period::secs(30)
}

/// What tells a key written into the configuration from the path of a file.
pub const PEM_MARK: &str = "-----BEGIN ";

/// What signatures are checked with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeysConfig {
    /// A shared secret, for HS256, HS384 and HS512.
    Secret(Secret),
    /// A public key (PEM): the text itself, or the path of a file.
    Pem(String),
    /// A file with a set of public keys (RFC 7517). It is watched.
    JwksFile(PathBuf),
    /// A set of public keys that an upstream serves.
    Jwks(JwksConfig),
}

/// A set of public keys that an upstream serves (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    /// The upstream.
    pub upstream: Name,
    /// The path there.
    pub path: String,
    /// The `Host` sent. Default: the address of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Time between two fetches.
    #[serde(default = "default_refresh")]
    pub refresh: Period,
    /// Least time between two fetches that tokens of unknown keys cause.
    #[serde(default = "default_cooldown")]
    pub cooldown: Period,
    /// Longest time a fetch may take.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
}

fn default_refresh() -> Period {
    Period::secs(600)
}

fn default_cooldown() -> Period {
    Period::secs(5)
}

fn default_timeout() -> Period {
    Period::secs(5)
}

/// A signature algorithm (RFC 7518 section 3.1). There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say all there is to say")]
pub enum AlgorithmConfig {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl AlgorithmConfig {
    /// Whether a shared secret goes with it rather than a public key.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// Where a request carries its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// A field; in `Authorization` behind `Bearer`, in any other by itself.
    Header(String),
    /// A cookie.
    Cookie(String),
}

impl Default for TokenSource {
    fn default() -> Self {
        Self::Header("Authorization".to_owned())
    }
}

/// Where the usual facts stand in a token. A dot leads into an object: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimPathsConfig {
    /// Who it is.
    pub subject: String,
    /// What the token is good for: a list, or a text with spaces.
    pub scopes: String,
    /// What the bearer is: a list, or a text with spaces.
    pub roles: String,
}

impl Default for ClaimPathsConfig {
    fn default() -> Self {
        Self { subject: "sub".to_owned(), scopes: "scope".to_owned(), roles: "roles".to_owned() }
    }
}
