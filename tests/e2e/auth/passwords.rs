//! Names and passwords.

use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{echo, guarded, refusal};

fn provider(cost: u32) -> String {
    let hash = bcrypt::hash("open:sesame", cost).unwrap();
    format!("basic: {{ realm: 'the \"ops\" room', users: [{{ name: ann, hash: '{hash}', roles: [ops] }}] }}")
}

fn basic(text: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_opens_the_route() {
    let origin = echo().await;
    let gateway = guarded(&origin, &provider(4), ", forward: { X-User-Id: subject, X-Roles: roles }").await;
    let ask = async |value: &str| gateway.client().get("/").header("Authorization", value).send().await;
    assert_eq!(ask(&basic("ann:open:sesame")).await.text(), "ann||ops");
    for wrong in ["ann:open", "bob:open:sesame", "ann:"] {
        let answer = ask(&basic(wrong)).await;
        assert_eq!(refusal(&answer), (401, "password_wrong".to_owned()), "{wrong}");
        let challenge = "Basic realm=\"the \\\"ops\\\" room\", charset=\"UTF-8\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    assert_eq!(refusal(&ask("Basic !!!").await), (401, "credentials_malformed".to_owned()));
    assert_eq!(refusal(&ask("Bearer x").await), (401, "credentials_malformed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_hashed_once_and_holds_nobody_up() {
    let origin = echo().await;
    let gateway = guarded(&origin, &provider(11), "").await;
    let good = basic("ann:open:sesame");
    let ask = async || gateway.client().get("/").header("Authorization", &good).send().await.status;
    let began = Instant::now();
    assert_eq!(ask().await, 200);
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(ask().await, 200);
    }
    assert!(began.elapsed() < first * 10 + Duration::from_millis(10), "ten take less than ten hashes");
    let remembered = [("provider", "staff"), ("result", "hit")];
    gateway.wait_metric("proxy_auth_lookups_total", &remembered, 10.0).await;
}
