//! Clients of one HTTP version before backends of another.

use crate::harness::{
    Answer, Gateway, Origin, RawClient,
    h2_origin::{H2Answer, H2Origin},
};

/// RFC 9112 section 6.1: nobody sends a transfer coding to a client that may not know it.
#[tokio::test(flavor = "multi_thread")]
async fn an_http10_client_gets_a_body_that_ends_with_the_connection() {
    let http1 = Origin::start(|_| Answer::status(200).chunked(["a", "bc"])).await;
    let http2 = H2Origin::start(|_| H2Answer::ok(&["a", "bc"])).await;
    for (protocol, origin) in [("http1", http1.address()), ("http2", http2.address())] {
        let gateway = Gateway::before(origin).upstream(&format!("protocol: {protocol}")).start().await;
        let mut client = RawClient::connect(gateway.address()).await;
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
        let answer = client.response().await.unwrap();
        assert_eq!(answer.header("transfer-encoding"), None, "{protocol}: {}", answer.head);
        assert_eq!(answer.header("connection"), Some("close"), "{protocol}: {}", answer.head);
        assert_eq!(answer.text(), "abc", "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http10_connection_is_kept_where_the_length_is_known() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().text(), "ok");
    }
}

/// RFC 9113 section 8.2.3: a server that is not told so would see the first crumb only.
#[tokio::test(flavor = "multi_thread")]
async fn the_cookies_of_an_http2_client_reach_the_backend_as_one_field() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let client = gateway.client().http2();
    client.get("/").header("cookie", "a=b").header("cookie", "c=d").header("cookie", "e=f").send().await;
    assert_eq!(origin.only_request().header("cookie"), Some("a=b; c=d; e=f"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_upload_is_rewritten_like_any_other_request() {
    let http1 = Origin::saying("ok").await;
    let http2 = H2Origin::start(|_| H2Answer::ok(&["ok"])).await;
    for (protocol, origin) in [("http1", http1.address()), ("http2", http2.address())] {
        let gateway = Gateway::before(origin)
            .upstream(&format!("protocol: {protocol}"))
            .routes(
                r#"
                - name: all
                  match: { path: "/a/**" }
                  upstream: origin
                  rewrite: { strip_prefix: /a, host: inner.test }
                "#,
            )
            .start()
            .await;
        let answer = gateway.client().http2().post("/a/b?c", "body").host("outer.test").send().await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{protocol}");
    }
    let seen = http1.only_request();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/b?c", Some("inner.test")));
    assert_eq!((seen.header("x-forwarded-host"), &seen.body[..]), (Some("outer.test"), &b"body"[..]));
    let seen = &http2.requests()[0];
    assert_eq!((seen.path.as_str(), seen.authority.as_deref()), ("/b?c", Some("inner.test")));
    assert_eq!(seen.body, "body");
}
