//! What stands behind the gateway.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{Answer, Origin, origin::Recorded};

/// A service whose answers suit every route.
pub async fn service() -> Origin {
    let asked = Arc::new(AtomicUsize::new(0));
    Origin::start(move |request| answer(request, asked.fetch_add(1, Ordering::Relaxed))).await
}

fn answer(request: &Recorded, number: usize) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    let text = || Answer::ok("all work and no play ".repeat(50)).header("Content-Type", "text/plain");
    match path {
        "/kept/text" => text().header("Cache-Control", "max-age=1").header("ETag", "\"one\""),
        "/kept/confirmed" if request.header("if-none-match").is_some() => {
            Answer::status(304).header("Cache-Control", "max-age=1").header("ETag", "\"one\"")
        }
        "/kept/confirmed" => text().header("Cache-Control", "max-age=1").header("ETag", "\"one\""),
        "/kept/refreshed" => text().header("Cache-Control", "max-age=1, stale-while-revalidate=60"),
        "/kept/failing" if !number.is_multiple_of(3) => Answer::status(503),
        "/kept/failing" => text().header("Cache-Control", "max-age=1, stale-if-error=60"),
        "/kept/never" => text().header("Cache-Control", "no-store"),
        path if path.starts_with("/kept/large") => {
            Answer::ok(vec![b'x'; 30_000]).header("Cache-Control", "max-age=60")
        }
        path if path.starts_with("/kept/slow") => {
            Answer::ok("slowly").header("Cache-Control", "max-age=60").drip(1, Duration::from_millis(10))
        }
        "/plain/slow" => Answer::ok("slow down").drip(1, Duration::from_millis(30)),
        _ => Answer::ok(r#"{"fullName":"Ann"}"#).header("Content-Type", "application/json"),
    }
}

/// Switches protocols, and echoes until the client leaves.
pub async fn tunnels() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let switched =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                if stream.write_all(switched.as_bytes()).await.is_ok() {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    });
    address
}
