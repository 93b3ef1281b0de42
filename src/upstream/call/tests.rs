use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::upstream::Health;

/// A backend that answers each connection by the script: as many requests as it has texts.
async fn backend(script: &'static [&'static [&'static str]]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut held = Vec::new();
        for answers in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in *answers {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            if answers.contains(&SILENCE) {
                held.push(stream);
            }
        }
        std::future::pending::<()>().await;
    });
    (port, requests)
}

fn upstream(ports: &[u16], keys: &str) -> Arc<Upstream> {
    let backends: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let yaml = format!("{{ backends: [{}]{keys} }}", backends.join(", "));
    Upstream::build("auth", &serde_yaml::from_str(&yaml).unwrap(), None).unwrap()
}

fn call(body_max: usize, timeout: Duration) -> Call<'static> {
    Call { method: Method::GET, path: "/keys?a=1", host: None, headers: HeaderMap::new(), body_max, timeout }
}

fn plain() -> Call<'static> {
    call(1024, Duration::from_secs(10))
}

/// Instead of an answer.
const SILENCE: &str = "";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok";

#[tokio::test]
async fn answers_come_whole_and_connections_are_kept() {
    let (port, requests) = backend(&[&[
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok",
        OK,
    ]])
    .await;
    let (upstream, caller) = (upstream(&[port], ""), Caller::default());
    for _ in 0..2 {
        let answer = caller.call(&upstream, &plain()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"ok"[..]));
        assert_eq!(answer.headers["x-a"], "1");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 2, "both on the one connection there is");
    assert_eq!(upstream.backends()[0].in_flight(), 0);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let (port, _) = backend(&[&[OK], &[OK]]).await;
    let (upstream, caller) = (upstream(&[port], ""), Caller::default());
    for _ in 0..2 {
        caller.call(&upstream, &plain()).await.unwrap();
    }
    assert_eq!(upstream.backends()[0].failures(), 0);
}

#[tokio::test]
async fn another_backend_is_asked_when_one_is_gone() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (port, _) = backend(&[&[OK]]).await;
    let keys = ", retry: { attempts: 2, min_per_second: 10 }";
    let (upstream, caller) = (upstream(&[gone, port], keys), Caller::default());
    assert!(caller.call(&upstream, &plain()).await.is_ok());
    assert_eq!(upstream.backends()[0].failures() + upstream.backends()[1].failures(), 1);
    assert_ne!(upstream.backends()[1].health(), Health::Unhealthy);
}

#[tokio::test]
async fn bodies_and_waits_have_an_end() {
    let (port, _) = backend(&[&[OK], &[SILENCE]]).await;
    let (upstream, caller) = (upstream(&[port], ", retry: { attempts: 1 }"), Caller::default());
    let large = caller.call(&upstream, &call(1, Duration::from_secs(10))).await;
    assert!(matches!(large, Err(CallFailed::Broken { .. })), "{large:?}");
    let slow = caller.call(&upstream, &call(1024, Duration::from_millis(50))).await;
    assert!(matches!(slow, Err(CallFailed::Timeout { .. })), "{slow:?}");
    let backend = &upstream.backends()[0];
    assert_eq!((backend.in_flight(), backend.failures()), (0, 2), "what is given up counts against it");
}
