//! TLS towards the backends: the files read, and checked the way a connection
//! would use them.

use std::{fmt, fs, path::Path, sync::Arc};

use pingora_core::{
    protocols::tls::CaType,
    utils::tls::{CertKey, WrappedX509, parse_x509},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::hash::fnv1a;
use crate::config::{
    finding::Problem,
    tls::{CertificateConfig, UpstreamTlsConfig},
};

/// The compiled `tls:` section of an upstream.
#[derive(Clone)]
pub(super) struct UpstreamTls {
    pub(super) sni: Option<Arc<str>>,
    pub(super) ca: Option<Arc<CaType>>,
    pub(super) client: Option<Arc<CertKey>>,
    pub(super) verify: bool,
    /// Of everything above: connections are not shared between different ones.
    pub(super) fingerprint: u64,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("sni", &self.sni)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

impl UpstreamTls {
    /// Reads the files. Everything Pingora would panic or fail on when it
    /// connects is a problem here.
    pub(super) fn load(config: &UpstreamTlsConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let sni = config.sni.as_deref();
        if let Some(name) = sni.filter(|name| ServerName::try_from(*name).is_err()) {
            problems.push(Problem::new("sni", format!("`{name}` is not a server name")));
        }
        let mut keep = |problem| problems.push(problem);
        let ca = config.ca.as_deref().and_then(|path| authorities(path).map_err(&mut keep).ok());
        let client = config.client_certificate.as_ref();
        let client = client.and_then(|pair| client_pair(pair).map_err(&mut keep).ok());
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut seen = Vec::from([u8::from(config.verify)]);
        for der in ca.iter().flatten().chain(client.iter().flat_map(|(chain, _)| chain)) {
            seen.extend_from_slice(&(der.len() as u64).to_be_bytes());
            seen.extend_from_slice(der);
        }
        if let Some((_, key)) = &client {
            seen.extend_from_slice(key.secret_der());
        }
        Ok(Self {
            sni: sni.map(Into::into),
            ca: ca.map(|ders| ders.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect()),
            client: client.map(|(chain, key)| {
                let chain = chain.iter().map(|der| der.to_vec()).collect();
                Arc::new(CertKey::new(chain, key.secret_der().to_vec()))
            }),
            verify: config.verify,
            fingerprint: fnv1a(&seen),
        })
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let bad = |why: String| Problem::new("ca", format!("`{}`: {why}", path.display()));
    let certificates = certificates(path).map_err(bad)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|e| bad(format!("not a certificate authority: {e}")))?;
    }
    Ok(certificates)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_pair(config: &CertificateConfig) -> Result<Pair, Problem> {
    let at = |key: &str, path: &Path, why: String| {
        Problem::new(format!("client_certificate.{key}"), format!("`{}`: {why}", path.display()))
    };
    let chain =
        certificates(&config.certificate).map_err(|why| at("certificate", &config.certificate, why))?;
    let bad_key = |why: String| at("key", &config.key, why);
    let pem = fs::read(&config.key).map_err(|e| bad_key(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| bad_key("no private key (PKCS#8, PKCS#1 or SEC1, as PEM) in it".into()))?;
    // Pingora guesses the kind of key from its bytes and panics if it cannot.
    if PrivateKeyDer::try_from(key.secret_der()).is_err() {
        return Err(bad_key("a private key of an unknown kind".into()));
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad_key(e.to_string()))?
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain.clone(), key.clone_key())
        .map_err(|e| bad_key(format!("does not go with the certificate: {e}")))?;
    Ok((chain, key))
}

/// The certificates of a PEM file, at least one, each of which parses.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|e| e.to_string())?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate (PEM) in it".into());
    }
    match certificates.iter().find_map(|der| X509Certificate::from_der(der).err()) {
        Some(error) => Err(format!("not an X.509 certificate: {error}")),
        None => Ok(certificates),
    }
}

#[cfg(test)]
mod tests;
