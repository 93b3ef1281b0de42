//! Connections that have switched to another protocol: from then on they carry no byte of ours.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, wait_until};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// An origin that switches protocols on its first connection, and what it does then.
async fn switching<F: Future<Output = ()> + Send>(
    then: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        then(stream).await;
    });
    address
}

async fn open(gateway: &Gateway) -> RawClient {
    let mut client = RawClient::connect(gateway.address()).await;
    client.send(UPGRADE).await;
    assert_eq!(client.head().await.unwrap().status, 101);
    gateway.wait_metric("proxy_websocket_connections", &[], 1.0).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_the_backend_resets_ends_without_a_byte_of_the_gateway() {
    let reset = Gate::closed();
    let wait = reset.clone();
    let origin = switching(async move |stream| {
        wait.wait().await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let gateway = Gateway::before(origin).start().await;
    let mut client = open(&gateway).await;
    reset.open();
    assert!(client.is_closed().await, "bytes came");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_tunnel_ends_at_its_own_limit_without_a_byte_of_the_gateway() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = switching(async move |_stream| hold.wait().await).await;
    let gateway = Gateway::before(origin)
        .upstream("timeouts: { tunnel: 200ms }")
        .upstream("circuit_breaker: { min_requests: 1 }")
        .start()
        .await;
    let mut client = open(&gateway).await;
    assert!(client.is_closed().await, "bytes came");
    let line = gateway.wait_for_log("the tunnel", |line| line["status"] == 101).await;
    assert_eq!(line["error"], "client_timeout", "{line}");
    assert_eq!(gateway.metrics().await.sum("proxy_upstream_errors_total", &[]), 0.0);
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_outlives_the_limits_of_a_response_and_of_a_body() {
    let origin = switching(async |mut stream| {
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let gateway = Gateway::before(origin)
        .process("limits", "{ body_timeout: 100ms }")
        .upstream("timeouts: { first_byte: 100ms, read: 100ms, total: 150ms }")
        .routes("- { name: all, upstream: origin, body_limit: 4B }")
        .start()
        .await;
    let mut client = open(&gateway).await;
    client.send_slowly("still", Duration::from_millis(200)).await;
    assert_eq!(client.at_least(5).await, b"still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_nobody_asked_for_is_no_answer() {
    let origin = Origin::start(|_| {
        Answer::raw(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        )
    })
    .await;
    let gateway = Gateway::before(&origin).start().await;
    for client in [gateway.client(), gateway.client().http2()] {
        let answer = client.get("/").send().await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_bad_response".into()));
    }
    wait_until("both requests at the origin", async || origin.requests().len() == 2).await;
    let failed = [("reason", "upstream_bad_response")];
    assert_eq!(gateway.metrics().await.sum("proxy_upstream_errors_total", &failed), 2.0);
}
