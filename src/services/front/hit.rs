//! Fresh responses from memory, sent without a session of Pingora's.
//!
//! A request that memory can answer needs no upstream, no retries, no timers: it goes
//! through the same phases (who asks, which route, what is stored) and is written at once.
//! Whatever is not plain — other methods, ranges, upgrades, a connection about to end —
//! is left to Pingora, and nothing has happened to it then.

use std::{sync::Arc, time::Duration};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::protocols::Ssl;
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::{io::AsyncWriteExt, time::timeout};

use super::peer;
use crate::{
    downstream::GatedStream,
    phases::{admit, context::RequestContext, memory},
    runtime::{listener::Listener, resources::Resources, snapshot::SnapshotCell},
};

/// Fields that a request for a plain hit may have; others are left to Pingora.
const MAX_FIELDS: usize = 64;
/// Bodies up to this are copied behind their head, so that one write sends both.
const JOINED: usize = 16 * 1024;

/// What became of a request.
pub enum Outcome {
    /// Answered; the connection may go on.
    Answered,
    /// Answered as far as the client took it; the connection is of no more use.
    Broken,
    /// Not ours: nothing was read or written.
    Passed,
}

/// Answers the request at the front of what was received, if memory has the answer.
pub async fn answer(
    stream: &mut GatedStream,
    head: usize,
    listener: &Arc<Listener>,
    resources: &Resources,
    cell: &SnapshotCell,
) -> Outcome {
    if resources.lifecycle.is_draining() || !cell.load().caches {
        return Outcome::Passed;
    }
    let Some(mut request) = parse(&stream.received()[..head]) else { return Outcome::Passed };
    let mut ctx = RequestContext::new();
    ctx.listener = Some(Arc::clone(listener));
    admit::identify(&mut ctx, peer(stream), &request.headers, cell.load_full());
    let Some(mut found) = memory::find(&mut request, &mut ctx, resources).await else {
        return Outcome::Passed;
    };
    let _head = stream.admit(head, crate::downstream::Allowance::Bytes(0));
    let body = if request.method == Method::HEAD { Bytes::new() } else { found.body.clone() };
    let sent = send(stream, &found.response, &body, resources.limits.write_timeout.get()).await;
    let tls = stream.get_ssl_digest();
    let bytes_out = if sent { body.len() as u64 } else { 0 };
    found.close(&request, tls.as_ref().map(|tls| &*tls.version), bytes_out, &mut ctx, resources);
    if sent { Outcome::Answered } else { Outcome::Broken }
}

/// The request, if it is one that a stored response may answer as it is.
fn parse(head: &[u8]) -> Option<RequestHeader> {
    if !head.starts_with(b"GET /") && !head.starts_with(b"HEAD /") {
        return None;
    }
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut slots);
    if !parsed.parse(head).ok()?.is_complete() || parsed.version != Some(1) {
        return None;
    }
    let mut request =
        RequestHeader::build_no_case(parsed.method?, parsed.path?.as_bytes(), Some(parsed.headers.len()))
            .ok()?;
    request.set_version(Version::HTTP_11);
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        if needs_session(&name, field.value) {
            return None;
        }
        request.append_header(name, HeaderValue::from_bytes(field.value).ok()?).ok()?;
    }
    Some(request)
}

fn needs_session(name: &HeaderName, value: &[u8]) -> bool {
    match *name {
        header::CONNECTION => !value.eq_ignore_ascii_case(b"keep-alive"),
        header::RANGE
        | header::IF_RANGE
        | header::IF_MATCH
        | header::IF_UNMODIFIED_SINCE
        | header::UPGRADE
        | header::EXPECT
        | header::TE
        | header::TRANSFER_ENCODING => true,
        _ => false,
    }
}

/// Writes the response within the time a client may take for each piece. `false`: it did not
/// take all of it.
async fn send(stream: &mut GatedStream, response: &ResponseHeader, body: &Bytes, limit: Duration) -> bool {
    let joined = body.len() <= JOINED;
    let mut out = BytesMut::with_capacity(512 + if joined { body.len() } else { 0 });
    write_head(&mut out, response);
    if joined {
        out.extend_from_slice(body);
    }
    let rest = if joined { Bytes::new() } else { body.clone() };
    let mut pieces = out.freeze().chain(rest);
    while pieces.has_remaining() {
        match timeout(limit, stream.write_buf(&mut pieces)).await {
            Ok(Ok(1..)) => {}
            _ => return false,
        }
    }
    matches!(timeout(limit, stream.flush()).await, Ok(Ok(())))
}

fn write_head(out: &mut BytesMut, response: &ResponseHeader) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(response.status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason(response.status).as_bytes());
    out.put_slice(b"\r\n");
    for (name, value) in &response.headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_requests_are_taken() {
        let get = |fields: &str| parse(format!("GET /a?b HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes());
        let request = get("Accept: a\r\nConnection: keep-alive\r\n").unwrap();
        assert_eq!((request.uri.path(), request.uri.query()), ("/a", Some("b")));
        assert_eq!(request.headers["accept"], "a");
        for fields in
            ["Range: bytes=0-1\r\n", "Connection: close\r\n", "Upgrade: x\r\n", "Expect: 100-continue\r\n"]
        {
            assert!(get(fields).is_none(), "{fields}");
        }
        for line in ["POST / HTTP/1.1", "GET http://x/ HTTP/1.1", "GET / HTTP/1.0", "OPTIONS * HTTP/1.1"] {
            assert!(parse(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn heads_are_written_in_full() {
        let mut response = ResponseHeader::build_no_case(200, None).unwrap();
        response.append_header("x-a", "1").unwrap();
        let mut out = BytesMut::new();
        write_head(&mut out, &response);
        assert_eq!(out, "HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n");
    }
}
