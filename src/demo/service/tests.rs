//! A service on real sockets: what only a connection can show.

use std::{net::SocketAddr, time::Duration};

use pingora_core::apps::ServerApp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::*;

/// The patients service, listening until the test ends. The socket is bound once and
/// kept, so that no other test can take its port.
async fn start() -> SocketAddr {
    let latency = Latency(Duration::from_millis(1));
    let app = App::new("patients-1", Resource::Patients, Arc::new(Store::new(1)), latency);
    let app = Arc::new(HttpServer::new_app(app));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (_keep_running, stopping) = watch::channel(false);
        while let Ok((stream, _)) = listener.accept().await {
            let (app, stopping) = (Arc::clone(&app), stopping.clone());
            let stream = pingora_core::protocols::l4::stream::Stream::from(stream);
            tokio::spawn(async move { app.process_new(Box::new(stream), &stopping).await });
        }
    });
    address
}

/// Everything that comes back for these bytes until the service closes.
async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn one_connection_carries_several_requests() {
    let body = r#"{"name": {"given": "Ada", "family": "Said"}}"#;
    let mut stream = TcpStream::connect(start().await).await.unwrap();
    let head = "HEAD /api/v2/patients/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(status_and_rest(&mut stream, head).await, ("HTTP/1.1 200 OK".to_owned(), String::new()));
    let post = format!(
        "POST /api/v2/patients HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, created) = status_and_rest(&mut stream, &post).await;
    assert_eq!(status, "HTTP/1.1 201 Created");
    let get = "GET /api/v2/patients/51 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(status_and_rest(&mut stream, get).await, ("HTTP/1.1 200 OK".to_owned(), created));
}

/// Sends a request and reads its one answer: the status line, and the body by its length.
async fn status_and_rest(stream: &mut TcpStream, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let is_head = request.starts_with("HEAD ");
    let mut body = vec![0; if is_head { 0 } else { length.unwrap() }];
    stream.read_exact(&mut body).await.unwrap();
    (head.lines().next().unwrap().to_owned(), String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn an_answer_names_its_service_and_its_length() {
    let request = "GET /api/v2/patients/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(start().await, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("\r\nx-served-by: patients-1\r\n") || head.ends_with("x-served-by: patients-1"),
        "{head}"
    );
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(head.contains("\r\ndate: "), "{head}");
    assert!(body.contains("\"given\""), "{body}");
}

#[tokio::test]
async fn a_body_that_is_too_long_ends_the_connection() {
    let long = "x".repeat(MAX_BODY + 1);
    let request = format!(
        "POST /api/v2/patients HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{long}",
        long.len()
    );
    let answer = exchange(start().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn failures_can_be_asked_for() {
    let request = "GET /api/v2/patients/1 HTTP/1.1\r\nHost: x\r\nX-Demo-Fail: 503@patients-1\r\nConnection: close\r\n\r\n";
    let answer = exchange(start().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("application/problem+json"), "{answer}");
}
