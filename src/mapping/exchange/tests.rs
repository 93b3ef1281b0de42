mod harness;

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use pingora_core::upstreams::peer::ALPN;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use self::harness::{Stage, before, before_with_cache, message, orders, stage};

/// A response with these fields and this body.
fn reply(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";

fn json(body: &str) -> Vec<u8> {
    reply(JSON, body)
}

#[tokio::test]
async fn a_response_is_mapped_and_announced_anew() {
    let fields = format!("{JSON}ETag: \"x\"\r\nDigest: sha-256=x\r\nAccept-Ranges: bytes\r\nX-Other: 1\r\n");
    let stage = stage(orders(""), reply(&fields, r#"{"firstName":"Ada","age":36.0}"#)).await;
    let answer = stage.get("Range: bytes=0-1\r\nIf-Range: \"x\"\r\n").await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"first_name":"Ada","age":"36.0"}"#));
    assert_eq!(answer.field("content-length"), Some("33"));
    assert_eq!(answer.field("content-type"), Some("application/vnd.nilecare.v1+json"));
    assert_eq!(answer.field("etag"), Some("w/\"x-v1\""));
    assert_eq!(answer.field("x-other"), Some("1"));
    assert_eq!((answer.field("digest"), answer.field("accept-ranges")), (None, None));
    let head = &stage.seen()[0].0;
    assert!(head.contains("host: api.test"), "{head}");
    assert!(!head.contains("range") && !head.contains("connection"), "{head}");
}

#[tokio::test]
async fn a_request_is_mapped_before_anything_of_it_is_sent() {
    let stage = stage(orders(""), json("{}")).await;
    let body = r#"{"first_name":"Ada", "age":"36"}"#;
    let answer = stage.ask("POST", &format!("{JSON}Content-MD5: x\r\n"), body).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "{}"));
    let (head, seen) = stage.seen()[0].clone();
    assert_eq!(seen, r#"{"firstName":"Ada","age":36}"#);
    assert!(head.contains("content-length: 28") && !head.contains("md5"), "{head}");

    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\n{\"age\r\n6\r\n\":\"36\"\r\n1\r\n}\r\n0\r\n\r\n";
    stage.raw(chunked.as_bytes()).await;
    let (head, seen) = stage.seen()[1].clone();
    assert_eq!(seen, r#"{"age":36}"#);
    assert!(head.contains("content-length: 10") && !head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn what_cannot_be_mapped_does_not_reach_the_backend() {
    let stage = stage(orders(""), json("{}")).await;
    for (fields, body, status) in [
        (JSON, "{", 400),
        (JSON, r#"{"age":1,"age":2}"#, 400),
        (JSON, r#"{"age":"old"}"#, 400),
        (JSON, &"[".repeat(200), 400),
        (JSON, &format!("\"{}\"", "x".repeat(1023)), 413),
        ("Content-Type: application/json\r\nContent-Encoding: compress\r\n", "{}", 415),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}", 415),
        ("Content-Type: application/json-patch+json\r\n", "[]", 415),
    ] {
        assert_eq!(stage.ask("POST", fields, body).await.status(), status, "{fields}{body}");
    }
    let long = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n401\r\n{}\r\n",
        "x".repeat(1025)
    );
    assert!(stage.raw(long.as_bytes()).await.starts_with(b"HTTP/1.1 413"));
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn other_bodies_pass_as_they_are() {
    let stage =
        stage(orders(""), reply("Content-Type: text/plain\r\nETag: W/\"x\"\r\n", "{\"firstName\":1}")).await;
    let body = r#"{"first_name": 1}"#;
    let answer = stage.ask("PUT", "Content-Type: text/plain\r\n", body).await;
    assert_eq!(answer.body, "{\"firstName\":1}");
    assert_eq!(answer.field("etag"), Some("w/\"x~v1\""));
    assert_eq!(answer.field("content-type"), Some("text/plain"));
    assert_eq!(stage.seen()[0].1, body);
    assert_eq!(stage.ask("PUT", JSON, "").await.status(), 200);
}

#[tokio::test]
async fn errors_of_the_service_pass_unless_they_are_named() {
    let body = r#"{"firstName":"?"}"#;
    let failure = format!("HTTP/1.1 404 Not Found\r\n{JSON}ETag: \"x\"\r\nContent-Length: 17\r\n\r\n{body}");
    let answer = stage(orders(""), failure.clone()).await.get("").await;
    assert_eq!((answer.status(), answer.body.as_str()), (404, body));
    assert_eq!(answer.field("etag"), Some("\"x\""));
    let answer = stage(orders("statuses: [404]"), failure).await.get("").await;
    assert_eq!((answer.status(), answer.body.as_str()), (404, r#"{"first_name":"?"}"#));
}

#[tokio::test]
async fn a_success_is_mapped_whatever_its_number_or_the_name_of_json() {
    let body = r#"{"firstName":1}"#;
    let answer = |status: &str, fields: &str| {
        format!("HTTP/1.1 {status} S\r\nETag: \"x\"\r\nContent-Length: 15\r\n{fields}\r\n{body}")
    };
    for (status, fields) in [
        ("206", format!("{JSON}Content-Range: 0-24/3573\r\n")),
        ("206", JSON.to_owned()),
        ("200", "Content-Type: text/json; charset=utf-8\r\n".to_owned()),
    ] {
        let answer = stage(orders(""), answer(status, &fields)).await.get("").await;
        assert_eq!(answer.body, r#"{"first_name":1}"#, "{status} {fields}");
        assert_eq!(answer.field("etag"), Some("w/\"x-v1\""));
    }
    let part = answer("206", &format!("{JSON}Content-Range: bytes 0-14/30\r\n"));
    assert_eq!(stage(orders(""), part).await.get("").await.status(), 502);
    let none = "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n";
    let answer = stage(orders(""), none).await.get("").await;
    assert_eq!((answer.status(), answer.field("etag")), (204, Some("\"x-v1\"")));
}

#[tokio::test]
async fn conditions_are_told_in_the_services_tags() {
    let stage =
        stage(orders(""), "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Encoding: br\r\n\r\n").await;
    let answer = stage.get("If-None-Match: W/\"x-v1\", \"y\"\r\n").await;
    assert_eq!((answer.status(), answer.field("etag")), (304, Some("w/\"x-v1\"")));
    assert_eq!(answer.field("content-encoding"), None);
    stage.get("If-None-Match: \"x\"\r\nIf-Match: W/\"x-v1\"\r\n").await;
    let seen = stage.seen();
    assert!(seen[0].0.contains("if-none-match: \"x\"\r\n") || seen[0].0.ends_with("if-none-match: \"x\""));
    assert!(!seen[1].0.contains("if-none-match") && seen[1].0.contains("if-match: \"x\""), "{}", seen[1].0);
}

#[tokio::test]
async fn a_head_is_that_of_the_mapped_body() {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{JSON}ETag: \"x\"\r\nContent-Length: 999\r\nContent-Encoding: gzip\r\n\r\n"
    );
    let stage = stage(orders(""), head).await;
    let answer = stage.ask("HEAD", "", "").await;
    assert_eq!((answer.status(), answer.field("etag")), (200, Some("w/\"x-v1\"")));
    assert_eq!(answer.field("content-type"), Some("application/vnd.nilecare.v1+json"));
    assert_eq!((answer.field("content-length"), answer.field("content-encoding")), (None, None));
}

#[tokio::test]
async fn coded_bodies_are_decoded() {
    let gzip = |body: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(body).unwrap();
        writer.finish().unwrap()
    };
    let fields = format!("{JSON}Content-Encoding: gzip\r\n");
    let stage1 = stage(orders(""), reply(&fields, gzip(br#"{"firstName":1}"#))).await;
    let answer = stage1.get("").await;
    assert_eq!(answer.body, r#"{"first_name":1}"#);
    assert_eq!(answer.field("content-encoding"), None);

    let body = gzip(br#"{"first_name":1}"#);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    stage1.raw(&[head.as_bytes(), &body].concat()).await;
    let (head, seen) = stage1.seen()[1].clone();
    assert_eq!(seen, r#"{"firstName":1}"#);
    assert!(!head.contains("content-encoding"), "{head}");

    // Small on the wire, large beyond.
    let bomb = reply(&fields, gzip(&[b' '; 4096]));
    assert_eq!(stage(orders(""), bomb.clone()).await.get("").await.status(), 502);
    let passed = stage(orders("on_oversize: pass"), bomb).await.get("").await;
    assert_eq!((passed.status(), passed.field("content-encoding")), (200, Some("gzip")));
}

#[tokio::test]
async fn responses_that_cannot_be_mapped_follow_the_rules() {
    let long = format!("[{}1]", "1,".repeat(800));
    for (body, more, expected) in [
        (r#"{"firstName""#, "", (502, None)),
        (r#"{"firstName""#, "on_error: pass", (200, Some(r#"{"firstName""#))),
        (r#"{"age":[]}"#, "", (502, None)),
        (&*long, "", (502, None)),
        (&*long, "on_error: pass", (502, None)),
        (&*long, "on_oversize: pass", (200, Some(&*long))),
    ] {
        let chunked = format!(
            "HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for reply in [json(body), chunked.into_bytes()] {
            let answer = stage(orders(more), reply).await.get("").await;
            assert_eq!(answer.status(), expected.0, "{body} {more}");
            if let Some(passed) = expected.1 {
                assert!(answer.body.contains(passed), "{body} {more}: {answer:?}");
                assert_eq!(answer.field("content-type"), Some("application/json"), "{more}");
            }
        }
    }
    assert_eq!(stage(orders(""), json("")).await.get("").await.status(), 200);
}

#[tokio::test]
async fn connections_serve_again_after_a_complete_exchange_only() {
    let ok = stage(orders(""), json(r#"{"age":1}"#)).await;
    ok.get("").await;
    ok.ask("POST", JSON, r#"{"age":"1"}"#).await;
    ok.ask("POST", "Content-Type: text/plain\r\n", "text").await;
    ok.ask("HEAD", "", "").await;
    // A body to HEAD is not one: what was sent of it spoils the connection.
    ok.ask("POST", JSON, "{").await;
    ok.get("").await;
    assert_eq!(*ok.reused.lock().unwrap(), [false, true, true, true, false, false]);

    let long = json(&format!("[{}1]", "1,".repeat(800)));
    let refused = stage(orders(""), long).await;
    refused.get("").await;
    refused.get("").await;
    assert_eq!(*refused.reused.lock().unwrap(), [false, false]);
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_to_go_on() {
    let stage = stage(orders(""), json("{}")).await;
    let mut stream = TcpStream::connect(stage.proxy).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n{JSON}Content-Length: 12\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 21];
    stream.read_exact(&mut interim).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"), "{}", String::from_utf8_lossy(&interim));
    stream.write_all(br#"{"age":"36"}"#).await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
    let (head, body) = stage.seen()[0].clone();
    assert_eq!(body, r#"{"age":36}"#);
    assert!(!head.contains("expect"), "{head}");
}

#[tokio::test]
async fn interim_responses_pass() {
    let body = r#"{"firstName":1}"#;
    let hints =
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}", String::from_utf8(json(body)).unwrap());
    let received =
        stage(orders(""), hints).await.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let text = String::from_utf8_lossy(&received);
    assert!(text.starts_with("HTTP/1.1 103") && text.ends_with(r#"{"first_name":1}"#), "{text}");
}

#[tokio::test]
async fn failures_of_the_backend_are_those_of_an_ordinary_one() {
    let body = r#"{"age":1"#;
    for cut in [String::new(), format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 99\r\n\r\n{body}CUT")] {
        let answer = stage(orders("on_error: pass"), cut).await.get("").await;
        assert_eq!(answer.status(), 502, "{answer:?}");
    }
    let slow = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 99\r\n\r\n{body}");
    let answer = stage(orders("on_error: pass"), slow).await.get("").await;
    assert_eq!(answer.status(), 502, "{answer:?}");
}

/// A backend that is driven by hand, and its proxy.
async fn by_hand() -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = before(listener.local_addr().unwrap(), orders(""), ALPN::H1).await;
    (listener, stage)
}

#[tokio::test]
async fn a_request_and_a_response_stream_at_the_same_time() {
    const SIZE: usize = 4 << 20;
    let (listener, stage) = by_hand().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let start = format!("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: {SIZE}\r\n\r\n");
        stream.write_all(start.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let mut stream = TcpStream::connect(stage.proxy).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Length: {SIZE}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let sent = async { write.write_all(&vec![b'x'; SIZE]).await };
    let mut received = Vec::new();
    let (sent, _) = tokio::join!(sent, read.read_to_end(&mut received));
    sent.unwrap();
    assert!(received.len() > SIZE && received.ends_with(b"xxxx"), "{}", received.len());
}

#[tokio::test]
async fn a_response_before_its_time_is_passed_on() {
    let (listener, stage) = by_hand().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    });
    let body = "x".repeat(1 << 20);
    let answer = stage.ask("POST", "Content-Type: a/b\r\n", &body).await;
    assert_eq!((answer.status(), answer.body.as_str()), (403, "no"));
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange() {
    let (listener, stage) = by_hand().await;
    let mut stream = TcpStream::connect(stage.proxy).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (mut backend, _) = listener.accept().await.unwrap();
    message(&mut backend, &mut Vec::new()).await.unwrap();
    drop(stream);
    let mut rest = Vec::new();
    assert_eq!(backend.read_to_end(&mut rest).await.unwrap(), 0);
}

/// A backend that speaks HTTP/2 and answers with a body and a trailer.
async fn http2(
    content_type: &'static str,
    body: &'static str,
) -> (Stage, tokio::task::JoinHandle<(http::request::Parts, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = before(listener.local_addr().unwrap(), orders(""), ALPN::H2).await;
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (parts, mut received) = request.into_parts();
        let driver = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let mut seen = Vec::new();
        while let Some(piece) = received.data().await {
            seen.extend_from_slice(&piece.unwrap());
        }
        let response = http::Response::builder().header("content-type", content_type).header("etag", "\"x\"");
        let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
        send.send_data(Bytes::from_static(body.as_bytes()), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        send.send_trailers(trailers).unwrap();
        drop(driver);
        (parts, seen)
    });
    (stage, task)
}

#[tokio::test]
async fn a_backend_on_http2_is_mapped_alike() {
    let (stage, backend) = http2("application/json", r#"{"firstName":1}"#).await;
    let answer = stage.ask("POST", &format!("{JSON}If-Match: W/\"x-v1\"\r\n"), r#"{"age":"36"}"#).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"first_name":1}"#));
    assert_eq!(answer.field("etag"), Some("w/\"x-v1\""));
    let (parts, seen) = backend.await.unwrap();
    assert_eq!(seen, br#"{"age":36}"#);
    assert_eq!(parts.uri, "http://api.test/p/1");
    assert_eq!(parts.headers["if-match"], "\"x\"");
    assert!(!parts.headers.contains_key("host"));

    let (stage, backend) = http2("text/plain", "text").await;
    let answer = stage.get("").await;
    assert!(answer.body.contains("text"), "{answer:?}");
    backend.await.unwrap();
}

#[tokio::test]
async fn a_client_on_http2_is_mapped_for_alike() {
    let stage = stage(orders(""), json(r#"{"firstName":1}"#)).await;
    let stream = TcpStream::connect(stage.proxy).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().method("POST").uri("http://api.test/p/1?q=1");
    let request = request.header("content-type", "application/json").body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(br#"{"age":"36"}"#), true).unwrap();
    let mut response = response.await.unwrap();
    assert_eq!(response.headers()["content-length"], "16");
    let piece = response.body_mut().data().await.unwrap().unwrap();
    assert_eq!(piece, r#"{"first_name":1}"#);
    let (head, seen) = stage.seen()[0].clone();
    assert_eq!(seen, r#"{"age":36}"#);
    assert!(head.starts_with("post /p/1?q=1 http/1.1") && head.contains("host: api.test"), "{head}");
}

#[tokio::test]
async fn what_is_cached_is_mapped_already() {
    let fields = format!("{JSON}ETag: \"x\"\r\n");
    for (fresh, second) in [(Duration::from_secs(60), None), (Duration::ZERO, Some("if-none-match: \"x\""))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = before_with_cache(address, orders(""), ALPN::H1, Some(fresh)).await;
        let seen = Arc::clone(&stage.seen);
        let first = reply(&fields, r#"{"firstName":1}"#);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            for reply in [first, b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_vec()] {
                let request = message(&mut stream, &mut received).await.unwrap();
                seen.lock().unwrap().push(request);
                stream.write_all(&reply).await.unwrap();
            }
        });
        for _ in 0..2 {
            let answer = stage.get("").await;
            assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"first_name":1}"#));
            assert_eq!(answer.field("etag"), Some("w/\"x-v1\""));
        }
        assert_eq!(
            stage.get("If-None-Match: W/\"x-v1\"\r\n").await.status(),
            if second.is_some() { 502 } else { 304 }
        );
        let seen = stage.seen();
        assert_eq!(seen.len(), if second.is_some() { 2 } else { 1 });
        assert!(second.is_none_or(|condition| seen[1].0.contains(condition)), "{seen:?}");
    }
}

#[tokio::test]
async fn progress_is_told_while_a_response_is_collected() {
    let count = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&count);
    let mut orders = orders("");
    orders.progress = Some(Arc::new(move || {
        told.fetch_add(1, Ordering::Relaxed);
    }));
    let stage = stage(orders, json(r#"{"firstName":1}"#)).await;
    stage.get("").await;
    assert!(count.load(Ordering::Relaxed) > 0);
}
