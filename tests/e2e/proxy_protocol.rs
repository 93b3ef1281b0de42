//! The PROXY protocol: who a load balancer in front of the gateway speaks for.

use crate::harness::{Gateway, Origin, RawClient, tls::Authority};

const PROXIED: &str = r#"[{ address: "@listener@", proxy_protocol: { from: [127.0.0.1/32] } }]"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_protocol_names_the_client() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).process("listeners", PROXIED).start().await;
    let version2: Vec<u8> = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[203, 0, 113, 8],
        &[127, 0, 0, 1],
        &56_324_u16.to_be_bytes(),
        &443_u16.to_be_bytes(),
    ]
    .concat();
    for (header, client_address) in [
        (b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\r\n".to_vec(), "203.0.113.7"),
        (version2, "203.0.113.8"),
    ] {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send([header, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()].concat()).await;
        assert_eq!(client.response().await.unwrap().status, 200);
        assert_eq!(origin.requests().last().unwrap().header("x-forwarded-for"), Some(client_address));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_the_demanded_proxy_header_is_refused() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).process("listeners", PROXIED).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.is_closed().await);
    gateway.wait_metric("proxy_connections_rejected_total", &[("reason", "proxy_protocol")], 1.0).await;
    assert!(origin.requests().is_empty());
}

const PROXIED_TLS: &str = r#"
    - address: "@listener@"
      proxy_protocol: { from: [127.0.0.1/32] }
      tls: { certificates: [{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_proxy_header_comes_before_the_handshake() {
    let authority = Authority::new();
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin);
    authority.leaf(&["a.test"]).write(gateway.directory(), "a");
    let gateway = gateway
        .process("listeners", PROXIED_TLS)
        .process("limits", "{ header_timeout: 500ms }")
        .start()
        .await;
    for (alpn, client_address) in [("http/1.1", "203.0.113.7"), ("h2", "203.0.113.8")] {
        let client = gateway.client().tls(authority.client(None, &[alpn]), "a.test");
        let client = client.ahead(format!("PROXY TCP4 {client_address} 127.0.0.1 56324 443\r\n"));
        let client = if alpn == "h2" { client.http2() } else { client };
        assert_eq!(client.get("/").send().await.text(), "ok");
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.header("x-forwarded-for"), Some(client_address));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        gateway.wait_for_log("the client", |line| line["client"] == client_address).await;
    }

    let bare = gateway.client().tls(authority.client(None, &[]), "a.test");
    assert!(bare.handshake().await.is_err(), "a handshake without the header");
    gateway.wait_metric("proxy_connections_rejected_total", &[("reason", "proxy_protocol")], 1.0).await;
    let mut slow = RawClient::connect(gateway.address()).await;
    slow.send("PROXY TCP4 203.0.113.7").await;
    assert!(slow.is_closed().await, "a header that does not end");
    gateway.wait_metric("proxy_connections_closed_total", &[("reason", "idle_timeout")], 1.0).await;
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_header_from_a_stranger_is_refused() {
    let authority = Authority::new();
    for listener in [PROXIED, PROXIED_TLS] {
        let origin = Origin::saying("ok").await;
        let gateway = Gateway::before(&origin);
        authority.leaf(&["a.test"]).write(gateway.directory(), "a");
        let gateway =
            gateway.process("listeners", &listener.replace("127.0.0.1/32", "192.0.2.0/24")).start().await;
        let labels = [("reason", "untrusted_peer")];
        let before = gateway.metrics().await.sum("proxy_connections_rejected_total", &labels);
        let mut client = RawClient::connect(gateway.address()).await;
        client.send("PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.is_closed().await);
        gateway.wait_metric("proxy_connections_rejected_total", &labels, before + 1.0).await;
        assert!(origin.requests().is_empty());
    }
}
