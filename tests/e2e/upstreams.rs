//! Backends: how they are chosen and reached, and what is said when they are not.

use std::time::{Duration, Instant};

use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, ports::Port};

#[tokio::test(flavor = "multi_thread")]
async fn round_robin_takes_backends_in_turn_by_weight() {
    let (light, heavy) = (Origin::saying("light").await, Origin::saying("heavy").await);
    let gateway = Gateway::new()
        .set("light", &light)
        .set("heavy", &heavy)
        .process("threads", "1")
        .traffic(
            r#"
            upstreams: { pair: { backends: ["@light@", { address: "@heavy@", weight: 3 }] } }
            routes: [{ name: all, upstream: pair }]
            "#,
        )
        .start()
        .await;
    for _ in 0..40 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert_eq!((light.requests().len(), heavy.requests().len()), (10, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn consistent_hash_sends_the_same_value_to_the_same_backend() {
    let (a, b) = (Origin::saying("a").await, Origin::saying("b").await);
    let gateway = Gateway::before_pair(&a, &b)
        .upstream("balance: { consistent_hash: { header: X-User } }")
        .start()
        .await;
    for user in 0..20 {
        let user = format!("user-{user}");
        let ask = async || gateway.client().get("/").header("X-User", &user).send().await;
        let first = ask().await.text().to_owned();
        assert_eq!(ask().await.text(), first, "{user} moved");
    }
    assert!(!a.requests().is_empty() && !b.requests().is_empty(), "all users on one backend");
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_may_be_named() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(format!("localhost:{}", origin.address().port())).start().await;
    assert_eq!(gateway.get("/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_and_no_answer_have_their_own_codes() {
    let nobody = Port::free();
    let never = Gate::closed();
    let hold = never.clone();
    let silent = Origin::start(move |_| Answer::ok("late").hold(&hold)).await;
    let gateway = Gateway::new()
        .set("nobody", &nobody)
        .set("silent", &silent)
        .traffic(
            r#"
            upstreams:
              nobody: { backends: ["@nobody@"] }
              silent: { backends: ["@silent@"], timeouts: { first_byte: 100ms } }
              slow: { backends: ["@silent@"], timeouts: { total: 100ms } }
            routes:
              - { name: nobody, match: { path: /nobody }, upstream: nobody }
              - { name: silent, match: { path: /silent }, upstream: silent }
              - { name: slow, match: { path: /slow }, upstream: slow }
            "#,
        )
        .start()
        .await;
    for (path, status, code) in [
        ("/nobody", 502, "connect_failed"),
        ("/silent", 504, "upstream_timeout"),
        ("/slow", 504, "total_timeout"),
    ] {
        let asked = Instant::now();
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{path}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{path} took {:?}", asked.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_connections_are_kept_and_reused() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).process("threads", "1").start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    for _ in 0..10 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    assert_eq!((origin.requests().len(), origin.connections()), (10, 1));
}
