//! A certificate chain and its key, from PEM files to something rustls can present.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    InconsistentKeys,
    crypto::ring::default_provider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use crate::config::{finding::Problem, tls::CertificateConfig};

/// The largest PEM file read, in bytes: a bundle of every public authority is a quarter of it.
const MAX_FILE: u64 = 1024 * 1024;

/// A certificate that can be presented.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// DNS names of the subject alternative names, in lower case; `*.example.com` for wildcards.
    pub(super) names: Vec<String>,
    /// The end of its validity, in seconds since 1970.
    pub(super) not_after: i64,
}

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{path}` has no {wanted}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// A file has the right kind of section, but not what belongs in it.
    #[error("`{path}` is broken: {reason}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key are not a pair.
    #[error("the key `{key}` does not belong to the certificate `{certificate}`")]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

impl CertificateError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path and that the process may read the file",
            Self::Missing { .. } => {
                "the file must be PEM: `-----BEGIN CERTIFICATE-----`, or an unencrypted `-----BEGIN PRIVATE KEY-----`"
            }
            Self::Broken { .. } => "write the file again from its source",
            Self::Mismatch { .. } => "the first certificate of the chain must be the one issued for this key",
        }
    }

    /// The same as a problem of a configuration, at a path.
    pub(super) fn problem(&self, path: impl Into<String>) -> Problem {
        Problem::new(path, self.to_string()).hint(self.hint())
    }

    /// The file to blame.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. } | Self::Missing { path, .. } | Self::Broken { path, .. } => path,
            Self::Mismatch { key, .. } => key,
        }
    }
}

/// Loads a chain and its key, and checks that they belong together.
///
/// Validity dates are not checked: an expired certificate is the client's to refuse, and
/// a gateway that does not start serves nobody.
pub(super) fn load(config: &CertificateConfig) -> Result<Certificate, CertificateError> {
    let chain = load_certificates(&config.certificate)?;
    let key = load_key(&config.key)?;
    let (names, not_after) = describe(&chain[0], &config.certificate)?;
    let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { certificate: config.certificate.clone(), key: config.key.clone() }
        }
        error => CertificateError::Broken { path: config.key.clone(), reason: error.to_string() },
    })?;
    Ok(Certificate { key: Arc::new(key), names, not_after })
}

/// Loads the certificates of a PEM file, at least one.
pub(super) fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates.map_err(|error| broken(path, &error))? {
        certificates if certificates.is_empty() => {
            Err(CertificateError::Missing { path: path.to_owned(), wanted: "certificate" })
        }
        certificates => Ok(certificates),
    }
}

fn load_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            CertificateError::Missing { path: path.to_owned(), wanted: "private key that can be used" }
        }
        error => broken(path, &error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read.map_err(failed)? as u64 {
        0..=MAX_FILE => Ok(bytes),
        _ => Err(failed(io::Error::other("larger than 1 MiB"))),
    }
}

fn broken(path: &Path, error: &impl ToString) -> CertificateError {
    CertificateError::Broken { path: path.to_owned(), reason: error.to_string() }
}

/// The names and the end of validity of a certificate.
fn describe(leaf: &CertificateDer<'_>, path: &Path) -> Result<(Vec<String>, i64), CertificateError> {
    let (_, parsed) =
        x509_parser::certificate::X509Certificate::from_der(leaf).map_err(|error| broken(path, &error))?;
    let alternatives = parsed.subject_alternative_name().map_err(|error| broken(path, &error))?;
    let names = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    Ok((names, parsed.validity().not_after.timestamp()))
}
