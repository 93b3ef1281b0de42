//! Ending and handing over without losing a request.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::harness::{Answer, Gate, Gateway, Load, Origin, RawClient, tls::Authority, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_under_way_finish_and_takes_no_new_ones() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |_| Answer::ok("finished").hold(&hold)).await;
    let mut gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.wait_begun(1).await;

    gateway.sigterm();
    let address = gateway.address();
    wait_until("new connections to be refused", async || {
        // No request: one that is still accepted would wait at the gate like the first.
        TcpStream::connect(address).await.is_err()
    })
    .await;
    gate.open();
    assert_eq!(client.response().await.unwrap().text(), "finished");
    let status = gateway.wait_exit().await;
    assert!(status.success(), "{status}");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_delay_it_serves_but_says_it_is_not_ready() {
    let gateway = Gateway::new()
        .process("shutdown", r#"{ upgrade_socket: "@dir@/upgrade.sock", drain_timeout: 1s, delay: 3s }"#)
        .traffic("routes: [{ name: all, respond: { body: ok } }]");
    let mut gateway = gateway.start().await;
    gateway.sigterm();
    wait_until("/readyz to say no", async || gateway.admin_status("/readyz").await == Some(503)).await;
    assert_eq!(gateway.admin_status("/livez").await, Some(200));
    assert_eq!(gateway.get("/").await.text(), "ok");
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_ends_when_its_time_is_up() {
    let never = Gate::closed();
    let hold = never.clone();
    let origin = Origin::start(move |_| Answer::ok("never").hold(&hold)).await;
    let mut gateway = Gateway::before(&origin)
        .process("shutdown", r#"{ upgrade_socket: "@dir@/upgrade.sock", drain_timeout: 1s }"#)
        .start()
        .await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.wait_begun(1).await;

    let asked = Instant::now();
    gateway.sigterm();
    gateway.wait_exit().await;
    let took = asked.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&took), "{took:?}");
    assert!(client.response().await.is_none_or(|answer| answer.status >= 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_the_end_up() {
    let mut gateway = Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]").start().await;
    let mut idle = RawClient::connect(gateway.address()).await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.response().await.unwrap().status, 200);
    let silent = RawClient::connect(gateway.address()).await;

    let asked = Instant::now();
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "the drain of 10s was used up: {:?}", asked.elapsed());
    assert!(idle.is_closed().await);
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_under_load_costs_no_request() {
    let origin = Origin::saying("ok").await;
    let mut gateway = Gateway::before(&origin).start().await;
    let old = gateway.pid();
    let load = Load::start(gateway.address(), "/", 8);
    load.wait_for_more(200).await;
    gateway.upgrade().await;
    load.wait_for_more(200).await;
    load.stop().await.assert_none_lost();

    assert_ne!(gateway.pid(), old);
    assert_eq!(gateway.get("/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pid_file_names_the_running_process() {
    let mut gateway = Gateway::new()
        .process("shutdown", r#"{ upgrade_socket: "@dir@/upgrade.sock", pid_file: "@dir@/pid" }"#)
        .traffic("routes: [{ name: all, respond: { body: ok } }]")
        .start()
        .await;
    let pid = std::fs::read_to_string(gateway.directory().join("pid")).unwrap();
    assert_eq!(pid.trim(), gateway.pid().to_string());
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_while_requests_finish() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |_| Answer::ok("finished").hold(&hold)).await;
    let mut gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.wait_begun(1).await;

    gateway.sigterm();
    let address = gateway.address();
    wait_until("the listeners to close", async || TcpStream::connect(address).await.is_err()).await;
    let answer = gateway.admin("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "draining");
    assert_eq!(gateway.admin_status("/livez").await, Some(200));
    assert_eq!(gateway.metrics().await.sum("active_connections", &[]), 1.0);

    gate.open();
    assert_eq!(client.response().await.unwrap().text(), "finished");
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_under_way_is_finished_and_its_request_answered() {
    let authority = Authority::new();
    let gateway = Gateway::new();
    authority.leaf(&["a.test"]).write(gateway.directory(), "a");
    let mut gateway = gateway
        .process(
            "listeners",
            r#"[{ address: "@listener@", tls: { certificates: [{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }] } }]"#,
        )
        .traffic("routes: [{ name: all, respond: { body: secure } }]")
        .start()
        .await;
    gateway.wait_metric("active_connections", &[], 0.0).await;
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    gateway.wait_metric("active_connections", &[], 1.0).await;

    gateway.sigterm();
    let address = gateway.address();
    wait_until("the listeners to close", async || TcpStream::connect(address).await.is_err()).await;
    let connector = TlsConnector::from(authority.client(None, &[]));
    let mut stream = connector.connect("a.test".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The gateway's process may be gone before it has closed TLS in good order.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("secure"), "{answer}");
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_to_nobody_is_not_begun() {
    let mut gateway = Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]").start().await;
    gateway.signal("QUIT");
    gateway.wait_for_stderr("nobody listens on").await;
    assert_eq!(gateway.get("/").await.text(), "ok");
    assert_eq!(gateway.admin_status("/readyz").await, Some(200));
    gateway.upgrade().await;
    assert_eq!(gateway.get("/").await.text(), "ok");
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_is_obeyed_while_waiting_for_a_successor() {
    let mut gateway = Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]").start().await;
    gateway.signal("QUIT");
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
    assert!(!gateway.stderr().contains("nobody listens on"), "it waited: {}", gateway.stderr());
}
