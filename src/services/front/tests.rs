//! What passes the front, Pingora takes: otherwise it would answer by itself, without
//! our problem document, log and id.

use std::cell::Cell;

use pingora_core::protocols::http::ServerSession;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::io::AsyncWriteExt;

use crate::framing::{Head, HeadLimits, check};

const LIMITS: HeadLimits = HeadLimits { headers: 100, header_bytes: 8192, uri_bytes: 4096 };

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop_oneof![Just("GET"), Just("POST"), Just("OPTIONS"), Just("PRI")].prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}",
    ]
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "/[!-~]{0,6}(\\?[!-~]{0,6})?",
        2 => "https?://(a|A.b:80|\\[::1\\]|127\\.0\\.0\\.1:8080|[!-~]{1,4})(/[!-~]{0,4})?(\\?[!-~]{0,4})?",
        1 => "[!-~]{0,6}",
        1 => Just("*".to_owned()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop_oneof![Just("a"), Just("A.b:80"), Just("[::1]"), Just("127.0.0.1:8080")].prop_map(str::to_owned),
        1 => "[!-~]{0,8}",
        1 => "[a-z.~_-]{1,6}(:[0-9]{1,5})?",
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}:[ -~\t]{0,10}",
        1 => Just("Connection: close, x".to_owned()),
        1 => Just("Upgrade: websocket".to_owned()),
        1 => Just("Content-Length: 0".to_owned()),
        1 => Just("Transfer-Encoding: chunked".to_owned()),
    ]
}

/// Whether Pingora reads the head as a request.
async fn taken(head: &[u8]) -> bool {
    let (mut client, server) = tokio::io::duplex(16 * 1024);
    client.write_all(head).await.unwrap();
    client.shutdown().await.unwrap();
    matches!(ServerSession::new_http1(Box::new(server)).read_request().await, Ok(true))
}

#[test]
fn pingora_takes_every_head_that_passes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let heads = (method(), target(), host(), 0..2_u8, proptest::collection::vec(field(), 0..3));
    let passed = Cell::new(0);
    TestRunner::new(ProptestConfig::with_cases(4000))
        .run(&heads, |(method, target, host, minor, fields)| {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            let head = format!("{method} {target} HTTP/1.{minor}\r\nHost: {host}\r\n{fields}\r\n");
            if matches!(check(head.as_bytes(), &LIMITS), Head::Complete { .. }) {
                passed.set(passed.get() + 1);
                prop_assert!(runtime.block_on(taken(head.as_bytes())), "{head:?}");
            }
            Ok(())
        })
        .unwrap();
    assert!(passed.get() > 500, "only {} heads passed", passed.get());
}

#[test]
fn pingora_takes_every_byte_that_passes_in_a_target() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for byte in b'!'..=b'~' {
        for target in [format!("/p{}", char::from(byte)), format!("/p?q={}", char::from(byte))] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            if matches!(check(head.as_bytes(), &LIMITS), Head::Complete { .. }) {
                assert!(runtime.block_on(taken(head.as_bytes())), "{target}");
            }
        }
    }
}
