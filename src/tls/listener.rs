//! From a listener's `tls:` section to Pingora's settings.

use std::sync::Arc;

use pingora_core::{listeners::tls::TlsSettings, protocols::ALPN};

use super::{client_auth, resolver::CertificateStore};
use crate::config::{finding::Problem, tls::ListenerTlsConfig};

/// Builds the TLS settings of a listener, and the store by which its certificates are reloaded.
///
/// `http2` says whether HTTP/2 is offered beside HTTP/1.1. Clients that agree on neither are
/// refused (RFC 7301 section 3.2).
///
/// # Errors
/// Every file that cannot be used.
pub fn settings(
    config: &ListenerTlsConfig,
    http2: bool,
) -> Result<(TlsSettings, Arc<CertificateStore>), Vec<Problem>> {
    let store = CertificateStore::load(config).map(Arc::new);
    let verifier = config.client_auth.as_ref().map(client_auth::verifier).transpose();
    let (store, verifier) = match (store, verifier) {
        (Ok(store), Ok(verifier)) => (store, verifier),
        (store, verifier) => {
            let mut problems = store.err().unwrap_or_default();
            problems.extend(verifier.err().map(|problem| problem.within("client_auth")));
            return Err(problems);
        }
    };
    // The paths stay empty: with a resolver they are not read. This constructor needs no
    // callbacks, which rustls would run after every handshake for nothing.
    let mut settings = TlsSettings::intermediate("", "")
        .map_err(|error| vec![Problem::new("", format!("TLS cannot be set up: {error}"))])?;
    settings.set_cert_resolver(Arc::clone(&store) as _);
    if let Some(verifier) = verifier {
        settings.set_client_cert_verifier(verifier);
    }
    settings.set_alpn(if http2 { ALPN::H2H1 } else { ALPN::H1 });
    Ok((settings, store))
}
