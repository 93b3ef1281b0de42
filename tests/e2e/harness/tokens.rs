//! Tokens as an identity provider would sign them, with keys made for the story.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};

/// An RSA key for tests alone: making one takes too long.
const RSA: &[u8] = include_bytes!("keys/rsa.der");
/// Its public half.
pub const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");

/// Whoever signs.
pub struct Signer {
    id: Option<String>,
    key: Key,
}

enum Key {
    Hs256(hmac::Key),
    Rs256(Box<RsaKeyPair>),
    Es256(Box<EcdsaKeyPair>),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// With a shared secret.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Self {
        Self { id: None, key: Key::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())) }
    }

    /// With the RSA key of the tests.
    pub fn rs256() -> Self {
        Self { id: None, key: Key::Rs256(Box::new(RsaKeyPair::from_der(RSA).unwrap())) }
    }

    /// With a new key on P-256.
    pub fn es256() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        Self { id: None, key: Key::Es256(Box::new(key.unwrap())) }
    }

    /// With a new key on Ed25519.
    pub fn eddsa() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id: None, key: Key::EdDsa(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()) }
    }

    /// The same under a name.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let mut head = json!({ "typ": "JWT", "alg": self.algorithm() });
        if let Some(id) = &self.id {
            head["kid"] = json!(id);
        }
        self.token_with(&head, claims)
    }

    /// The same with any header.
    pub fn token_with(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(head), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// The public key, as it stands in a set.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.key {
            Key::Hs256(_) => panic!("a secret is not published"),
            Key::Rs256(key) => {
                let public: ring::signature::RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
            }
            Key::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Key::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref()) })
            }
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        if let Some(id) = &self.id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    fn algorithm(&self) -> &'static str {
        match &self.key {
            Key::Hs256(_) => "HS256",
            Key::Rs256(_) => "RS256",
            Key::Es256(_) => "ES256",
            Key::EdDsa(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Key::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// A set of the public keys of these.
pub fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// So many seconds from now, as tokens write it.
pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

/// The claims of a subject, good for an hour.
pub fn claims(subject: &str) -> Value {
    json!({ "sub": subject, "exp": in_seconds(3600) })
}
