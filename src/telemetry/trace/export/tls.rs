//! TLS towards the collector.

use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::config::{finding::Problem, trace::ExportTlsConfig};

/// The files of the `tls:` section, as PEM, and as they are used over HTTP.
pub struct Tls {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    client: ClientConfig,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first problem, with a path below the export section.
    pub fn load(config: &ExportTlsConfig) -> Result<Self, Problem> {
        let mut roots = RootCertStore::empty();
        let ca = match config.ca.as_deref() {
            Some(path) => {
                let pem = read("ca", path)?;
                add(&mut roots, &pem).map_err(|why| bad("ca", path, &why))?;
                Some(pem)
            }
            None => {
                pingora_core::tls::load_platform_certs_incl_env_into_store(&mut roots)
                    .map_err(|error| Problem::new("tls", format!("the system's authorities: {error}")))?;
                None
            }
        };
        let identity = config.client_certificate.as_ref().map(|pair| {
            let certificate = read("client_certificate.certificate", &pair.certificate)?;
            Ok((certificate, read("client_certificate.key", &pair.key)?))
        });
        let identity: Option<(Vec<u8>, Vec<u8>)> = identity.transpose()?;
        let client = client(roots, identity.as_ref());
        let client = client.map_err(|why| Problem::new("tls.client_certificate", why))?;
        Ok(Self { ca, identity, client })
    }

    /// For an endpoint without TLS: the client wants to be told all the same.
    ///
    /// # Errors
    /// Why there is none.
    pub fn none() -> Result<Self, Problem> {
        let client = client(RootCertStore::empty(), None).map_err(|why| Problem::new("tls", why))?;
        Ok(Self { ca: None, identity: None, client })
    }

    /// What a client of HTTP is told.
    pub fn http(&self) -> ClientConfig {
        self.client.clone()
    }

    /// What a client of gRPC is told.
    pub fn grpc(&self) -> ClientTlsConfig {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_enabled_roots(),
        };
        match &self.identity {
            Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
            None => tls,
        }
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| bad(key, path, &error.to_string()))
}

fn bad(key: &str, path: &Path, why: &str) -> Problem {
    Problem::new(format!("tls.{key}"), format!("`{}`: {why}", path.display()))
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate (PEM) in it".to_owned());
    }
    certificates.into_iter().try_for_each(|it| roots.add(it)).map_err(|error| error.to_string())
}

fn client(roots: RootCertStore, identity: Option<&(Vec<u8>, Vec<u8>)>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}
