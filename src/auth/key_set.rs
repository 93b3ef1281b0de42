//! The keys that tokens may be signed with.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde::Deserialize;
use x509_parser::{prelude::FromDer as _, public_key::PublicKey, x509::SubjectPublicKeyInfo};

use crate::config::auth::AlgorithmConfig;

/// Bytes of the largest set taken.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// The most keys taken of a set.
const KEYS_MAX: usize = 64;
/// The most keys tried for a token that does not name its own.
const TRIES_MAX: usize = 4;
/// Bits of the smallest RSA key that ring checks with.
const RSA_BITS_MIN: usize = 2048;
/// The object identifier of Ed25519 (RFC 8410).
const ED25519: &str = "1.3.101.112";

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// All algorithms that go with public keys.
pub(super) const ASYMMETRIC: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// One key and what it is for.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<Box<str>>,
    /// All algorithms that go with it: of one family, and for a curve just one.
    algorithms: Box<[Algorithm]>,
    pub decoding: DecodingKey,
}

/// Keys that are in use together.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Counts the sets of one provider: what was verified with another set is verified again.
    pub generation: u64,
}

impl KeySet {
    pub fn new(keys: Vec<Key>, generation: u64) -> Self {
        Self { keys, generation }
    }

    /// All algorithms that go with any key.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.keys.iter().flat_map(|key| key.algorithms.iter().copied())
    }

    /// The keys that a token may be signed with. Those without an id of their own are tried
    /// when none has the token's.
    pub fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&Key> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let named: Vec<&Key> = match id {
            Some(id) => {
                let same = |key: &&Key| key.id.as_deref() == Some(id);
                self.keys.iter().filter(same).filter(fits).take(TRIES_MAX).collect()
            }
            None => self.keys.iter().filter(fits).take(TRIES_MAX).collect(),
        };
        if !named.is_empty() || id.is_none() {
            return named;
        }
        self.keys.iter().filter(|key| key.id.is_none()).filter(fits).take(TRIES_MAX).collect()
    }
}

/// A shared secret.
pub(super) fn secret(text: &str) -> Key {
    Key { id: None, algorithms: HMAC.into(), decoding: DecodingKey::from_secret(text.as_bytes()) }
}

/// A public key as PEM.
///
/// # Errors
/// Why it is none.
pub(super) fn pem(text: &[u8]) -> Result<Key, String> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text)
        .map_err(|_| "holds no `-----BEGIN PUBLIC KEY-----`".to_owned())?;
    let (_, info) =
        SubjectPublicKeyInfo::from_der(&der).map_err(|error| format!("is no public key: {error}"))?;
    if info.algorithm.algorithm.to_id_string() == ED25519 {
        return ed25519(&info.subject_public_key.data, None);
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => rsa(strip(key.modulus), strip(key.exponent), None),
        Ok(PublicKey::EC(point)) => curve(point.data(), None),
        _ => Err("is neither RSA, P-256, P-384 nor Ed25519".to_owned()),
    }
}

/// Without the zero that DER puts before a high bit.
fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn rsa(modulus: &[u8], exponent: &[u8], id: Option<Box<str>>) -> Result<Key, String> {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if bits < RSA_BITS_MIN {
        return Err(format!("has {bits} bits: at least {RSA_BITS_MIN} are needed"));
    }
    let decoding = DecodingKey::from_rsa_raw_components(modulus, exponent);
    Ok(Key { id, algorithms: RSA.into(), decoding })
}

/// A point on a curve, uncompressed: its length tells which curve.
fn curve(point: &[u8], id: Option<Box<str>>) -> Result<Key, String> {
    let algorithm = match (point.len(), point.first()) {
        (65, Some(4)) => Algorithm::ES256,
        (97, Some(4)) => Algorithm::ES384,
        _ => return Err("is on neither P-256 nor P-384".to_owned()),
    };
    Ok(Key { id, algorithms: [algorithm].into(), decoding: DecodingKey::from_ec_der(point) })
}

fn ed25519(point: &[u8], id: Option<Box<str>>) -> Result<Key, String> {
    if point.len() != 32 {
        return Err("is no Ed25519 key".to_owned());
    }
    Ok(Key { id, algorithms: [Algorithm::EdDSA].into(), decoding: DecodingKey::from_ed_der(point) })
}

/// A set of keys (RFC 7517 section 5).
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// A key of a set, as far as its kind is known (RFC 7517 section 4, RFC 7518 section 6, RFC 8037).
#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<Box<str>>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

/// The public keys of a set that tokens can be checked with. Others in it, such as those for
/// encryption and those of kinds unknown, are passed over, as RFC 7517 section 5 wants.
///
/// # Errors
/// Why it is no set, or none of use.
pub(super) fn jwks(text: &[u8]) -> Result<Vec<Key>, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("is larger than {} KiB", BYTES_MAX / 1024));
    }
    let document: Document =
        serde_json::from_slice(text).map_err(|error| format!("is no set of keys: {error}"))?;
    if document.keys.len() > KEYS_MAX {
        return Err(format!("has {} keys: at most {KEYS_MAX} are taken", document.keys.len()));
    }
    let keys: Vec<Key> = document.keys.into_iter().filter_map(entry).collect();
    if keys.is_empty() { Err("has no key that signatures can be checked with".to_owned()) } else { Ok(keys) }
}

fn entry(value: serde_json::Value) -> Option<Key> {
    let entry: Entry = serde_json::from_value(value).ok()?;
    let for_signatures = entry.r#use.as_deref().is_none_or(|word| word == "sig")
        && entry.key_ops.as_ref().is_none_or(|words| words.iter().any(|word| word == "verify"));
    if !for_signatures {
        return None;
    }
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let mut key = match (entry.kty.as_str(), entry.crv.as_deref()) {
        ("RSA", _) => rsa(strip(&decode(&entry.n)?), strip(&decode(&entry.e)?), entry.kid).ok()?,
        ("EC", Some("P-256" | "P-384")) => {
            let point = [vec![4], decode(&entry.x)?, decode(&entry.y)?].concat();
            curve(&point, entry.kid).ok()?
        }
        ("OKP", Some("Ed25519")) => ed25519(&decode(&entry.x)?, entry.kid).ok()?,
        _ => return None,
    };
    if let Some(only) = entry.alg {
        let only: Algorithm = only.parse().ok()?;
        if !key.algorithms.contains(&only) {
            return None;
        }
        key.algorithms = [only].into();
    }
    Some(key)
}

/// The algorithm that the configuration names.
pub(super) fn algorithm(config: AlgorithmConfig) -> Algorithm {
    match config {
        AlgorithmConfig::HS256 => Algorithm::HS256,
        AlgorithmConfig::HS384 => Algorithm::HS384,
        AlgorithmConfig::HS512 => Algorithm::HS512,
        AlgorithmConfig::RS256 => Algorithm::RS256,
        AlgorithmConfig::RS384 => Algorithm::RS384,
        AlgorithmConfig::RS512 => Algorithm::RS512,
        AlgorithmConfig::PS256 => Algorithm::PS256,
        AlgorithmConfig::PS384 => Algorithm::PS384,
        AlgorithmConfig::PS512 => Algorithm::PS512,
        AlgorithmConfig::ES256 => Algorithm::ES256,
        AlgorithmConfig::ES384 => Algorithm::ES384,
        AlgorithmConfig::EdDSA => Algorithm::EdDSA,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(keys: &serde_json::Value) -> Result<Vec<Key>, String> {
        jwks(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ed(id: Option<&str>) -> serde_json::Value {
        let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        match id {
            Some(id) => json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id }),
            None => json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
        }
    }

    #[test]
    fn keys_of_no_use_are_passed_over() {
        let encryption = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "use": "enc" });
        let short = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" });
        let secret = json!({ "kty": "oct", "k": "c2VjcmV0" });
        let small = json!({ "kty": "RSA", "n": BASE64_URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB" });
        let other = json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" });
        let mixed = set(&json!([encryption, short, secret, small, other, 7, ed(Some("good"))])).unwrap();
        assert_eq!(mixed.len(), 1);
        assert!(set(&json!([secret])).is_err());
        assert!(set(&json!([])).is_err());
        assert!(jwks(b"{").is_err());
        assert!(set(&json!(vec![ed(None); 65])).unwrap_err().contains("65 keys"));
        assert!(jwks(&vec![b' '; BYTES_MAX + 1]).unwrap_err().contains("256 KiB"));
    }

    #[test]
    fn a_key_is_found_by_its_id_and_its_algorithm() {
        let keys = set(&json!([ed(Some("a")), ed(Some("b")), ed(None)])).unwrap();
        let keys = KeySet::new(keys, 1);
        let found = |id, algorithm| keys.candidates(id, algorithm).len();
        assert_eq!(found(Some("a"), Algorithm::EdDSA), 1);
        assert_eq!(found(Some("c"), Algorithm::EdDSA), 1, "the one without an id");
        assert_eq!(found(None, Algorithm::EdDSA), 3);
        assert_eq!(found(Some("a"), Algorithm::RS256), 0);
        assert_eq!(found(None, Algorithm::HS256), 0);
    }

    #[test]
    fn an_algorithm_that_does_not_go_with_its_key_makes_it_useless() {
        let mut key = ed(Some("a"));
        key["alg"] = json!("HS256");
        assert!(set(&json!([key])).is_err());
    }

    #[test]
    fn public_keys_are_told_from_others() {
        assert!(pem(b"nonsense").is_err());
        assert!(pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err());
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(*pem(key.public_key_pem().as_bytes()).ok().unwrap().algorithms, [Algorithm::ES384]);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert_eq!(*pem(key.public_key_pem().as_bytes()).ok().unwrap().algorithms, [Algorithm::EdDSA]);
    }

    proptest! {
        #[test]
        fn no_text_upsets_it(text in ".{0,64}") {
            let _ = (jwks(text.as_bytes()), pem(text.as_bytes()));
            let _ = set(&json!([{ "kty": "RSA", "n": text, "e": text }, { "kty": "EC", "crv": "P-256", "x": text }]));
        }
    }
}
