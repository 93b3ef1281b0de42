//! Rules on header fields, forwarded identity and the fields that name the gateway.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Period;

/// Changes to the header fields of a request and its response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// What the backend gets to see.
    #[serde(skip_serializing_if = "HeaderRulesConfig::is_empty")]
    pub request: HeaderRulesConfig,
    /// What the client gets to see.
    #[serde(skip_serializing_if = "HeaderRulesConfig::is_empty")]
    pub response: HeaderRulesConfig,
}

/// Fields to remove, then to set, then to append, in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderRulesConfig {
    /// Fields that are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that get exactly this value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields that get this value beside those they have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub append: BTreeMap<String, String>,
}

impl HeaderRulesConfig {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }
}

/// The `traffic.forwarding:` section: what is believed of peers, and what the gateway says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardingConfig {
    /// Peers whose `Forwarded`, `X-Forwarded-*` and `X-Request-Id` fields are
    /// believed and extended. Fields of anyone else are replaced.
    #[schemars(with = "Vec<String>")]
    pub trusted_peers: Vec<IpNet>,
    /// Whether `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` are sent to backends.
    pub x_forwarded: bool,
    /// Whether `Forwarded` (RFC 7239) is sent to backends.
    pub forwarded: bool,
    /// The field that carries the request id, both ways.
    pub request_id_header: String,
    /// Whether `Via` (RFC 9110 section 7.6.3) is added, both ways.
    pub via: bool,
    /// What becomes of the `Server` field of responses.
    pub server: ServerHeader,
}

impl Default for ForwardingConfig {
    fn default() -> Self {
        Self {
            trusted_peers: Vec::new(),
            x_forwarded: true,
            forwarded: false,
            request_id_header: "X-Request-Id".to_owned(),
            via: false,
            server: ServerHeader::Keep,
        }
    }
}

/// The policy for the `Server` field of responses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerHeader {
    /// The backend's value is left as it is.
    #[default]
    Keep,
    /// The field is removed.
    Remove,
    /// The field reads `nilegate`.
    Nilegate,
}

/// Response fields that browsers understand as protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityHeadersConfig {
    /// `Strict-Transport-Security: max-age=…`, on responses sent over TLS. `0` leaves it out.
    pub hsts: Period,
    /// Adds `includeSubDomains` to it.
    pub hsts_subdomains: bool,
    /// `X-Content-Type-Options: nosniff`.
    pub no_sniff: bool,
    /// `X-Frame-Options`. Empty leaves it out.
    pub frame_options: String,
    /// `Referrer-Policy`. Empty leaves it out.
    pub referrer_policy: String,
    /// `Content-Security-Policy`. Empty leaves it out.
    pub content_security_policy: String,
}

impl Default for SecurityHeadersConfig {
    fn default() -> Self {
        Self {
            hsts: Period::secs(365 * 24 * 3600),
            hsts_subdomains: false,
            no_sniff: true,
            frame_options: "DENY".to_owned(),
            referrer_policy: "no-referrer".to_owned(),
            content_security_policy: String::new(),
        }
    }
}
