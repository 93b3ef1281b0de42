//! What lies between the requests of a connection: those sent ahead, and its end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, wait::in_time};

const GET: &str = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED_POST: &str =
    "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_ahead_is_held_up_however_many_requests_it_makes() {
    /// Far above what the sockets of both sides can hold, far below 64 KiB an answer.
    const MOST_UNANSWERED: u64 = 24 * 1024 * 1024;
    const ANSWERS: usize = 1000;
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).start().await;
    let (mut reader, mut writer) = TcpStream::connect(gateway.address()).await.unwrap().into_split();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let flood = tokio::spawn(async move {
        let requests = GET.repeat(1000);
        while writer.write_all(requests.as_bytes()).await.is_ok() {
            counter.fetch_add(requests.len() as u64, Ordering::Relaxed);
        }
    });
    let mut answers = 0;
    let mut buffer = Vec::new();
    while answers < ANSWERS {
        buffer.clear();
        assert!(in_time("an answer", reader.read_buf(&mut buffer)).await.unwrap() > 0);
        answers += memchr::memmem::find_iter(&buffer, "HTTP/1.1 200 ").count();
    }
    let unanswered = sent.load(Ordering::Relaxed) - (ANSWERS * GET.len()) as u64;
    assert!(unanswered < MOST_UNANSWERED, "{unanswered} bytes were taken ahead");
    flood.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_a_chunked_one_is_answered_too() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/first" => Answer::ok("first").hold(&hold),
        _ => Answer::ok("second"),
    })
    .await;
    let gateway = Gateway::before(&origin).start().await;

    let mut together = RawClient::connect(gateway.address()).await;
    together.send(format!("{CHUNKED_POST}{GET}")).await;
    origin.wait_begun(1).await;
    let mut later = RawClient::connect(gateway.address()).await;
    later.send(CHUNKED_POST).await;
    origin.wait_begun(2).await;
    later.send(GET).await;
    gate.open();
    for (what, client) in [("in one packet", &mut together), ("while the origin works", &mut later)] {
        assert_eq!(client.response().await.expect(what).text(), "first", "{what}");
        assert_eq!(client.response().await.expect(what).text(), "second", "{what}");
    }
    assert_eq!(origin.requests()[0].body, b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_a_declined_upgrade_is_answered_too() {
    let origin = Origin::start(|request| Answer::ok(&request.target)).await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    let upgrade = "GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(format!("{upgrade}{GET}")).await;
    assert_eq!(client.response().await.unwrap().text(), "/first");
    assert_eq!(client.response().await.unwrap().text(), "/second");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_which_the_connection_is_closed_says_so() {
    let origin = Origin::start(|_| Answer::garbage()).await;
    let gateway = Gateway::before(&origin).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send(GET).await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_is_counted_by_its_cause() {
    let never = Gate::closed();
    let hold = never.clone();
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/hangs" => Answer::ok("never").hold(&hold),
        "/garbage" => Answer::garbage(),
        _ => Answer::ok("ok"),
    })
    .await;
    let gateway = Gateway::before(&origin)
        .process("listeners", r#"[{ name: public, address: "@listener@" }]"#)
        .process("limits", "{ requests_per_connection: 2 }")
        .start()
        .await;
    let closed = async |reason: &str, count: f64| {
        let labels = [("listener", "public"), ("reason", reason)];
        gateway.wait_metric("proxy_connections_closed_total", &labels, count).await;
    };
    // Readiness was found out by a connection of the gateway to itself.
    closed("client", 1.0).await;

    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    ] {
        let mut polite = RawClient::connect(gateway.address()).await;
        polite.send(request).await;
        assert_eq!(polite.response().await.unwrap().status, 200);
        assert!(polite.is_closed().await);
    }
    closed("client", 4.0).await;

    let mut impatient = RawClient::connect(gateway.address()).await;
    impatient.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.wait_begun(4).await;
    drop(impatient);
    closed("reset", 1.0).await;

    let mut busy = RawClient::connect(gateway.address()).await;
    busy.send(GET.repeat(2)).await;
    assert_eq!(busy.response().await.unwrap().header("connection"), Some("keep-alive"));
    assert_eq!(busy.response().await.unwrap().header("connection"), Some("close"));
    closed("request_limit", 1.0).await;

    let mut unlucky = RawClient::connect(gateway.address()).await;
    unlucky.send("GET /garbage HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(unlucky.response().await.unwrap().status, 502);
    closed("server", 1.0).await;
    closed("client", 4.0).await;
}
