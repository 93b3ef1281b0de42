//! What takes an entry out before its time.

use serde_json::json;

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin};

/// Every answer is new, is kept for an hour, and carries a tag.
async fn counting() -> Origin {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Answer::ok(format!("{number}"))
            .header("Cache-Control", "max-age=3600")
            .header("Surrogate-Key", "all-patients ward-7")
    })
    .await
}

/// Requests may name a path in more ways than one.
fn normalising() -> String {
    format!("paths: {{ normalize: true }}\n{CACHED}")
}

async fn purge(gateway: &Gateway, body: serde_json::Value) -> serde_json::Value {
    let client = crate::harness::Client::new(gateway.admin_address());
    let answer =
        client.post("/cache/purge", body.to_string()).header("Content-Type", "application/json").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_a_tag_a_pattern_a_route_or_everything() {
    let origin = counting().await;
    let gateway = Gateway::new().set("origin", &origin).traffic(&normalising()).start().await;
    let host = gateway.address().to_string();
    for scope in [
        json!({ "url": format!("http://{host}/patients/1") }),
        json!({ "url": format!("http://{host}/x/../patients/./1") }),
        json!({ "tag": "ward-7" }),
        json!({ "pattern": "/patients/*" }),
        json!({ "route": "kept" }),
        json!({ "all": true }),
    ] {
        let before = gateway.get("/patients/1").await.text().to_owned();
        assert_eq!(gateway.get("/patients/1").await.text(), before, "kept before {scope}");
        let said = purge(&gateway, scope.clone()).await;
        assert_eq!(said["success"], true, "{said}");
        assert_ne!(gateway.get("/patients/1").await.text(), before, "gone after {scope}");
    }
    let before = gateway.get("/patients/1").await.text().to_owned();
    for other in [
        json!({ "url": format!("http://{host}/patients/2") }),
        json!({ "tag": "ward-8" }),
        json!({ "pattern": "/doctors/*" }),
        json!({ "route": "other" }),
    ] {
        purge(&gateway, other).await;
    }
    assert_eq!(gateway.get("/patients/1").await.text(), before, "what was not named stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_stay_inside() {
    let origin = counting().await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/").await.header("surrogate-key"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_purge_serves_the_old_copy_once_more_while_it_refreshes() {
    let origin = counting().await;
    let traffic = CACHED.replace("cache: {}", "cache: { stale_while_revalidate: 1m }");
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
    assert_eq!(gateway.get("/a").await.text(), "1");
    purge(&gateway, json!({ "tag": "ward-7", "mode": "soft" })).await;
    assert_eq!(gateway.get("/a").await.text(), "1");
    crate::harness::wait_until("the refreshed copy", async || gateway.get("/a").await.text() == "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_fetches_anew_what_it_can_name() {
    let origin = counting().await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    assert_eq!(gateway.get("/a").await.text(), "1");
    let said = purge(&gateway, json!({ "tag": "ward-7", "mode": "refresh" })).await;
    assert_eq!(said["refreshed"], 1, "{said}");
    assert_eq!(origin.requests().len(), 2, "without a client asking");
    assert_eq!(gateway.get("/a").await.text(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_request_drops_every_variant_of_its_url() {
    let origin = Origin::start(|request| {
        let language = request.header("accept-language").unwrap_or("none").to_owned();
        Answer::ok(language).header("Vary", "Accept-Language").header("Cache-Control", "max-age=60")
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let read = async |language: &'static str| {
        gateway.client().get("/a").header("Accept-Language", language).send().await;
    };
    read("de").await;
    read("fr").await;
    gateway.client().post("/a", "change").send().await;
    read("de").await;
    read("fr").await;
    assert_eq!(origin.requests().len(), 5);
    origin.script(|_| Answer::status(500));
    gateway.client().post("/a", "change").send().await;
    read("de").await;
    assert_eq!(origin.requests().len(), 6, "a failed change drops nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_drops_the_tags_its_route_names() {
    let origin = Origin::start(|_| Answer::ok("x").header("Cache-Control", "max-age=60")).await;
    let traffic = "\
upstreams:
  origin: { backends: ['@origin@'] }
routes:
  - name: list
    match: { path: '/patients', method: GET }
    upstream: origin
    cache: { tags: ['patient-list'] }
  - name: one
    match: { path: '/patients/{id}', method: GET }
    upstream: origin
    cache: { tags: ['patient:{id}'] }
  - name: change
    match: { path: '/patients/{id}', method: [PUT, DELETE] }
    upstream: origin
    on_write: ['patient:{id}', 'patient-list']
";
    let gateway = Gateway::new().set("origin", &origin).traffic(traffic).start().await;
    for path in ["/patients", "/patients/1", "/patients/2"] {
        gateway.get(path).await;
    }
    gateway.client().request(http::Method::PUT, "/patients/1").send().await;
    assert_eq!(origin.requests().len(), 4);
    for path in ["/patients", "/patients/1", "/patients/2"] {
        gateway.get(path).await;
    }
    let targets = origin.targets();
    assert_eq!(targets[4..], ["/patients", "/patients/1"], "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_purge_method_is_for_those_who_may() {
    let origin = counting().await;
    let gateway = Gateway::new()
        .set("origin", &origin)
        .process("cache", "{ purge: { from: [127.0.0.0/8] } }")
        .traffic(&normalising())
        .start()
        .await;
    assert_eq!(gateway.get("/a").await.text(), "1");
    let purged = gateway.client().request("PURGE".parse().unwrap(), "/b/../a").send().await;
    assert_eq!((purged.status, purged.json()["success"].as_bool()), (200, Some(true)));
    assert_eq!(gateway.get("/a").await.text(), "2");

    let strict = Gateway::new()
        .set("origin", &origin)
        .process("cache", "{ purge: { from: [192.0.2.0/24] } }")
        .traffic(CACHED)
        .start()
        .await;
    let refused = strict.client().request("PURGE".parse().unwrap(), "/a").send().await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("purge_forbidden")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_would_take_everything_must_say_so() {
    let origin = counting().await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let client = crate::harness::Client::new(gateway.admin_address());
    for bad in [json!({ "pattern": "/**" }), json!({ "tagg": "x" }), json!({}), json!({ "url": "not a url" })]
    {
        let answer = client.post("/cache/purge", bad.to_string()).send().await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_for_those_with_the_token() {
    let origin = counting().await;
    let gateway = Gateway::new()
        .set("origin", &origin)
        .process("cache", "{ stats: { token: open-sesame } }")
        .traffic(CACHED)
        .start()
        .await;
    for _ in 0..4 {
        gateway.get("/a").await;
    }
    let closed = gateway.get("/api/v1/cache/stats").await;
    assert_eq!(closed.status, 401);
    assert!(closed.header("www-authenticate").is_some());
    let stats = gateway
        .client()
        .get("/api/v1/cache/stats")
        .header("Authorization", "Bearer open-sesame")
        .send()
        .await;
    let stats = stats.json();
    assert_eq!(
        (&stats["success"], &stats["data"]["hits"], &stats["data"]["misses"]),
        (&json!(true), &json!(3), &json!(1))
    );
    assert_eq!(stats["data"]["hitRate"], json!(75.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_purged_by_any_of_its_names() {
    let origin = counting().await;
    let traffic = CACHED
        .replace("cache: {}", "cache: { key: { host: false, query: { ignore: ['utm_*'] } } }")
        + "paths: { merge_slashes: true }\n";
    let gateway = Gateway::new()
        .set("origin", &origin)
        .process("cache", "{ purge: { from: [127.0.0.0/8] } }")
        .traffic(&traffic)
        .start()
        .await;
    let client = gateway.client();
    for target in ["/a//b?utm_source=x", "/a/b", "/a/b?utm_medium=y"] {
        let before = client.get("/a/b?utm_source=z").host("one.example").send().await.text().to_owned();
        assert_eq!(gateway.get("/a/b").await.text(), before, "one entry");
        let purged = client.request("PURGE".parse().unwrap(), target).host("two.example").send().await;
        assert_eq!((purged.status, purged.json()["success"].as_bool()), (200, Some(true)));
        assert_ne!(gateway.get("/a/b").await.text(), before, "PURGE {target}");
    }
    let before = gateway.get("/a/b?utm_source=z").await.text().to_owned();
    purge(&gateway, json!({ "url": "https://one.example/a/b?utm_source=q" })).await;
    assert_ne!(gateway.get("/a/b").await.text(), before, "by the admin port");
    let refused = client.request("PURGE".parse().unwrap(), "/a/../b").send().await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("suspicious_path")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_put_in_is_purged_like_what_was_fetched() {
    let origin = counting().await;
    let traffic = CACHED
        .replace("path: '/**'", "path: '/patients/{id}'")
        .replace("cache: {}", "cache: { tags: ['patient:{id}'], key: { query: { allow: [] } } }");
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
    let admin = crate::harness::Client::new(gateway.admin_address());
    let host = gateway.address();
    for scope in [
        json!({ "tag": "patient:1" }),
        json!({ "url": format!("http://{host}/patients/1?b") }),
        json!({ "route": "kept" }),
    ] {
        let put = admin.request(
            http::Method::PUT,
            &format!("/cache/entry?url=http%3A%2F%2F{host}%2Fpatients%2F1%3Fa&ttl=60"),
        );
        assert_eq!(put.send().await.status, 200);
        assert_eq!(gateway.get("/patients/1").await.header("content-length"), Some("0"), "what was put in");
        purge(&gateway, scope.clone()).await;
        assert_ne!(gateway.get("/patients/1").await.text(), "", "gone after {scope}");
        purge(&gateway, json!({ "all": true })).await;
    }
}
