//! Signed tokens: good ones and all the bad ones.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{SECRET, echo, guarded, refusal, with_token};
use crate::harness::{
    Client, Gateway,
    tokens::{RSA_PUBLIC, Signer, claims, in_seconds},
};

fn secret() -> String {
    format!("jwt: {{ keys: {{ secret: '{SECRET}' }}, issuer: https://id.example, audience: nilecare }}")
}

fn good() -> Value {
    json!({ "sub": "ann", "iss": "https://id.example", "aud": "nilecare", "exp": in_seconds(60) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_opens_the_route_on_both_protocols() {
    let origin = echo().await;
    let gateway = guarded(&origin, &secret(), ", forward: { X-User-Id: subject }").await;
    let token = Signer::hs256(SECRET).token(&good());
    for client in [gateway.client(), gateway.client().http2()] {
        assert_eq!(with_token(&client, "/a", &token).await.text(), "ann||");
        let missing = client.get("/a").send().await;
        assert_eq!(refusal(&missing), (401, "credentials_missing".to_owned()));
        assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"staff\""));
    }
    assert_eq!(origin.requests().len(), 2, "nothing refused goes further");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_is_checked() {
    for (signer, keys) in [
        (Signer::hs256(SECRET), format!("secret: '{SECRET}'")),
        (Signer::rs256(), format!("pem: {:?}", RSA_PUBLIC)),
    ] {
        let origin = echo().await;
        let gateway = guarded(&origin, &format!("jwt: {{ keys: {{ {keys} }} }}"), "").await;
        let answer = with_token(&gateway.client(), "/", &signer.token(&claims("ann"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for signer in [Signer::es256(), Signer::eddsa(), Signer::rs256()] {
        let origin = echo().await;
        let builder = Gateway::before(&origin);
        let file = builder.directory().join("keys.json");
        std::fs::write(&file, crate::harness::tokens::key_set(&[&signer])).unwrap();
        let provider = format!("{{ jwt: {{ keys: {{ jwks_file: {} }} }} }}", file.display());
        let gateway = builder
            .also(&format!("auth: {{ providers: {{ staff: {provider} }} }}"))
            .routes("- { name: all, upstream: origin, auth: { with: staff } }")
            .start()
            .await;
        let answer = with_token(&gateway.client(), "/", &signer.token(&claims("ann"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_each_with_its_code() {
    let origin = echo().await;
    let gateway = guarded(&origin, &secret(), "").await;
    let client = gateway.client();
    let signer = Signer::hs256(SECRET);
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        signer.token(&claims)
    };
    let fine = signer.token(&good());
    let (message, _) = fine.rsplit_once('.').unwrap();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let none = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&good().to_string()));
    for (token, code) in [
        (with("exp", json!(in_seconds(-31))), "token_expired"),
        (with("exp", json!("soon")), "credentials_malformed"),
        (with("exp", Value::Null), "credentials_malformed"),
        (with("nbf", json!(in_seconds(90))), "token_not_yet_valid"),
        (with("iss", json!("https://evil.example")), "token_issuer"),
        (with("aud", json!(["billing"])), "token_audience"),
        (with("sub", Value::Null), "credentials_malformed"),
        (Signer::hs256("another secret altogether, also long").token(&good()), "token_signature"),
        (format!("{message}.AAAA"), "token_signature"),
        (format!("{message}."), "token_signature"),
        (message.to_owned(), "credentials_malformed"),
        (none, "token_algorithm"),
        ("garbled".to_owned(), "credentials_malformed"),
        ("ey.ey.ey".to_owned(), "credentials_malformed"),
        ("x".repeat(9_000), "credentials_too_large"),
    ] {
        let answer = with_token(&client, "/", &token).await;
        assert_eq!(refusal(&answer), (401, code.to_owned()), "{token}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"staff\", error=\"invalid_token\""), "{challenge}");
        assert!(!answer.text().contains("ann"), "nothing of the token comes back");
    }
    assert_eq!(origin.requests().len(), 0);
    let refused = [("provider", "staff"), ("reason", "token_expired")];
    gateway.wait_metric("proxy_auth_refusals_total", &refused, 1.0).await;
    gateway.wait_for_log("the refusal", |line| line["detail"] == "token_audience").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_is_no_secret() {
    let origin = echo().await;
    let gateway = guarded(&origin, &format!("jwt: {{ keys: {{ pem: {RSA_PUBLIC:?} }} }}"), "").await;
    for secret in [RSA_PUBLIC, RSA_PUBLIC.trim()] {
        let forged = Signer::hs256(secret).token(&claims("root"));
        let answer = with_token(&gateway.client(), "/", &forged).await;
        assert_eq!(refusal(&answer), (401, "token_algorithm".to_owned()));
    }
    assert_eq!(with_token(&gateway.client(), "/", &Signer::rs256().token(&claims("ann"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn enormous_and_doubled_credentials_never_reach_a_backend() {
    let origin = echo().await;
    let gateway = guarded(&origin, &secret(), "").await;
    let token = Signer::hs256(SECRET).token(&good());
    let twice = gateway
        .client()
        .get("/")
        .header("Authorization", &format!("Bearer {token}"))
        .header("Authorization", &format!("Bearer {token}"))
        .send()
        .await;
    assert_eq!(refusal(&twice), (400, "credentials_duplicate".to_owned()));
    let mut raw = crate::harness::RawClient::connect(gateway.address()).await;
    raw.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", "x".repeat(1 << 20)))
        .await;
    let answer = raw.response().await.unwrap();
    assert_eq!(answer.status, 431);
    assert_eq!(origin.requests().len(), 0);
    assert_eq!(with_token(&gateway.client(), "/", &token).await.status, 200, "others are served on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_with_403() {
    let origin = echo().await;
    let rule = ", require: { all: ['scope:patients.read', { any: ['role:doctor', 'claim:tenant=north'] }] }";
    let gateway = guarded(&origin, &format!("jwt: {{ keys: {{ secret: '{SECRET}' }} }}"), rule).await;
    let signer = Signer::hs256(SECRET);
    let asked = async |facts: Value| {
        let mut claims = claims("ann");
        claims.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
        with_token(&gateway.client(), "/", &signer.token(&claims)).await
    };
    assert_eq!(asked(json!({ "scope": "patients.read", "roles": ["doctor"] })).await.status, 200);
    assert_eq!(asked(json!({ "scope": "a patients.read", "tenant": "north" })).await.status, 200);
    let refused = asked(json!({ "scope": "patients.read", "roles": ["nurse"] })).await;
    assert_eq!(refusal(&refused), (403, "forbidden".to_owned()));
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"staff\", error=\"insufficient_scope\", scope=\"patients.read\"")
    );
    assert_eq!(asked(json!({ "scope": "patients.write", "roles": ["doctor"] })).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_route_takes_nobody_but_no_liar() {
    let origin = echo().await;
    let provider = format!("jwt: {{ keys: {{ secret: '{SECRET}' }}, from: {{ cookie: session }} }}");
    let gateway = guarded(&origin, &provider, ", mode: optional, forward: { X-User-Id: subject }").await;
    let with_cookie = async |value: &str| {
        gateway.client().get("/").header("Cookie", &format!("a=b; session={value}")).send().await
    };
    assert_eq!(gateway.get("/").await.text(), "||");
    assert_eq!(with_cookie(&Signer::hs256(SECRET).token(&claims("ann"))).await.text(), "ann||");
    assert_eq!(with_cookie("x").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_may_want_a_token() {
    let gateway = Gateway::new()
        .process("admin", "{ address: '@admin@', token: open-sesame }")
        .traffic("routes: [{ name: all, respond: {} }]")
        .start()
        .await;
    let admin = Client::new(gateway.admin_address());
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(admin.get(path).send().await.status, 200, "{path}");
    }
    for path in ["/config", "/reload", "/cache/stats", "/nowhere"] {
        let answer = admin.get(path).send().await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"admin\"")));
    }
    assert_eq!(with_token(&admin, "/config", "open-sesam").await.status, 401);
    let config = with_token(&admin, "/config", "open-sesame").await;
    assert!(config.status == 200 && !config.text().contains("open-sesame"), "{config:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_knows_callers_by_a_hash_alone() {
    let origin = echo().await;
    let gateway = Gateway::before(&origin)
        .process(
            "telemetry",
            "{ access_log: { format: json }, log: { format: text }, identity_secret: 'the same on all nodes' }",
        )
        .also(&format!("auth: {{ providers: {{ staff: {{ jwt: {{ keys: {{ secret: '{SECRET}' }} }} }} }} }}"))
        .routes("- { name: all, upstream: origin, auth: { with: staff, mode: optional } }")
        .start()
        .await;
    let signer = Signer::hs256(SECRET);
    for (path, subject) in [("/1", "ann"), ("/2", "ann"), ("/3", "bob")] {
        with_token(&gateway.client(), path, &signer.token(&claims(subject))).await;
    }
    gateway.get("/4").await;
    gateway.wait_for_log("the last", |line| line["identity"].is_null()).await;
    let log = gateway.access_log();
    let tags: Vec<&str> = log.iter().filter_map(|line| line["identity"].as_str()).collect();
    assert_eq!(tags.len(), 3);
    assert!(tags[0] == tags[1] && tags[1] != tags[2] && tags[0].len() == 16, "{tags:?}");
    assert!(log.iter().all(|line| !line.to_string().contains("ann") && !line.to_string().contains("bob")));
}
