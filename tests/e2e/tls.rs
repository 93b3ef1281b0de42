//! TLS on both sides: certificates by name, reloaded, demanded, checked.

use std::sync::Arc;

use tokio_rustls::rustls::{ClientConfig, ProtocolVersion};

use crate::harness::{
    Answer, Client, Gateway, Origin, RawClient,
    gateway::Builder,
    h2_origin::{H2Answer, H2Origin},
    tls::Authority,
    wait_until,
};

/// A gateway with a TLS listener; `extra` goes into its `tls:` mapping.
fn secure(gateway: Builder, extra: &str) -> Builder {
    gateway
        .process(
            "listeners",
            &format!(
                r#"[{{ address: "@listener@", tls: {{ certificates: [{{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }}, {{ certificate: "@dir@/b.pem", key: "@dir@/b.key" }}]{extra} }} }}]"#
            ),
        )
        .traffic(r#"routes: [{ name: all, respond: { body: secure } }]"#)
}

/// A gateway whose certificates for `a.test` and `*.b.test` are signed by this authority.
fn with_leaves(authority: &Authority, extra: &str) -> Builder {
    let gateway = Gateway::new();
    authority.leaf(&["a.test"]).write(gateway.directory(), "a");
    authority.leaf(&["*.b.test"]).write(gateway.directory(), "b");
    authority.write(gateway.directory());
    secure(gateway, extra)
}

/// The certificate that is presented to a client asking for this name.
async fn presented(client: &Client) -> Vec<u8> {
    let stream = client.handshake().await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_take_up_a_session_are_told_from_full_ones() {
    let authority = Authority::new();
    let gateway = with_leaves(&authority, "").start().await;
    for (config, resumed) in [(authority.client(None, &["http/1.1"]), 1.0), (authority.old_client(), 2.0)] {
        // Both versions: the second handshake of a client goes on where its first has ended.
        for _ in 0..2 {
            let client = gateway.client().tls(Arc::clone(&config), "a.test");
            assert_eq!(client.get("/").send().await.text(), "secure");
        }
        gateway.wait_metric("proxy_tls_sessions_resumed_total", &[], resumed).await;
    }
    gateway.wait_metric("proxy_tls_handshakes_total", &[("result", "success")], 4.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_name_chooses_the_certificate() {
    let authority = Authority::new();
    let gateway = with_leaves(&authority, "").start().await;
    let config = authority.client(None, &["h2", "http/1.1"]);
    for name in ["a.test", "x.b.test"] {
        let client = gateway.client().tls(Arc::clone(&config), name);
        let answer = client.clone().http2().get("/").send().await;
        assert_eq!(answer.text(), "secure", "{name}");
        let stream = client.handshake().await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "{name}");
    }
    // The first certificate answers a name that none covers; the client then refuses it.
    assert!(gateway.client().tls(config, "c.test").handshake().await.is_err());
    let agreed = [("version", "TLSv1.3"), ("result", "success")];
    gateway.wait_metric("proxy_tls_handshakes_total", &agreed, 4.0).await;
    gateway.wait_metric("proxy_tls_handshake_errors_total", &[("reason", "client_alert")], 1.0).await;
    gateway.wait_metric("proxy_tls_handshake_duration_seconds_count", &[], 4.0).await;
    let old_fashioned = authority.client(None, &["http/1.1"]);
    assert_eq!(gateway.client().tls(old_fashioned, "a.test").get("/").send().await.text(), "secure");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_certificate_files_are_taken_up_and_broken_ones_refused() {
    let authority = Authority::new();
    let gateway = with_leaves(&authority, "").start().await;
    let client = gateway.client().tls(authority.client(None, &[]), "a.test");
    let old = presented(&client).await;

    let new = authority.leaf(&["a.test"]);
    new.write(gateway.directory(), "a");
    wait_until("the new certificate", async || presented(&client).await == new.der().to_vec()).await;
    assert_ne!(old, new.der().to_vec());

    let failures = async || {
        let result = [("result", "failure")];
        gateway.metrics().await.sum("proxy_tls_certificate_reloads_total", &result)
    };
    let before = failures().await;
    std::fs::write(gateway.directory().join("a.pem"), "not a certificate").unwrap();
    wait_until("the broken file to be noticed", async || failures().await > before).await;
    assert_eq!(presented(&client).await, new.der().to_vec(), "the good one stays in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_can_be_demanded() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let gateway = with_leaves(&authority, r#", client_auth: { ca: "@dir@/ca.pem" }"#).start().await;
    let get = async |config: Arc<ClientConfig>| {
        gateway.client().tls(config, "a.test").get("/").try_send().await.map(|answer| answer.status).ok()
    };
    let me = authority.leaf(&["me"]);
    assert_eq!(get(authority.client(Some(&me), &[])).await, Some(200));
    assert_eq!(get(authority.client(None, &[])).await, None, "no certificate");
    let them = stranger.leaf(&["me"]);
    assert_eq!(get(authority.client(Some(&them), &[])).await, None, "signed by someone else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_can_be_optional() {
    let authority = Authority::new();
    let gateway =
        with_leaves(&authority, r#", client_auth: { ca: "@dir@/ca.pem", mode: optional }"#).start().await;
    let get = async |config: Arc<ClientConfig>| {
        gateway.client().tls(config, "a.test").get("/").try_send().await.map(|answer| answer.status).ok()
    };
    assert_eq!(get(authority.client(None, &[])).await, Some(200));
    let them = Authority::new().leaf(&["me"]);
    assert_eq!(get(authority.client(Some(&them), &[])).await, None, "a wrong one is worse than none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_version_is_kept_to() {
    let authority = Authority::new();
    let both = with_leaves(&authority, "").start().await;
    let new_only = with_leaves(&authority, r#", min_version: "1.3""#).start().await;

    let stream = both.client().tls(authority.old_client(), "a.test").handshake().await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let stream = both.client().tls(authority.client(None, &[]), "a.test").handshake().await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert!(new_only.client().tls(authority.old_client(), "a.test").handshake().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_backend_is_told_and_the_client_protected() {
    let authority = Authority::new();
    let origin = Origin::start(|_| Answer::ok("ok")).await;
    let gateway = with_leaves(&authority, "")
        .backend(&origin)
        .also("security_headers: { hsts: 1h, hsts_subdomains: true }")
        .start()
        .await;
    let answer = gateway.client().tls(authority.client(None, &[]), "a.test").get("/").send().await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=3600; includeSubDomains"));
    assert_eq!(origin.only_request().header("x-forwarded-proto"), Some("https"));
    let line = gateway.wait_for_log("the request", |line| line["status"] == 200).await;
    assert_eq!(line["tls_version"], "TLSv1.3");
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_are_verified_and_given_our_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let leaf = authority.leaf(&["origin.test"]);
    let origin = H2Origin::start_tls(leaf.server(Some(&authority), &["h2"]), |_| H2Answer::ok(&["ok"])).await;
    let gateway = Gateway::new();
    authority.write(gateway.directory());
    std::fs::create_dir(gateway.directory().join("other")).unwrap();
    stranger.write(&gateway.directory().join("other"));
    authority.leaf(&["gateway"]).write(gateway.directory(), "me");
    let gateway = gateway
        .set("origin", &origin)
        .traffic(
            r#"
            upstreams:
              good:
                backends: ["@origin@"]
                protocol: http2
                tls: { sni: origin.test, ca: "@dir@/ca.pem", client_certificate: { certificate: "@dir@/me.pem", key: "@dir@/me.key" } }
              anonymous: { backends: ["@origin@"], protocol: http2, tls: { sni: origin.test, ca: "@dir@/ca.pem" } }
              wrong-name: { backends: ["@origin@"], protocol: http2, tls: { sni: other.test, ca: "@dir@/ca.pem", client_certificate: { certificate: "@dir@/me.pem", key: "@dir@/me.key" } } }
              wrong-ca: { backends: ["@origin@"], protocol: http2, tls: { sni: origin.test, ca: "@dir@/other/ca.pem", client_certificate: { certificate: "@dir@/me.pem", key: "@dir@/me.key" } } }
            routes:
              - { name: good, match: { path: /good }, upstream: good }
              - { name: anonymous, match: { path: /anonymous }, upstream: anonymous }
              - { name: wrong-name, match: { path: /wrong-name }, upstream: wrong-name }
              - { name: wrong-ca, match: { path: /wrong-ca }, upstream: wrong-ca }
            "#,
        )
        .start()
        .await;
    assert_eq!(gateway.get("/good").await.text(), "ok");
    for path in ["/anonymous", "/wrong-name", "/wrong-ca"] {
        assert_eq!(gateway.get(path).await.status, 502, "{path}");
    }
    assert_eq!(origin.requests().len(), 1);
}

/// A gateway with one TLS listener named `secure`; `extra` goes into its mapping.
async fn one_listener(authority: &Authority, extra: &str, limits: &str) -> Gateway {
    let gateway = Gateway::new();
    authority.leaf(&["a.test"]).write(gateway.directory(), "a");
    let tls = r#"{ certificates: [{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }] }"#;
    gateway
        .process("listeners", &format!(r#"[{{ name: secure, address: "@listener@", tls: {tls}{extra} }}]"#))
        .process("limits", limits)
        .traffic("routes: [{ name: all, respond: { body: secure } }]")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_counts_before_its_handshake_is_done() {
    let authority = Authority::new();
    let gateway = one_listener(&authority, ", max_connections: 5", "{ header_timeout: 10s }").await;
    gateway.wait_metric("active_connections", &[], 0.0).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(RawClient::connect(gateway.address()).await);
    }
    let labels = [("listener", "secure"), ("reason", "connection_limit")];
    gateway.wait_metric("proxy_connections_rejected_total", &labels, 15.0).await;
    let unknown = [("listener", "secure"), ("protocol", "_unknown")];
    gateway.wait_metric("proxy_connections", &unknown, 5.0).await;
    drop(silent);
    gateway.wait_metric("active_connections", &[], 0.0).await;
    let client = gateway.client().tls(authority.client(None, &[]), "a.test");
    assert_eq!(client.get("/").send().await.text(), "secure");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_fail_or_do_not_end_are_counted() {
    let authority = Authority::new();
    let gateway = one_listener(&authority, "", "{ header_timeout: 300ms }").await;
    let closed = async |reason: &str, count: f64| {
        let labels = [("listener", "secure"), ("reason", reason)];
        gateway.wait_metric("proxy_connections_closed_total", &labels, count).await;
    };
    // Readiness was found out by a connection of the gateway to itself, which is no failure.
    closed("client", 1.0).await;
    assert!(!gateway.stderr().contains("ERROR"), "{}", gateway.stderr());

    let mut silent = RawClient::connect(gateway.address()).await;
    assert!(silent.is_closed().await);
    closed("idle_timeout", 1.0).await;

    let mut plain = RawClient::connect(gateway.address()).await;
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    plain.read_to_end().await;
    closed("tls_failed", 1.0).await;
    assert!(!gateway.stderr().contains("ERROR"), "{}", gateway.stderr());
}
