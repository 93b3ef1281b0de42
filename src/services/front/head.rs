//! Reading the head of a request from a connection.

use std::{future::poll_fn, task::Poll};

use tokio::time::timeout;

use super::idle::Idle;
use crate::{
    config::process::LimitsConfig,
    downstream::GatedStream,
    framing::{self, Body, Head, HeadLimits},
    telemetry::reason::BadRequestReason,
};

/// First bytes of an HTTP/2 connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What came of waiting for a request.
pub enum Arrived {
    /// A clean head of so many bytes stands at the start of what has been received.
    Request {
        /// Its length.
        head: usize,
        /// How its body is framed.
        body: Body,
    },
    /// The connection speaks HTTP/2.
    Http2,
    /// The head is not fit to be passed on.
    Refused(BadRequestReason),
    /// The client closed the connection, between requests or within one.
    Closed,
    /// Nothing came within the idle timeout.
    Idle,
    /// A head was begun but not ended in time.
    TooSlow,
    /// The process is going away and wants idle connections closed.
    Draining,
}

/// Waits for the head of the next request, within the limits of time and size.
pub async fn read(
    stream: &mut GatedStream,
    limits: &LimitsConfig,
    idle: &mut Idle<'_>,
    may_be_http2: bool,
) -> Arrived {
    if stream.received().is_empty() {
        idle.begin();
        let first = poll_fn(|cx| {
            // A request that has arrived is served even when the process is going away.
            match stream.poll_receive(cx) {
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Arrived::Closed)),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Pending => idle.poll(cx).map(Err),
            }
        });
        if let Err(ended) = first.await {
            return ended;
        }
    }
    let head_limits = HeadLimits::from(limits);
    // Nearly every head comes in one piece: no timer is set for it.
    if let Some(arrived) = look(stream.received(), &head_limits, may_be_http2) {
        return arrived;
    }
    let rest = async {
        loop {
            match poll_fn(|cx| stream.poll_receive(cx)).await {
                Ok(0) | Err(_) => return Arrived::Closed,
                Ok(_) => {}
            }
            if let Some(arrived) = look(stream.received(), &head_limits, may_be_http2) {
                return arrived;
            }
        }
    };
    timeout(limits.header_timeout.get(), rest).await.unwrap_or(Arrived::TooSlow)
}

/// What the bytes so far amount to; `None` while that cannot be told.
fn look(received: &[u8], limits: &HeadLimits, may_be_http2: bool) -> Option<Arrived> {
    if may_be_http2 && HTTP2_PREFACE.starts_with(&received[..received.len().min(HTTP2_PREFACE.len())]) {
        return (received.len() >= HTTP2_PREFACE.len()).then_some(Arrived::Http2);
    }
    match framing::check(received, limits) {
        Head::Complete { len, body } => Some(Arrived::Request { head: len, body }),
        Head::Refused(reason) => Some(Arrived::Refused(reason)),
        Head::Incomplete => None,
    }
}
