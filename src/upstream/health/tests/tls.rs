//! Probes over TLS: the files of the configuration against a real handshake.

use std::{fs, sync::Arc, time::Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::probe_config;
use crate::{
    config::tls::{CertificateConfig, UpstreamTlsConfig},
    upstream::{Health, Prober, Upstream, tests_support::config},
};

/// An authority, a server certificate for `localhost` and a client certificate, as files.
struct Pki(TempDir);

impl Pki {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(dir.path().join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        for (file, name) in [("server", "localhost"), ("client", "gateway")] {
            let key = KeyPair::generate().unwrap();
            let certificate =
                CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            fs::write(dir.path().join(file).with_extension("pem"), certificate.pem()).unwrap();
            fs::write(dir.path().join(file).with_extension("key"), key.serialize_pem()).unwrap();
        }
        Self(dir)
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.0.path().join(file)
    }

    /// A server that demands a certificate of its clients and answers every request with 200.
    async fn serve(&self) -> String {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![CertificateDer::from_pem_file(self.path("server.pem")).unwrap()],
                PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 1024];
                if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok();
                }
            }
        });
        address
    }

    fn tls(&self) -> UpstreamTlsConfig {
        UpstreamTlsConfig {
            sni: Some("localhost".into()),
            ca: Some(self.path("ca.pem")),
            client_certificate: Some(CertificateConfig {
                certificate: self.path("client.pem"),
                key: self.path("client.key"),
            }),
            verify: true,
        }
    }
}

async fn health_of(address: &str, tls: UpstreamTlsConfig) -> Health {
    let mut config = config(&[address]);
    config.tls = Some(tls);
    config.health_check = Some(probe_config(Some("/live")));
    let upstream = Upstream::build("origin", &config, None).unwrap();
    upstream.maintain(&Prober::new(), Instant::now()).await;
    upstream.backends()[0].health()
}

#[tokio::test]
async fn the_authority_the_name_and_the_client_certificate_all_matter() {
    let pki = Pki::new();
    let address = pki.serve().await;
    let tls = pki.tls();
    assert_eq!(health_of(&address, tls.clone()).await, Health::Healthy);
    let stranger = Pki::new();
    let other_authority = UpstreamTlsConfig { ca: Some(stranger.path("ca.pem")), ..tls.clone() };
    assert_eq!(health_of(&address, other_authority.clone()).await, Health::Unhealthy, "unknown authority");
    let other_name = UpstreamTlsConfig { sni: Some("elsewhere".into()), ..tls.clone() };
    assert_eq!(health_of(&address, other_name).await, Health::Unhealthy, "wrong name");
    let by_address = UpstreamTlsConfig { sni: None, ..tls.clone() };
    assert_eq!(
        health_of(&address, by_address).await,
        Health::Unhealthy,
        "127.0.0.1 is not in the certificate"
    );
    let anonymous = UpstreamTlsConfig { client_certificate: None, ..tls };
    assert_eq!(health_of(&address, anonymous).await, Health::Unhealthy, "no client certificate");
    let lax = UpstreamTlsConfig { verify: false, ..other_authority };
    assert_eq!(health_of(&address, lax).await, Health::Healthy, "not verified");
}
