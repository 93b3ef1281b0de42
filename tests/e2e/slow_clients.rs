//! Clients that send or read slowly: served as long as they move, and no fault of the backend.

use std::{fmt::Display, time::Duration};

use http::Request;
use tokio::net::TcpStream;

use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, gateway::Builder, h2_origin, wait::in_time};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";

/// A gateway whose circuit opens at the first failure of the backend.
fn strict(protocol: &str, origin: impl Display, timeouts: &str) -> Builder {
    Gateway::before(origin)
        .process("limits", "{ body_timeout: 400ms }")
        .upstream(&format!("protocol: {protocol}"))
        .upstream(&format!("timeouts: {timeouts}"))
        .upstream("circuit_breaker: { min_requests: 1 }")
}

/// The backend was not blamed: no failure was counted, and it still gets requests.
async fn assert_no_word_against_the_backend(gateway: &Gateway) {
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(gateway.metrics().await.sum("proxy_upstream_errors_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_upload_may_take_longer_than_the_backend_may_for_its_answer() {
    let http1 = Origin::saying("ok").await;
    let http2 = h2_origin::H2Origin::start(|_| h2_origin::H2Answer::ok(&["ok"])).await;
    for (protocol, origin) in [("http1", http1.address()), ("http2", http2.address())] {
        let gateway = strict(protocol, origin, "{ first_byte: 200ms, read: 200ms }").start().await;
        let mut client = RawClient::connect(gateway.address()).await;
        client.send(POST).await;
        client.send_slowly("8 bytes.", Duration::from_millis(60)).await;
        assert_eq!(client.response().await.unwrap().text(), "ok", "{protocol}");
        assert_no_word_against_the_backend(&gateway).await;
    }
    assert_eq!(http2.requests()[0].body, "8 bytes.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_sending_is_told_so_and_the_backend_is_not_blamed() {
    let origin = Origin::saying("ok").await;
    let gateway = strict("http1", &origin, "{ first_byte: 100ms, read: 100ms }").start().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = RawClient::connect(gateway.address()).await;
        client.send(format!("{POST}ab")).await;
        clients.push(client);
    }
    for client in &mut clients {
        let answer = client.response().await.unwrap();
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(answer.text().contains("client_timeout"), "{answer:?}");
    }
    assert_no_word_against_the_backend(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_total_passes_during_an_upload_without_a_word_against_the_backend() {
    let origin = Origin::saying("ok").await;
    let gateway = strict("http1", &origin, "{ total: 150ms }").start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send(format!("{POST}ab")).await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.text().contains("total_timeout"), "{answer:?}");
    assert_no_word_against_the_backend(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_silent_after_the_whole_request_is_blamed() {
    let hold = Gate::closed();
    let held = hold.clone();
    let origin = Origin::start(move |_| Answer::ok("late").hold(&held)).await;
    let gateway = strict("http1", &origin, "{ first_byte: 100ms, read: 10s }").start().await;
    for (http2, code) in [(false, "upstream_timeout"), (true, "circuit_open")] {
        let client = if http2 { gateway.client().http2() } else { gateway.client() };
        assert_eq!(client.post("/", "8 bytes.").send().await.json()["code"], code);
    }
    hold.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_gets_the_whole_response() {
    const SIZE: usize = 60 << 20;
    let origin = Origin::start(|_| Answer::ok(vec![b'x'; SIZE])).await;
    let gateway = strict("http1", &origin, "{ first_byte: 10s, read: 200ms }").start().await;
    let mut client = RawClient::connect_narrow(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let head = client.head().await.unwrap();
    assert_eq!(head.header("content-length"), Some(SIZE.to_string().as_str()));
    // The backend has sent ahead, so one pause alone might end with luck.
    let body = client.read_with_pauses(4 << 20, 7, Duration::from_millis(300)).await;
    assert_eq!(body.len(), SIZE);
    assert_eq!(gateway.metrics().await.sum("proxy_upstream_errors_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_stops_in_the_middle_of_its_response_is_noticed() {
    let hold = Gate::closed();
    let held = hold.clone();
    let origin = Origin::start(move |_| Answer::ok("cut off").hold_body(&held)).await;
    let gateway = strict("http1", &origin, "{ first_byte: 10s, read: 100ms }").start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    assert_eq!(client.read_to_end().await, b"c");
    gateway.wait_metric("proxy_upstream_timeouts_total", &[("phase", "read")], 1.0).await;
    hold.open();
}

/// Pingora has no limit of its own for the body of an HTTP/2 request.
#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_stops_sending_is_told_so() {
    let http1 = Origin::saying("ok").await;
    let http2 = h2_origin::H2Origin::start(|_| h2_origin::H2Answer::ok(&["ok"])).await;
    for (protocol, origin) in [("http1", http1.address()), ("http2", http2.address())] {
        let gateway = strict(protocol, origin, "{ first_byte: 30s, read: 30s }").start().await;
        let stream = TcpStream::connect(gateway.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        for begun in [&b""[..], b"some"] {
            let mut client = client.clone().ready().await.unwrap();
            let post = Request::post(format!("http://{}/", gateway.address())).body(()).unwrap();
            let (answer, mut body) = client.send_request(post, false).unwrap();
            if !begun.is_empty() {
                body.send_data(begun.into(), false).unwrap();
            }
            let answer = in_time("the refusal", answer).await.unwrap();
            assert_eq!(answer.status(), 408, "{protocol}");
        }
        let in_flight = [("upstream", "origin")];
        gateway.wait_metric("proxy_upstream_requests_in_flight", &in_flight, 0.0).await;
        assert_no_word_against_the_backend(&gateway).await;
    }
}
