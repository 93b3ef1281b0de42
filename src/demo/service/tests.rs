//! The services on real sockets: what only a connection can show.

use std::{net::SocketAddr, time::Duration};

use pingora_core::services::ServiceReadyNotifier;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::*;
use crate::demo::{Addresses, EmbeddedService, Platform};

/// The patients service, listening until the test ends.
async fn start() -> SocketAddr {
    let addresses = Addresses::free().unwrap();
    let mut services = Platform::new(1, Duration::from_millis(1)).services(&addresses);
    let EmbeddedService { name, address, mut service } = services.swap_remove(0);
    assert_eq!(name, "patients-1");
    let (stop, stopping) = watch::channel(false);
    let (ready, _) = watch::channel(false);
    tokio::spawn(async move {
        let _keep_running = stop;
        service.start_service(None, stopping, 1, ServiceReadyNotifier::new(ready)).await;
    });
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening).await.unwrap();
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
    let body = r#"{"firstName": "Ada", "lastName": "Said"}"#;
    let mut stream = TcpStream::connect(start().await).await.unwrap();
    let head = "HEAD /api/v1/patients/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(status_and_rest(&mut stream, head).await, ("HTTP/1.1 200 OK".to_owned(), String::new()));
    let post = format!(
        "POST /api/v1/patients HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, created) = status_and_rest(&mut stream, &post).await;
    assert_eq!(status, "HTTP/1.1 201 Created");
    let get = "GET /api/v1/patients/51 HTTP/1.1\r\nHost: x\r\n\r\n";
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
    let request = "GET /api/v1/patients/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(start().await, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("\r\nx-served-by: patients-1\r\n") || head.ends_with("x-served-by: patients-1"),
        "{head}"
    );
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(head.contains("\r\ndate: "), "{head}");
    assert!(body.contains("\"firstName\""), "{body}");
}

#[tokio::test]
async fn a_body_that_is_too_long_ends_the_connection() {
    let long = "x".repeat(MAX_BODY + 1);
    let request = format!(
        "POST /api/v1/patients HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{long}",
        long.len()
    );
    let answer = exchange(start().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn failures_can_be_asked_for() {
    let request = "GET /api/v1/patients/1 HTTP/1.1\r\nHost: x\r\nX-Demo-Fail: 503@patients-1\r\nConnection: close\r\n\r\n";
    let answer = exchange(start().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("application/problem+json"), "{answer}");
}
