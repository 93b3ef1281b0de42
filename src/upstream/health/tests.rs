mod tls;

use std::{sync::Arc, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    config::{upstream::UpstreamProtocol, values::Period},
    upstream::{Upstream, backend::Backend, tests_support::config},
};

/// Makes a backend healthy or not, at once.
pub(in crate::upstream) fn mark(backend: &Arc<Backend>, healthy: bool) {
    let check = HealthCheck { path: None, host: None, timeout: Duration::ZERO, healthy: 1, unhealthy: 1 };
    backend.vigil().observe(healthy, &check);
}

fn check(healthy: u16, unhealthy: u16) -> HealthCheck {
    HealthCheck { path: None, host: None, timeout: Duration::ZERO, healthy, unhealthy }
}

#[test]
fn the_first_probe_decides_and_then_the_thresholds() {
    let check = check(2, 3);
    let vigil = Vigil::default();
    assert_eq!(vigil.health(), Health::Unknown);
    assert_eq!(vigil.observe(false, &check), Some(Health::Unhealthy));
    assert_eq!(vigil.observe(true, &check), None);
    assert_eq!(vigil.observe(false, &check), None, "breaks the streak");
    assert_eq!(vigil.observe(true, &check), None);
    assert_eq!(vigil.observe(true, &check), Some(Health::Healthy));
    assert_eq!([false, false].map(|good| vigil.observe(good, &check)), [None, None]);
    assert_eq!(vigil.health(), Health::Healthy);
    assert_eq!(vigil.observe(false, &check), Some(Health::Unhealthy));
    vigil.forget();
    assert_eq!(vigil.health(), Health::Unknown);
}

fn probe_config(path: Option<&str>) -> HealthCheckConfig {
    HealthCheckConfig {
        path: path.map(Into::into),
        host: None,
        interval: Period::secs(5),
        timeout: Period::millis(300),
        healthy: 2,
        unhealthy: 3,
    }
}

#[test]
fn bad_values_are_problems() {
    let paths = |config| match HealthCheck::compile(&config) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| p.path).collect::<Vec<_>>(),
    };
    assert_eq!(paths(probe_config(Some("health"))), ["path"]);
    let host = |host: &str| Some(host.to_owned());
    assert_eq!(paths(HealthCheckConfig { host: host("a b"), ..probe_config(Some("no")) }), ["path", "host"]);
    assert_eq!(paths(HealthCheckConfig { host: host("a"), ..probe_config(None) }), ["host"]);
    assert!(paths(HealthCheckConfig { host: host("a:80"), ..probe_config(Some("/live?x=1")) }).is_empty());
}

/// A backend that reads a request and gives this answer to each connection; what it read is returned.
async fn scripted(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).await.unwrap_or(0);
            sender.send(String::from_utf8_lossy(&request[..length]).into_owned()).ok();
            stream.write_all(answer.as_bytes()).await.ok();
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    (address, requests)
}

/// The health after one round of probes by this check.
async fn health_of(address: &str, check: HealthCheckConfig, protocol: UpstreamProtocol) -> Health {
    let mut config = config(&[address]);
    config.health_check = Some(check);
    config.protocol = protocol;
    let upstream = Upstream::build("origin", &config, None).unwrap();
    upstream.maintain(&Prober::new(), Instant::now()).await;
    upstream.backends()[0].health()
}

#[tokio::test]
async fn a_get_that_answers_2xx_is_healthy() {
    let (address, mut requests) = scripted("HTTP/1.1 204 No Content\r\n\r\n").await;
    let check = HealthCheckConfig { host: Some("shop.example".into()), ..probe_config(Some("/live?deep=1")) };
    assert_eq!(health_of(&address, check, UpstreamProtocol::Http1).await, Health::Healthy);
    let request = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /live?deep=1 http/1.1\r\n"), "{request}");
    for field in ["host: shop.example\r\n", "connection: close\r\n", "user-agent: nilegate-probe\r\n"] {
        assert!(request.contains(field), "{request}");
    }
}

#[tokio::test]
async fn the_host_is_the_backend_by_default() {
    let (address, mut requests) = scripted("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    health_of(&address, probe_config(Some("/")), UpstreamProtocol::Http1).await;
    assert!(requests.recv().await.unwrap().to_ascii_lowercase().contains(&format!("host: {address}\r\n")));
}

#[tokio::test]
async fn other_answers_silence_and_refusal_are_unhealthy() {
    for answer in
        ["HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n", "garbage\r\n\r\n", ""]
    {
        let (address, _requests) = scripted(answer).await;
        let health = health_of(&address, probe_config(Some("/")), UpstreamProtocol::Http1).await;
        assert_eq!(health, Health::Unhealthy, "{answer:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    assert_eq!(health_of(&closed, probe_config(None), UpstreamProtocol::Http1).await, Health::Unhealthy);
}

#[tokio::test]
async fn without_a_path_a_connection_is_enough() {
    let (address, _requests) = scripted("").await;
    assert_eq!(health_of(&address, probe_config(None), UpstreamProtocol::Http1).await, Health::Healthy);
}

#[tokio::test]
async fn http2_backends_are_probed_by_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let status = if request.uri().path() == "/live" { 200 } else { 404 };
            let response = http::Response::builder().status(status).body(()).unwrap();
            respond.send_response(response, true).unwrap();
        }
    });
    assert_eq!(
        health_of(&address, probe_config(Some("/live")), UpstreamProtocol::Http2).await,
        Health::Healthy
    );
}
