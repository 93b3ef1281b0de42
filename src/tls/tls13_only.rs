//! `min_version: "1.3"`, although Pingora 0.9 always offers TLS 1.2 as well.
//!
//! Two gates, because the first is polite and the second is sure. A hello without a cipher suite
//! of TLS 1.3 is declined at once. And the key signs nothing but the transcript of a
//! TLS 1.3 handshake: every handshake of TLS 1.2 that rustls can do needs a signature over
//! random bytes and key shares instead, so none can succeed. No later check is needed.

use std::sync::Arc;

use rustls::{
    CipherSuite, Error, SignatureAlgorithm, SignatureScheme,
    pki_types::SubjectPublicKeyInfoDer,
    sign::{CertifiedKey, Signer, SigningKey},
};

/// What a server signs in TLS 1.3 starts with 64 spaces and this (RFC 8446 section 4.4.3).
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
const PADDING: [u8; 64] = [b' '; 64];

/// Whether a client offers a cipher suite of TLS 1.3 (RFC 8446 appendix B.4).
pub(super) fn offers_tls13(suites: &[CipherSuite]) -> bool {
    suites.iter().any(|suite| (0x1301..=0x1305).contains(&u16::from(*suite)))
}

/// The same certificate with a key that takes part in TLS 1.3 only.
pub(super) fn guard(certified: &CertifiedKey) -> CertifiedKey {
    let key = Arc::new(Tls13Key(Arc::clone(&certified.key)));
    CertifiedKey { cert: certified.cert.clone(), key, ocsp: certified.ocsp.clone() }
}

#[derive(Debug)]
struct Tls13Key(Arc<dyn SigningKey>);

impl SigningKey for Tls13Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.0.choose_scheme(offered)?;
        Some(Box::new(Tls13Signer(signer)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct Tls13Signer(Box<dyn Signer>);

impl Signer for Tls13Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let transcript = message.strip_prefix(&PADDING).and_then(|rest| rest.strip_prefix(CONTEXT));
        if transcript.is_none() {
            return Err(Error::General("this listener speaks TLS 1.3 only".to_owned()));
        }
        self.0.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}
