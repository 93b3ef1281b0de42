use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn authority() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["ca.test".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn paths(config: &UpstreamTlsConfig) -> Vec<String> {
    UpstreamTls::load(config).unwrap_err().into_iter().map(|p| p.path).collect()
}

#[test]
fn good_files_load_and_a_change_changes_the_fingerprint() {
    let files = Files::new();
    let (certificate, key) = authority();
    let config = UpstreamTlsConfig {
        sni: Some("shop.example".into()),
        ca: Some(files.put("ca.pem", &certificate)),
        client_certificate: Some(CertificateConfig {
            certificate: files.put("client.pem", &certificate),
            key: files.put("client.key", &key),
        }),
        verify: true,
    };
    let tls = UpstreamTls::load(&config).unwrap();
    assert_eq!(tls.ca.as_ref().map(|ca| ca.len()), Some(1));
    assert!(tls.client.is_some());
    assert_eq!(UpstreamTls::load(&config).unwrap().fingerprint, tls.fingerprint);
    files.put("ca.pem", &authority().0);
    assert_ne!(UpstreamTls::load(&config).unwrap().fingerprint, tls.fingerprint);
    let lax = UpstreamTlsConfig { verify: false, ..config.clone() };
    assert_ne!(UpstreamTls::load(&lax).unwrap().fingerprint, UpstreamTls::load(&config).unwrap().fingerprint);
}

#[test]
fn every_bad_file_is_a_problem_of_its_own() {
    let files = Files::new();
    let (certificate, _) = authority();
    let (_, other_key) = authority();
    let config = UpstreamTlsConfig {
        sni: Some("not a name".into()),
        ca: Some(files.dir.path().join("absent.pem")),
        client_certificate: Some(CertificateConfig {
            certificate: files.put("client.pem", &certificate),
            key: files.put("client.key", &other_key),
        }),
        verify: true,
    };
    assert_eq!(paths(&config), ["sni", "ca", "client_certificate.key"]);
    let empty = files.put("empty.pem", "");
    let junk = files.put("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for bad in [empty, junk] {
        assert_eq!(paths(&UpstreamTlsConfig { ca: Some(bad), ..UpstreamTlsConfig::default() }), ["ca"]);
    }
}
