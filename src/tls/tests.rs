//! Real handshakes over an in-memory stream, with certificates made on the spot.

use std::{fs, io, path::PathBuf, sync::Arc};

use pingora_core::listeners::tls::Acceptor;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::tls::{
    CertificateConfig, ClientAuthConfig, ClientAuthMode, ListenerTlsConfig, TlsVersion,
};

/// A private authority and a directory for what it issues.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// A new pair for these names, as PEM.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a new pair to `<file>.crt` and `<file>.key`.
    fn write(&self, file: &str, names: &[&str]) -> CertificateConfig {
        let (certificate, key) = self.issue(names);
        let config = CertificateConfig {
            certificate: self.path(&format!("{file}.crt")),
            key: self.path(&format!("{file}.key")),
        };
        fs::write(&config.certificate, certificate).unwrap();
        fs::write(&config.key, key).unwrap();
        config
    }

    /// A client that trusts this authority.
    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<(String, String)>,
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Client(config)
    }

    fn ordinary_client(&self) -> Client {
        self.client(&[&TLS13, &TLS12], None)
    }
}

struct Client(ClientConfig);

/// What both sides agreed on.
#[derive(Debug)]
struct Agreed {
    leaf: CertificateDer<'static>,
    version: ProtocolVersion,
    alpn: Option<Vec<u8>>,
    client_certificates: usize,
}

impl Client {
    /// Shakes hands and sends a byte, because a client of TLS 1.3 learns of a refusal only then.
    async fn connect(&self, acceptor: &Acceptor, name: &str) -> io::Result<Agreed> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let server = async {
            let mut stream = acceptor.acceptor.accept(far).await?;
            stream.read_u8().await?;
            Ok::<_, io::Error>(stream)
        };
        let client = async {
            let mut stream = connector.connect(name, near).await?;
            stream.write_u8(b'x').await?;
            stream.flush().await?;
            Ok::<_, io::Error>(stream)
        };
        let (server, client) = tokio::join!(server, client);
        // The client knows best why it gave up.
        let (client, server) = (client?, server?);
        let (_, session) = client.get_ref();
        Ok(Agreed {
            leaf: session.peer_certificates().unwrap()[0].clone().into_owned(),
            version: session.protocol_version().unwrap(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            client_certificates: server.get_ref().1.peer_certificates().map_or(0, <[_]>::len),
        })
    }
}

fn listener(certificates: Vec<CertificateConfig>) -> ListenerTlsConfig {
    ListenerTlsConfig { certificates, min_version: TlsVersion::V1_2, client_auth: None }
}

fn build(config: &ListenerTlsConfig) -> (Acceptor, Arc<CertificateStore>) {
    let (settings, store) = settings(config, true).unwrap();
    (settings.build(), store)
}

fn leaf(config: &CertificateConfig) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&config.certificate).unwrap()
}

#[tokio::test]
async fn the_server_name_chooses_the_certificate() {
    let authority = Authority::new();
    let first = authority.write("first", &["first.example", "fallback.example"]);
    let exact = authority.write("exact", &["WWW.clinic.example"]);
    let wildcard = authority.write("wildcard", &["*.clinic.example"]);
    let (acceptor, _) = build(&listener(vec![first.clone(), wildcard.clone(), exact.clone()]));
    for (name, expected) in [
        ("first.example", &first),
        ("www.clinic.example", &exact),
        ("Www.Clinic.Example", &exact),
        ("api.clinic.example", &wildcard),
    ] {
        let agreed = authority.ordinary_client().connect(&acceptor, name).await.unwrap();
        assert_eq!(agreed.leaf, leaf(expected), "{name}");
    }

    // Without a name the first one answers; so it does for a name that nobody knows, which the
    // client then refuses, as it does below the level that a wildcard covers.
    let mut nameless = authority.ordinary_client();
    nameless.0.enable_sni = false;
    let agreed = nameless.connect(&acceptor, "fallback.example").await.unwrap();
    assert_eq!(agreed.leaf, leaf(&first));
    for unknown in ["unknown.example", "a.b.clinic.example", "clinic.example"] {
        let error = authority.ordinary_client().connect(&acceptor, unknown).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}

#[tokio::test]
async fn http2_is_offered_on_request() {
    let authority = Authority::new();
    let config = listener(vec![authority.write("a", &["a.example"])]);
    for (http2, expected) in [(true, &b"h2"[..]), (false, b"http/1.1")] {
        let (settings, _) = settings(&config, http2).unwrap();
        let agreed = authority.ordinary_client().connect(&settings.build(), "a.example").await.unwrap();
        assert_eq!(agreed.alpn.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_changed_pair_is_used_at_once_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let (a, b) = (authority.write("a", &["a.example"]), authority.write("b", &["b.example"]));
    let (acceptor, store) = build(&listener(vec![a.clone(), b.clone()]));
    let client = authority.ordinary_client();
    assert!(!store.changed());
    let report = store.reload();
    assert!(report.replaced.is_empty() && report.refused.is_empty());

    let old = leaf(&a);
    authority.write("a", &["a.example", "new.example"]);
    assert!(store.changed());
    let report = store.reload();
    assert_eq!(report.replaced, std::slice::from_ref(&a.certificate));
    assert!(!store.changed());
    assert_eq!(store.certificates()[0].names, ["a.example", "new.example"]);
    let renewed = client.connect(&acceptor, "new.example").await.unwrap().leaf;
    assert_eq!(renewed, leaf(&a));
    assert_ne!(renewed, old);

    // One file of the pair is written, the other not yet; b changes in the same moment.
    let (_, foreign_key) = authority.issue(&["a.example"]);
    fs::write(&a.key, foreign_key).unwrap();
    authority.write("b", &["b.example"]);
    let report = store.reload();
    assert_eq!(report.replaced, std::slice::from_ref(&b.certificate));
    assert!(matches!(report.refused[..], [CertificateError::Mismatch { .. }]), "{report:?}");
    assert_eq!(client.connect(&acceptor, "new.example").await.unwrap().leaf, renewed);
    assert!(!store.changed(), "a refused file is not tried again until it changes");

    fs::write(&a.certificate, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n")
        .unwrap();
    fs::remove_file(&b.key).unwrap();
    assert!(store.changed());
    let report = store.reload();
    assert!(report.replaced.is_empty());
    let refused: Vec<_> = report.refused.iter().map(CertificateError::path).collect();
    assert_eq!(refused, [a.certificate.as_path(), b.key.as_path()]);
    assert_eq!(client.connect(&acceptor, "new.example").await.unwrap().leaf, renewed);
}

#[test]
fn every_unusable_file_is_reported_at_the_start() {
    let authority = Authority::new();
    let good = authority.write("good", &["good.example"]);
    let foreign = authority.write("foreign", &["foreign.example"]);
    fs::write(authority.path("empty.pem"), "").unwrap();
    let pair = |certificate: &str, key: &str| CertificateConfig {
        certificate: authority.path(certificate),
        key: authority.path(key),
    };
    let mut config = listener(vec![
        good,
        pair("absent.crt", "good.key"),
        pair("good.crt", "empty.pem"),
        pair("empty.pem", "good.key"),
        CertificateConfig { certificate: authority.path("good.crt"), key: foreign.key },
    ]);
    config.client_auth =
        Some(ClientAuthConfig { ca: authority.path("empty.pem"), mode: ClientAuthMode::Required });
    let Err(problems) = settings(&config, true) else { panic!("these files are unusable") };
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "certificates[1].certificate",
        "certificates[2].key",
        "certificates[3].certificate",
        "certificates[4].key",
        "client_auth.ca",
    ];
    assert_eq!(paths, expected);
    assert!(problems.iter().all(|problem| problem.hint.is_some()));
    assert!(CertificateStore::load(&listener(Vec::new())).is_err());
}

#[tokio::test]
async fn clients_present_certificates_as_configured() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut config = listener(vec![authority.write("a", &["a.example"])]);
    let nobody = || authority.ordinary_client();
    let known = || authority.client(&[&TLS13, &TLS12], Some(authority.issue(&["client"])));
    let unknown = || authority.client(&[&TLS13, &TLS12], Some(stranger.issue(&["client"])));
    for (mode, without) in [(ClientAuthMode::Required, false), (ClientAuthMode::Optional, true)] {
        config.client_auth = Some(ClientAuthConfig { ca: authority.path("ca.pem"), mode });
        let (acceptor, _) = build(&config);
        let agreed = known().connect(&acceptor, "a.example").await.unwrap();
        assert_eq!(agreed.client_certificates, 1);
        assert_eq!(nobody().connect(&acceptor, "a.example").await.is_ok(), without, "{mode:?}");
        assert!(unknown().connect(&acceptor, "a.example").await.is_err(), "{mode:?}");
    }
}

#[tokio::test]
async fn versions_below_the_lowest_are_refused() {
    let authority = Authority::new();
    let mut config = listener(vec![authority.write("a", &["a.example"])]);
    let (old, new) = (authority.client(&[&TLS12], None), authority.client(&[&TLS13], None));

    let (acceptor, _) = build(&config);
    let agreed = old.connect(&acceptor, "a.example").await.unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_2);

    config.min_version = TlsVersion::V1_3;
    let (acceptor, store) = build(&config);
    assert!(old.connect(&acceptor, "a.example").await.is_err());
    for client in [new, authority.ordinary_client()] {
        let agreed = client.connect(&acceptor, "a.example").await.unwrap();
        assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
    }

    // A hello may list suites of TLS 1.3 and yet ask for TLS 1.2. The certificate given to it
    // still cannot complete such a handshake: presented by a resolver without the first gate, it fails.
    let guarded = tls13_only::guard(&certificates::load(&config.certificates[0]).unwrap().key);
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(guarded)));
    let acceptor = Acceptor::from_server_config(Arc::new(server));
    let mut old = old;
    old.0.alpn_protocols.clear();
    assert!(old.connect(&acceptor, "a.example").await.is_err());
    let agreed = authority.ordinary_client().connect(&acceptor, "a.example").await.unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
    // A renewed certificate is guarded as well.
    authority.write("a", &["a.example"]);
    assert_eq!(store.reload().replaced.len(), 1);
}

#[test]
fn what_is_known_of_a_certificate_is_reported() {
    let authority = Authority::new();
    let pair = authority.write("a", &["a.example", "*.a.example"]);
    let (_, store) = build(&listener(vec![pair.clone()]));
    let [info] = &store.certificates()[..] else { panic!("one certificate") };
    assert_eq!(info.path, pair.certificate);
    assert_eq!(info.names, ["a.example", "*.a.example"]);
    assert_eq!(info.not_after, 67_090_118_400, "rcgen's default: 4096-01-01");
}
