//! Whether a handshake took up an earlier session.
//!
//! rustls knows, but Pingora keeps its connection to itself. What can be seen from outside is
//! the certificate's key: a full handshake signs with it, in TLS 1.2 as in TLS 1.3, and one that
//! takes up a session never does (RFC 8446 section 2.2, RFC 5246 section 7.3).

use std::{cell::Cell, sync::Arc};

use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    pki_types::SubjectPublicKeyInfoDer,
    sign::{CertifiedKey, Signer, SigningKey},
};

tokio::task_local! {
    /// Whether the handshake that is under way has signed.
    static SIGNED: Cell<bool>;
}

/// Carries out a handshake; also returns whether it went without a signature of ours.
pub async fn watch<F: Future>(handshake: F) -> (F::Output, bool) {
    SIGNED
        .scope(Cell::new(false), async {
            let output = handshake.await;
            (output, !SIGNED.with(Cell::get))
        })
        .await
}

/// The same certificate with a key whose use is noticed.
pub(super) fn noticed(certified: &CertifiedKey) -> CertifiedKey {
    let key = Arc::new(NoticedKey(Arc::clone(&certified.key)));
    CertifiedKey { cert: certified.cert.clone(), key, ocsp: certified.ocsp.clone() }
}

#[derive(Debug)]
struct NoticedKey(Arc<dyn SigningKey>);

impl SigningKey for NoticedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.0.choose_scheme(offered)?;
        Some(Box::new(NoticedSigner(signer)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct NoticedSigner(Box<dyn Signer>);

impl Signer for NoticedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        // Nobody watches in tests of the certificates alone.
        let _ = SIGNED.try_with(|signed| signed.set(true));
        self.0.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}
