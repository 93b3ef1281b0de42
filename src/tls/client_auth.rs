//! Mutual TLS: whose certificates a listener accepts from clients.

use std::sync::Arc;

use rustls::{
    RootCertStore,
    crypto::ring::default_provider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::certificates::load_certificates;
use crate::config::{
    finding::Problem,
    tls::{ClientAuthConfig, ClientAuthMode},
};

/// Builds the verifier of client certificates. The file of authorities is read once: a change
/// of whom to trust needs a restart.
pub(super) fn verifier(config: &ClientAuthConfig) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let certificates = load_certificates(&config.ca).map_err(|error| error.problem("ca"))?;
    let unusable = |error: &dyn std::fmt::Display| {
        Problem::new("ca", format!("`{}` cannot be used: {error}", config.ca.display()))
            .hint("the file must hold certificates of authorities, in PEM")
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let builder = match config.mode {
        ClientAuthMode::Required => builder,
        ClientAuthMode::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| unusable(&error))
}
