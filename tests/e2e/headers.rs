//! Which header fields pass, which are added, and who is believed.

use crate::harness::{Answer, Gateway, Origin, RawClient};

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_one_hop_stay_on_it() {
    let origin = Origin::start(|_| {
        Answer::ok("ok")
            .header("Connection", "X-Private")
            .header("X-Private", "1")
            .header("Keep-Alive", "timeout=5")
    })
    .await;
    let gateway = Gateway::before(&origin).start().await;

    let mut client = RawClient::connect(gateway.address()).await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\n\
             Proxy-Connection: keep-alive\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n",
        )
        .await;
    let answer = client.response().await.unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!((answer.header("x-private"), answer.header("keep-alive")), (None, None));
    let seen = origin.only_request();
    assert_eq!(seen.header("x-kept"), Some("1"));
    for gone in ["x-mine", "keep-alive", "proxy-connection"] {
        assert_eq!(seen.header(gone), None, "{gone} reached the origin");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_believed_by_default() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).also("forwarding: { forwarded: true }").start().await;
    let answer = gateway
        .client()
        .get("/")
        .host("shop.test")
        .header("X-Forwarded-For", "6.6.6.6")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.test")
        .header("Forwarded", "for=6.6.6.6")
        .header("X-Request-Id", "chosen-by-the-client")
        .send()
        .await;

    let seen = origin.only_request();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.test"));
    let port = gateway.address().port().to_string();
    assert_eq!(seen.header("x-forwarded-port"), Some(port.as_str()));
    let forwarded = seen.header("forwarded").unwrap();
    assert!(forwarded.contains("for=127.0.0.1") && !forwarded.contains("6.6.6.6"), "{forwarded}");
    let id = seen.header("x-request-id").unwrap();
    assert!(id.len() >= 16 && id != "chosen-by-the-client", "{id}");
    assert_eq!(answer.header("x-request-id"), Some(id), "both sides see the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_peers_are_believed_and_extended() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).also("forwarding: { trusted_peers: [127.0.0.0/8] }").start().await;
    let answer = gateway
        .client()
        .get("/")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "shop.test")
        .header("X-Request-Id", "from-the-balancer")
        .send()
        .await;

    let seen = origin.only_request();
    assert_eq!(seen.header("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.test"));
    assert_eq!(seen.header("x-request-id"), Some("from-the-balancer"));
    assert_eq!(answer.header("x-request-id"), Some("from-the-balancer"));
    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert_eq!(line["client"], "203.0.113.9");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_remove_set_and_append_in_both_directions() {
    let origin = Origin::start(|_| Answer::ok("ok").header("X-Inner", "1").header("Vary", "Accept")).await;
    let gateway = Gateway::before(&origin)
        .also("headers: { request: { set: { X-Level: all, X-Edge: nilegate } } }")
        .routes(
            r#"
              - name: all
                upstream: origin
                headers:
                  request:
                    remove: [Cookie]
                    set: { X-Level: route }
                    append: { X-Tag: added }
                  response:
                    remove: [X-Inner]
                    append: { Vary: Origin }
            "#,
        )
        .start()
        .await;
    let answer = gateway
        .client()
        .get("/")
        .header("Cookie", "a=b")
        .header("X-Tag", "own")
        .header("X-Level", "no")
        .send()
        .await;

    let seen = origin.only_request();
    assert_eq!(seen.header("cookie"), None);
    assert_eq!((seen.header("x-level"), seen.header("x-edge")), (Some("route"), Some("nilegate")));
    assert_eq!(seen.header_values("x-tag"), ["own", "added"]);
    assert_eq!(answer.header("x-inner"), None);
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Origin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn protective_fields_server_and_via_follow_the_configuration() {
    let origin = Origin::start(|_| Answer::ok("ok").header("Server", "inner/1.0")).await;
    let gateway = Gateway::before(&origin)
        .also("forwarding: { via: true, server: nilegate }")
        .also("security_headers: { frame_options: SAMEORIGIN }")
        .start()
        .await;
    let answer = gateway.get("/").await;

    assert_eq!(answer.header("server"), Some("nilegate"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(answer.header("strict-transport-security"), None, "only over TLS");
    assert!(answer.header("via").unwrap().starts_with("1.1 "));
    assert!(origin.only_request().header("via").unwrap().starts_with("1.1 "));
}
