//! What it costs to find out who calls: a token that was verified before (at most 1 µs), and the
//! first look at one, which the signature decides.

use std::{hint::black_box, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use nilegate::{
    auth::{AuthRule, Authenticator, Verdict},
    telemetry::metrics::Metrics,
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

const SECRET: &str = "a shared secret of some thirty-two bytes";
/// Tokens beyond what is remembered, so that each is new when its turn comes again.
const TOKENS: usize = 40_000;

/// A token such as identity providers issue.
fn claims(subject: usize) -> Value {
    json!({
        "iss": "https://id.nilecare.example/realms/staff", "aud": ["nilecare", "account"],
        "sub": format!("8f14e45f-ceea-467a-9a36-{subject:012}"), "exp": 4_000_000_000_u64, "iat": 1_700_000_000,
        "scope": "openid profile patients.read patients.write", "roles": ["doctor", "ward-7"],
        "tenant": "north", "preferred_username": "dr.okoro",
    })
}

fn signed(algorithm: &str, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> HeaderMap {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": algorithm, "typ": "JWT" })), part(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    let value = format!("Bearer {message}.{signature}").parse().expect("visible ASCII");
    [(http::header::AUTHORIZATION, value), (http::header::ACCEPT, "*/*".parse().expect("visible ASCII"))]
        .into_iter()
        .collect()
}

fn rule(keys: &str) -> AuthRule {
    let yaml = format!("providers: {{ staff: {{ jwt: {{ keys: {{ {keys} }}, audience: nilecare }} }} }}");
    let metrics = Metrics::new("0", "0").expect("the families fit");
    let config = serde_yaml::from_str(&yaml).expect("it is a section");
    let all = Authenticator::build(&config, None, [0; 32], &metrics).expect("it is sound");
    let rule = "{ with: staff, require: { all: ['scope:patients.read', 'role:doctor'] } }";
    all.rule(&serde_yaml::from_str(rule).expect("it is a rule")).expect("it is sound")
}

fn judge(rule: &AuthRule, headers: &HeaderMap, now: SystemTime) {
    assert!(matches!(rule.judge(black_box(headers), None, now), Verdict::Admitted(Some(_))));
}

fn auth(criterion: &mut Criterion) {
    let now = SystemTime::now();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let hs256 = |message: &[u8]| hmac::sign(&secret, message).as_ref().to_vec();
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
    let key = key.expect("the same key");
    let es256 = |message: &[u8]| key.sign(&random, message).expect("a signature").as_ref().to_vec();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let set = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) }] });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), set.to_string()).expect("it takes the keys");

    let mut group = criterion.benchmark_group("auth");
    let by_secret = rule(&format!("secret: '{SECRET}'"));
    let one = signed("HS256", &claims(0), hs256);
    let bytes = one[http::header::AUTHORIZATION].len() - "Bearer ".len();
    judge(&by_secret, &one, now);
    group.bench_function(format!("remembered_{bytes}_bytes"), |bencher| {
        bencher.iter(|| judge(&by_secret, &one, now))
    });
    let by_key = rule(&format!("jwks_file: {}", file.path().display()));
    for (name, rule, algorithm, sign) in [
        ("first_hs256", &by_secret, "HS256", &hs256 as &dyn Fn(&[u8]) -> Vec<u8>),
        ("first_es256", &by_key, "ES256", &es256),
    ] {
        let tokens: Vec<HeaderMap> =
            (0..TOKENS).map(|subject| signed(algorithm, &claims(subject + 1), sign)).collect();
        let mut next = tokens.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| judge(rule, next.next().expect("it goes round"), now));
        });
    }
    let nobody = rule("secret: x");
    group.bench_function("nobody", |bencher| {
        bencher.iter(|| matches!(nobody.judge(black_box(&HeaderMap::new()), None, now), Verdict::Refused(_)));
    });
    group.finish();
}

criterion_group!(benches, auth);
criterion_main!(benches);
