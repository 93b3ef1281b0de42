//! TLS towards clients (listeners) and towards backends (upstreams).

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS on a listener: the certificates it may present and whom it demands one from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTlsConfig {
    /// The certificates. The server name of the client's hello chooses among
    /// their subject alternative names; the first one answers when none fits.
    #[schemars(length(min = 1))]
    pub certificates: Vec<CertificateConfig>,
    /// The lowest protocol version accepted.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Demands or accepts a certificate of the client (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuthConfig>,
}

/// A certificate chain and its private key, both PEM files.
///
/// The files are watched: a changed pair is loaded without a restart, a broken
/// one is refused and the old one stays in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246) and later.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446) only.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Mutual TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientAuthConfig {
    /// The authorities that may have signed a client's certificate (PEM).
    pub ca: PathBuf,
    /// Whether a client without a certificate is refused.
    #[serde(default)]
    pub mode: ClientAuthMode,
}

/// What happens to a client that presents no certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMode {
    /// The handshake fails.
    #[default]
    Required,
    /// The client is let in; a certificate that is presented must be valid.
    Optional,
}

/// TLS towards the backends of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTlsConfig {
    /// The name sent in the handshake and checked in the certificate.
    /// Default: the host name of the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The authorities trusted (PEM). Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The certificate presented to the backend (mutual TLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<CertificateConfig>,
    /// Whether the backend's certificate is checked. Turn it off only in tests.
    pub verify: bool,
}

impl Default for UpstreamTlsConfig {
    fn default() -> Self {
        Self { sni: None, ca: None, client_certificate: None, verify: true }
    }
}
