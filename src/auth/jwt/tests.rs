use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;

use super::*;
use crate::{auth::identity::Kind, telemetry::metrics::Metrics};

const SECRET: &str = "a shared secret of some thirty-two bytes";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn tokens(yaml: &str) -> Result<Tokens, Vec<Problem>> {
    let maker = Maker { provider: "staff".into(), kind: Kind::Token, secret: [0; 32] };
    let metrics = Metrics::new("0", "0").unwrap().auth_provider("staff");
    Tokens::compile(&serde_yaml::from_str(yaml).unwrap(), maker, &metrics)
}

fn shared() -> Tokens {
    tokens(&format!("{{ keys: {{ secret: '{SECRET}' }} }}")).ok().unwrap()
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token of this header and these claims, signed by `sign`.
fn token(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", part(head), part(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn claims() -> Value {
    json!({ "sub": "ann", "exp": 1_000_060, "scope": "patients.read" })
}

fn good() -> String {
    token(&json!({ "alg": "HS256", "typ": "JWT" }), &claims(), hs256(SECRET.as_bytes()))
}

fn refusal(tokens: &Tokens, token: &str) -> Option<AuthError> {
    match tokens.check(token, now()) {
        Ok(_) => None,
        Err(Undecided::Refused(error)) => Some(error),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_good_token_is_verified_once_and_then_remembered_until_it_expires() {
    let tokens = shared();
    let first = tokens.check(&good(), now()).unwrap();
    assert_eq!((first.subject(), &*first.scopes()[0]), ("ann", "patients.read"));
    assert!(Arc::ptr_eq(&first, &tokens.check(&good(), now()).unwrap()), "not verified again");
    let end = UNIX_EPOCH + Duration::from_secs(1_000_090);
    assert!(tokens.check(&good(), end - Duration::from_secs(1)).is_ok(), "leeway");
    assert_eq!(tokens.check(&good(), end).err(), Some(Undecided::Refused(AuthError::Expired)));
}

#[test]
fn a_changed_token_is_refused() {
    let tokens = shared();
    let good = good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let root = part(&json!({ "sub": "root", "exp": 1_000_060 }));
    assert_eq!(refusal(&tokens, &format!("{head}.{root}.{signature}")), Some(AuthError::BadSignature));
    assert_eq!(refusal(&tokens, &format!("{message}.")), Some(AuthError::BadSignature));
    let other = token(&json!({ "alg": "HS256" }), &claims(), hs256(b"another secret"));
    assert_eq!(refusal(&tokens, &other), Some(AuthError::BadSignature));
    for garbled in [message, "", "a.b", "a.b.c.d", "..", "€.€.€"] {
        assert_eq!(refusal(&tokens, garbled), Some(AuthError::Malformed), "{garbled}");
    }
}

#[test]
fn algorithms_are_not_the_tokens_to_choose() {
    let shared = shared();
    let unsigned = |_: &[u8]| Vec::new();
    for alg in ["none", "None", "NONE", "", "HS257"] {
        let token = token(&json!({ "alg": alg }), &claims(), unsigned);
        assert_eq!(refusal(&shared, &token), Some(AuthError::Algorithm), "{alg}");
    }
    let critical = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    let token_with = |head: &Value| token(head, &claims(), hs256(SECRET.as_bytes()));
    assert_eq!(refusal(&shared, &token_with(&critical)), Some(AuthError::Algorithm));
    let twice = format!(
        "{}.{}.AAAA",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","alg":"none"}"#),
        part(&claims())
    );
    assert_eq!(refusal(&shared, &twice), Some(AuthError::Malformed));

    // Signed with the public key as if it were a secret.
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let pem = pair.public_key_pem();
    let public = tokens(&serde_json::to_string(&json!({ "keys": { "pem": pem } })).unwrap()).ok().unwrap();
    for secret in [pem.as_bytes(), pair.public_key_raw()] {
        let token = token(&json!({ "alg": "HS256" }), &claims(), hs256(secret));
        assert_eq!(refusal(&public, &token), Some(AuthError::Algorithm));
    }
    let problems = tokens("{ keys: { secret: x }, algorithms: [RS256] }").err().unwrap();
    assert_eq!(problems[0].path, "algorithms[0]");
}

#[test]
fn curves_are_checked_with_public_keys() {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let point = key.public_key().as_ref();
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed.public_key().as_ref()) },
    ] });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), set.to_string()).unwrap();
    let tokens = tokens(&format!("{{ keys: {{ jwks_file: {} }} }}", file.path().display())).ok().unwrap();

    let es256 = |message: &[u8]| key.sign(&random, message).unwrap().as_ref().to_vec();
    let eddsa = |message: &[u8]| ed.sign(message).as_ref().to_vec();
    let checked = |alg: &str, kid: Option<&str>, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut head = json!({ "alg": alg });
        if let Some(kid) = kid {
            head["kid"] = json!(kid);
        }
        refusal(&tokens, &token(&head, &claims(), sign))
    };
    assert_eq!(checked("ES256", Some("ec"), &es256), None);
    assert_eq!(checked("EdDSA", Some("ed"), &eddsa), None);
    assert_eq!(checked("ES256", None, &es256), None, "without an id, by the algorithm");
    assert_eq!(checked("ES256", Some("ed"), &es256), Some(AuthError::UnknownKey), "of another family");
    assert_eq!(checked("EdDSA", Some("ed"), &es256), Some(AuthError::BadSignature));
    assert_eq!(checked("ES256", Some("gone"), &es256), Some(AuthError::UnknownKey));
    assert_eq!(checked("HS256", Some("ec"), &hs256(point)), Some(AuthError::Algorithm));
}

proptest! {
    #[test]
    fn no_text_upsets_it(text in ".{0,80}", head in ".{0,40}", claims in ".{0,40}") {
        let tokens = shared();
        prop_assert!(tokens.check(&text, now()).is_err());
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let dressed = format!("{}.{}.{}", encode(&head), encode(&claims), encode(&text));
        prop_assert!(tokens.check(&dressed, now()).is_err());
    }

    #[test]
    fn signed_nonsense_is_refused_too(claims in ".{0,40}", number in any::<f64>()) {
        let tokens = shared();
        let sign = hs256(SECRET.as_bytes());
        let head = json!({ "alg": "HS256" });
        let message = format!("{}.{}", part(&head), BASE64_URL_SAFE_NO_PAD.encode(&claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
        let signed = format!("{message}.{signature}");
        prop_assert!(tokens.check(&signed, now()).is_err());
        let dated = json!({ "sub": "a", "exp": number, "nbf": number });
        let _ = tokens.check(&token(&head, &dated, &sign), now());
    }
}
