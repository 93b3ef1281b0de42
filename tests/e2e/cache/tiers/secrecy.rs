//! What Redis is told, and what it is not.

use super::{NO_MEMORY, PATIENT, counting, get, names, node, only_entry, tier, wait_hit_from_redis};
use crate::harness::{
    redis::{RedisOptions, RedisServer},
    tls::Authority,
};

const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_few_rights_over_tls() {
    let options = RedisOptions {
        authority: Some(Authority::new()),
        password: Some("of the administrator".to_owned()),
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let words = "ACL SETUSER gate on >open-sesame ~clinic:* &clinic:* -@all +getrange +set +del +eval \
                 +ping +client +publish +subscribe +get +exists +type +xadd +xrange +pexpire +time \
                 +hset +hgetall +hdel";
    redis.run::<String>(&words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>()).await;
    let origin = counting().await;
    let keys = |password: &str| {
        let ca = redis.directory().join("ca.pem");
        format!(
            "url: '{}', username: gate, password: {password}, tls: {{ ca: '{}' }}, prefix: clinic, \
             lease: {{}}, {PATIENT}",
            redis.url(),
            ca.display()
        )
    };
    let gateway = node(&origin, &keys("open-sesame"), NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/report").await;
    assert!(names(&redis).await.iter().all(|name| name.starts_with("clinic:")));
    let refused: Vec<redis::Value> = redis.run(&["ACL", "LOG"]).await;
    assert!(refused.is_empty(), "{refused:?}");

    let stranger = node(&origin, &keys("guess"), NO_MEMORY).start().await;
    let failures = [("operation", "connect"), ("reason", "denied")];
    crate::harness::wait_until("a refusal", async || {
        assert_eq!(tier(&get(&stranger, "/report").await), None);
        stranger.metrics().await.sum("cache_backend_errors_total", &failures) > 0.0
    })
    .await;
    assert!(!stranger.stderr().contains("guess"), "a password is never logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_tell_nothing_and_none_stays_for_ever() {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let keys = format!("url: '{}', {PATIENT}, prefix: clinic, lease: {{}}", redis.url());
    let gateway = node(&origin, &keys, NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/patients/miller").await;
    let purge = r#"{"tag":"other"}"#;
    crate::harness::Client::new(gateway.admin_address()).post("/cache/purge", purge).send().await;
    let name = only_entry(&redis).await;
    let hash = name.strip_prefix("clinic:e:").unwrap();
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    let life: i64 = redis.run(&["PTTL", &name]).await;
    assert!((1..=3_600_000 + 7 * 86_400_000).contains(&life), "{life}");
    for name in names(&redis).await {
        assert!(name.starts_with("clinic:"), "{name}");
        assert!(redis.run::<i64>(&["PTTL", &name]).await > 0, "{name} would stay for ever");
        assert!(!name.contains("miller") && !name.contains(super::HOST));
    }
}

/// What Redis has of the report, and what a node makes of it.
async fn stored(more: &str) -> Vec<u8> {
    let (origin, redis) = (counting().await, RedisServer::start().await);
    let gateway = node(&origin, &format!("url: '{}', {PATIENT}{more}", redis.url()), NO_MEMORY).start().await;
    wait_hit_from_redis(&gateway, "/report").await;
    assert!(get(&gateway, "/report").await.text().contains("confidential"));
    redis.run(&["GET", &only_entry(&redis).await]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_values_show_nothing() {
    let shows = |value: &[u8], text: &str| value.windows(text.len()).any(|part| part == text.as_bytes());
    let plain = stored("").await;
    assert!(shows(&plain, "confidential") && shows(&plain, super::HOST), "otherwise this shows nothing");
    let sealed = stored(&format!(", encrypt: {{ key: {SECRET} }}")).await;
    for text in ["confidential", "report", "ward", "ache", super::HOST] {
        assert!(!shows(&sealed, text), "{text}");
    }
}
