//! Requests that break HTTP are refused, counted, and never reach a backend in an ambiguous form.

use crate::harness::{
    Gateway, Origin, RawClient,
    h2_frame::{
        END_HEADERS, END_STREAM, GET_ROOT, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, frames,
    },
};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends the bytes and wants a 4xx or 5xx of ours or a closed connection, and nothing at the origin.
async fn refused(gateway: &Gateway, origin: &Origin, what: &str, bytes: &[u8]) {
    let mut client = RawClient::connect(gateway.address()).await;
    client.send(bytes).await;
    client.finish().await;
    let answer = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
    let status = answer.get(9..12).unwrap_or("none");
    assert!(
        answer.is_empty() || status.starts_with('4') || status == "501" || status == "505",
        "{what}: answered with {answer:?}"
    );
    assert_eq!(answer.matches("HTTP/1.").count(), usize::from(!answer.is_empty()), "{what}: {answer:?}");
    let received = origin.received().concat();
    assert!(received.is_empty(), "{what}: the origin got {:?}", String::from_utf8_lossy(&received));
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_framing_is_refused() {
    let origin = Origin::saying("reached").await;
    let gateway = Gateway::before(&origin).start().await;
    for (what, fields) in [
        ("both framings", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("both, other order", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        ("list of lengths", "Content-Length: 5, 6"),
        ("signed length", "Content-Length: +5"),
        ("negative length", "Content-Length: -1"),
        ("hex length", "Content-Length: 0x5"),
        ("length with a letter", "Content-Length: 5a"),
        ("huge length", "Content-Length: 18446744073709551616"),
        ("empty length", "Content-Length:"),
        ("unknown coding", "Transfer-Encoding: gzip"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked"),
        ("chunked twice in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("coding hidden by a tab", "Transfer-Encoding:\x0bchunked"),
        ("blank before the colon", "Transfer-Encoding : chunked"),
        ("length with a blank before the colon", "Content-Length : 5"),
        ("folded field", "X: a\r\n b\r\nContent-Length: 5"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        refused(&gateway, &origin, what, request.as_bytes()).await;
    }
    let metrics = gateway.metrics().await;
    for reason in ["ambiguous_length", "invalid_content_length", "invalid_field_name"] {
        assert!(
            metrics.sum("proxy_bad_requests_total", &[("reason", reason)]) > 0.0,
            "{reason} was not counted"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_do_not_belong_into_a_head_are_refused() {
    let origin = Origin::saying("reached").await;
    let gateway = Gateway::before(&origin).start().await;
    for (what, request) in [
        ("NUL in a value", &b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"[..]),
        ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
        ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n"),
        ("blank in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n"),
        ("empty name", b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"),
        ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
        ("field before the first line ends", b"GET /\r\nHost: a\r\n\r\n"),
        ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("blank in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("backtick in the path", b"GET /a`b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("method with a control byte", b"GE\x01T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("version of the future", b"GET / HTTP/3.7\r\nHost: a\r\n\r\n"),
        ("lower-case version", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
        ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ] {
        refused(&gateway, &origin, what, request).await;
    }
    let metrics = gateway.metrics().await;
    for reason in ["invalid_field_value", "missing_host", "unsupported_version"] {
        assert!(
            metrics.sum("proxy_bad_requests_total", &[("reason", reason)]) > 0.0,
            "{reason} was not counted"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_its_own_status() {
    let origin = Origin::saying("reached").await;
    let gateway = Gateway::before(&origin)
        .process("limits", "{ headers: 20, header_bytes: 4KiB, uri_bytes: 1KiB, body: 1KiB }")
        .start()
        .await;
    let many: String = (0..30).map(|n| format!("X-{n}: a\r\n")).collect();
    for (what, request, status, reason) in [
        ("target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(2000)), 414, "target_too_long"),
        ("fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431, "too_many_fields"),
        (
            "head",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(5000)),
            431,
            "head_too_large",
        ),
        (
            "body",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n".to_owned(),
            413,
            "body_too_large",
        ),
    ] {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send(&request).await;
        let answer = client.response().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
        // A request that got as far as Pingora is counted behind its answer.
        gateway.wait_metric("proxy_bad_requests_total", &[("reason", reason)], 1.0).await;
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_that_grows_too_large_is_cut_off() {
    let origin = Origin::saying("reached").await;
    let gateway = Gateway::before(&origin).process("limits", "{ body: 1KiB }").start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send(format!("800\r\n{}\r\n0\r\n\r\n", "a".repeat(0x800))).await;
    assert_eq!(client.response().await.unwrap().status, 413);
    assert!(origin.requests().is_empty(), "the origin must not take it for a whole request");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_chunks_never_look_whole_to_the_origin() {
    let origin = Origin::saying("reached").await;
    let gateway = Gateway::before(&origin).start().await;
    let broken = [
        ("not a number", "zz\r\nabc\r\n0\r\n\r\n"),
        ("negative", "-1\r\nabc\r\n0\r\n\r\n"),
        ("with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("huge", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("bare line feeds", "3\nabc\n0\n\n"),
        ("no line end after the chunk", "3\r\nabcX0\r\n\r\n"),
        ("more than was announced", "3\r\nabcX\r\n0\r\n\r\n"),
        ("broken trailer", "3\r\nabc\r\n0\r\nX: y\n\n"),
    ];
    let ends_early = ("ends early", "5\r\nab");
    for (what, body) in broken.into_iter().chain([ends_early]) {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        client.send(body).await;
        client.finish().await;
        let answer = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
        assert!(origin.requests().is_empty(), "{what}: {:?}", origin.requests());
        if what == ends_early.0 {
            assert!(answer.is_empty(), "{what}: {answer}");
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert!(answer.contains("\"code\":\"invalid_chunk\""), "{what}: {answer}");
    }
    let count = broken.len() as f64;
    gateway.wait_metric("proxy_bad_requests_total", &[("reason", "invalid_chunk")], count).await;
    gateway.wait_metric("proxy_connections_closed_total", &[("reason", "protocol_error")], count).await;
    let line = gateway.wait_for_log("a broken body", |line| line["detail"] == "invalid_chunk").await;
    assert_eq!(line["error"], "bad_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_and_an_idle_connection_are_ended() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .process("limits", "{ header_timeout: 200ms, idle_timeout: 200ms }")
        .start()
        .await;

    let mut slow = RawClient::connect(gateway.address()).await;
    slow.send("GET / HTTP/1.1\r\nHost: a\r\nX: ").await;
    let answer = String::from_utf8_lossy(&slow.read_to_end().await).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");

    let mut idle = RawClient::connect(gateway.address()).await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.response().await.unwrap().status, 200);
    assert!(idle.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .process("listeners", r#"[{ name: small, address: "@listener@", max_connections: 2 }]"#)
        .start()
        .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().status, 200);
        held.push(client);
    }
    let mut third = RawClient::connect(gateway.address()).await;
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(third.is_closed().await);
    let labels = [("listener", "small"), ("reason", "connection_limit")];
    gateway.wait_metric("proxy_connections_rejected_total", &labels, 1.0).await;

    drop(held);
    crate::harness::wait_until("room for another connection", async || {
        gateway.client().get("/").try_send().await.is_ok()
    })
    .await;
}

/// CVE-2023-44487: requests that are taken back at once cost the client nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_streams_reset_at_once_ends_the_connection_and_not_the_process() {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let bystander = gateway.client();
    let mut flood = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET_ROOT));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    let mut client = RawClient::connect(gateway.address()).await;
    client.send(flood).await;
    let received = frames(&client.read_to_end().await);
    if let Some(goaway) = received.iter().find(|frame| frame.kind == GOAWAY) {
        assert_eq!(goaway.payload[4..8], ENHANCE_YOUR_CALM, "{goaway:?}");
    }
    assert!(origin.requests().len() < 1000, "{} of the flood reached the origin", origin.requests().len());
    assert_eq!(bystander.get("/").send().await.status, 200);
    gateway.wait_metric("proxy_requests_in_flight", &[], 0.0).await;
    gateway.wait_metric("proxy_connections", &[], 0.0).await;
}
