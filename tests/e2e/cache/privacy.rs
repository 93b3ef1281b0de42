//! One user's data is never another's.

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin};

/// Answers with the credentials it was asked with.
async fn personal(cache_control: &'static str) -> Origin {
    Origin::start(move |request| {
        let who = request.header("authorization").or(request.header("x-tenant")).unwrap_or("nobody");
        Answer::ok(who).header("Cache-Control", cache_control)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_keep_an_answer_out_of_the_cache() {
    let origin = personal("max-age=60").await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    for who in ["Bearer ann", "Bearer bob", "Bearer ann"] {
        let answer = gateway.client().get("/me").header("Authorization", who).send().await;
        assert_eq!(answer.text(), who);
    }
    assert_eq!(gateway.get("/me").await.text(), "nobody");
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn unless_the_response_says_it_is_for_all() {
    let origin = personal("public, max-age=60").await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    for who in ["Bearer ann", "Bearer bob"] {
        let answer = gateway.client().get("/news").header("Authorization", who).send().await;
        assert_eq!(answer.text(), "Bearer ann");
    }
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_keeps_one_copy_for_each() {
    let origin = personal("max-age=60").await;
    let traffic = CACHED.replace("cache: {}", "cache: { partition: 'header:X-Tenant' }");
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
    for _ in 0..2 {
        for tenant in ["north", "south"] {
            let answer = gateway.client().get("/list").header("X-Tenant", tenant).send().await;
            assert_eq!(answer.text(), tenant);
        }
        assert_eq!(gateway.get("/list").await.text(), "nobody", "without a tenant nothing is shared");
    }
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_set_a_cookie_are_not_kept() {
    let origin = Origin::start(|_| {
        Answer::ok("x").header("Cache-Control", "max-age=60").header("Set-Cookie", "session=1")
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    gateway.get("/").await;
    assert_eq!(gateway.get("/").await.header("set-cookie"), Some("session=1"));
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_reaches_log_metrics_or_status_in_clear() {
    let origin = personal("max-age=60").await;
    let traffic = CACHED.replace("cache: {}", "cache: { partition: 'header:X-Tenant', tags: ['ward'] }");
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
    for _ in 0..2 {
        let answer = gateway.client().get("/list").header("X-Tenant", "secret-clinic").send().await;
        assert!(!answer.header("cache-status").unwrap().contains("secret-clinic"));
    }
    gateway.wait_for_log("the hit", |line| line["cache"] == "hit").await;
    assert!(gateway.access_log().iter().all(|line| !line.to_string().contains("secret-clinic")));
    assert!(!gateway.admin("/metrics").await.text().contains("secret-clinic"));
    assert!(!gateway.admin("/cache/stats").await.text().contains("secret-clinic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_credentials_is_not_given_what_a_stranger_got() {
    let origin = personal("max-age=60").await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    for client in [gateway.client(), gateway.client().http2()] {
        assert_eq!(client.get("/me").send().await.text(), "nobody");
        let answer = client.get("/me").header("Authorization", "Bearer ann").send().await;
        assert_eq!(answer.text(), "Bearer ann");
    }
    assert_eq!(origin.requests().len(), 3, "and the stranger's copy stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_is_turned_away_does_not_shut_out_the_others() {
    let origin = Origin::start(|request| match request.header("authorization") {
        Some(_) => Answer::ok("welcome"),
        None => Answer::status(401),
    })
    .await;
    for cache in ["{ ttl: { 4xx: 60s } }", "{ shared: true, ttl: { default: 60s } }"] {
        let traffic = CACHED.replace("cache: {}", &format!("cache: {cache}"));
        let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
        assert_eq!(gateway.get("/me").await.status, 401);
        let answer = gateway.client().get("/me").header("Authorization", "Bearer ann").send().await;
        assert_eq!(answer.text(), "welcome", "{cache}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shared_is_shared_no_more_when_the_route_takes_it_back() {
    for (before, after) in [
        ("{ shared: true }", "{}"),
        ("{ ignore: [cache-control], shared: true, ttl: { default: 60s } }", "{ shared: true }"),
        ("{ shared: true, set_cookie: store }", "{ shared: true }"),
    ] {
        let origin = Origin::start(move |request| {
            let who = request.header("authorization").unwrap_or("nobody");
            let answer = Answer::ok(who);
            match before {
                "{ shared: true, set_cookie: store }" => answer.header("Set-Cookie", "session=ann"),
                _ => answer,
            }
            .header("Cache-Control", if before.contains("ignore") { "private" } else { "max-age=60" })
        })
        .await;
        let traffic = CACHED.replace("cache: {}", &format!("cache: {before}"));
        let mut gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
        for _ in 0..2 {
            let answer = gateway.client().get("/me").header("Authorization", "Bearer ann").send().await;
            assert_eq!(answer.text(), "Bearer ann");
        }
        assert_eq!(origin.requests().len(), 1, "{before}");
        gateway.write_traffic(
            &CACHED
                .replace("cache: {}", &format!("cache: {after}"))
                .replace("@origin@", &origin.address().to_string()),
        );
        assert_eq!(gateway.reload().await.status, 200);
        assert_eq!(gateway.get("/me").await.text(), "nobody", "{before}, then {after}");
    }
}
