//! The certificates of a listener: chosen by server name, replaced while connections come in.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use ahash::AHashMap;
use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    certificates::{self, Certificate, CertificateError},
    resumption, tls13_only,
};
use crate::config::{
    finding::Problem,
    tls::{CertificateConfig, ListenerTlsConfig, TlsVersion},
};

/// The certificates of one listener.
///
/// Handshakes read the current set without a lock; [`reload`](Self::reload) replaces it whole.
#[derive(Debug)]
pub struct CertificateStore {
    sources: Vec<CertificateConfig>,
    min_version: TlsVersion,
    current: ArcSwap<CertificateSet>,
    /// What the files looked like when they were last read; held through a reload.
    seen: Mutex<Vec<Stamp>>,
}

/// What became of a reload.
#[derive(Debug, Default)]
pub struct ReloadReport {
    /// Chains that are new, by their files.
    pub replaced: Vec<PathBuf>,
    /// Files that could not be used; what they replace stays in use.
    pub refused: Vec<CertificateError>,
}

/// What is to be known of a certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The file of the chain.
    pub path: PathBuf,
    /// The DNS names it is valid for.
    pub names: Vec<String>,
    /// The end of its validity, in seconds since 1970.
    pub not_after: i64,
}

impl CertificateStore {
    /// Loads every certificate of a listener.
    ///
    /// # Errors
    /// One problem for each certificate that cannot be used.
    pub fn load(config: &ListenerTlsConfig) -> Result<Self, Vec<Problem>> {
        let sources = config.certificates.clone();
        if sources.is_empty() {
            let problem = Problem::new("certificates", "no certificate is given");
            return Err(vec![problem.hint("give at least one `certificate` with its `key`")]);
        }
        // Looked at before they are read, so that no change in between is missed.
        let seen = stamps(&sources);
        let mut loaded = Vec::with_capacity(sources.len());
        let mut problems = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match certificates::load(source) {
                Ok(certificate) => loaded.push(Arc::new(certificate)),
                Err(error) => {
                    let file = if error.path() == source.key { "key" } else { "certificate" };
                    problems.push(error.problem(format!("certificates[{index}].{file}")));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let current = ArcSwap::from_pointee(CertificateSet::new(loaded, config.min_version));
        Ok(Self { sources, min_version: config.min_version, current, seen: Mutex::new(seen) })
    }

    /// Whether a file looks different from when it was last read. Reads no content.
    pub fn changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != stamps(&self.sources)
    }

    /// Reads the files again and uses what is sound; blocks on the disk.
    ///
    /// A pair that is broken, or written by half, stays as it was, and is tried again
    /// when its files change once more.
    pub fn reload(&self) -> ReloadReport {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = stamps(&self.sources);
        let current = self.current.load_full();
        let mut report = ReloadReport::default();
        let mut certificates = Vec::with_capacity(self.sources.len());
        for (source, old) in self.sources.iter().zip(&current.certificates) {
            let certificate = match certificates::load(source) {
                // The key belongs to the chain, so an equal chain means an equal pair.
                Ok(new) if new.key.cert == old.key.cert => Arc::clone(old),
                Ok(new) => {
                    report.replaced.push(source.certificate.clone());
                    Arc::new(new)
                }
                Err(error) => {
                    report.refused.push(error);
                    Arc::clone(old)
                }
            };
            certificates.push(certificate);
        }
        if !report.replaced.is_empty() {
            self.current.store(Arc::new(CertificateSet::new(certificates, self.min_version)));
        }
        report
    }

    /// The certificates in use, in the order of the configuration.
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        let current = self.current.load();
        let describe = |(source, certificate): (&CertificateConfig, &Arc<Certificate>)| CertificateInfo {
            path: source.certificate.clone(),
            names: certificate.names.clone(),
            not_after: certificate.not_after,
        };
        self.sources.iter().zip(&current.certificates).map(describe).collect()
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.min_version == TlsVersion::V1_3 && !tls13_only::offers_tls13(hello.cipher_suites()) {
            return None;
        }
        let current = self.current.load();
        let candidates = current.candidates(hello.server_name());
        // The same name may have an ECDSA and an RSA certificate.
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(usable).or(candidates.first()).cloned()
    }
}

/// Certificates and the names they answer to.
#[derive(Debug)]
struct CertificateSet {
    certificates: Vec<Arc<Certificate>>,
    /// By whole name.
    exact: AHashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`.
    wildcard: AHashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// The first certificate, for a name nobody knows or none at all.
    default: [Arc<CertifiedKey>; 1],
}

impl CertificateSet {
    /// Indexes certificates, of which there is at least one.
    fn new(certificates: Vec<Arc<Certificate>>, min_version: TlsVersion) -> Self {
        let present = |certificate: &Certificate| {
            let noticed = resumption::noticed(&certificate.key);
            Arc::new(match min_version {
                TlsVersion::V1_2 => noticed,
                TlsVersion::V1_3 => tls13_only::guard(&noticed),
            })
        };
        let default = [present(&certificates[0])];
        let mut set =
            Self { exact: AHashMap::new(), wildcard: AHashMap::new(), default, certificates: Vec::new() };
        for certificate in &certificates {
            let key = present(certificate);
            for name in &certificate.names {
                let (index, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut set.wildcard, parent),
                    None => (&mut set.exact, name.as_str()),
                };
                index.entry(name.into()).or_default().push(Arc::clone(&key));
            }
        }
        Self { certificates, ..set }
    }

    /// The certificates for a server name, which rustls gives in lower case.
    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let by_name = name.and_then(|name| {
            let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(name).or_else(parent)
        });
        by_name.map_or(&self.default[..], Vec::as_slice)
    }
}

/// How a file looks from outside; `None` if it cannot be looked at.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamps(sources: &[CertificateConfig]) -> Vec<Stamp> {
    sources.iter().flat_map(|source| [stamp(&source.certificate), stamp(&source.key)]).collect()
}

/// Follows symbolic links, so a Kubernetes secret that is swapped as a directory is noticed.
fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
