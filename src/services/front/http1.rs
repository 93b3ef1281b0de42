//! One HTTP/1 connection: request after request until something ends it.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::BytesMut;
use http::StatusCode;
use pingora_core::{
    apps::HttpServerApp,
    protocols::{Shutdown, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::ProxyHttp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, timeout},
};

use super::{
    Proxy,
    head::{self, Arrived},
    hit,
    idle::Idle,
    peer,
};
use crate::{
    downstream::{Allowance, ChunkedBody, GateHandle, GatedStream},
    framing::Body,
    headers::RequestId,
    phases::{rejection::Rejection, trace},
    runtime::{listener::Listener, resources::Resources, snapshot::SnapshotCell},
    telemetry::{
        access_log::AccessRecord,
        label::{ConnectionProtocol, Protocol},
        metrics::ConnectionGuard,
        reason::{BadRequestReason, CloseReason},
    },
};

/// Longest time a refused client is listened to so that it can read its answer.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes thrown away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// Why a connection is no longer an HTTP/1 connection.
pub enum Ended {
    /// It is closed.
    Because(CloseReason),
    /// It turned out to speak HTTP/2.
    IsHttp2(Box<GatedStream>),
}

/// Counts the requests of a connection; dropping it writes their number down.
struct Carried<'a> {
    requests: u32,
    listener: &'a Listener,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        if self.requests > 0 {
            self.listener.metrics.carried(self.requests.into());
        }
    }
}

/// Serves requests until the connection ends.
pub async fn serve<G>(
    proxy: &Arc<Proxy<G>>,
    mut stream: Box<GatedStream>,
    listener: &Arc<Listener>,
    counted: &mut ConnectionGuard,
    resources: &Resources,
    snapshots: &SnapshotCell,
    shutdown: &ShutdownWatch,
) -> Ended
where
    G: ProxyHttp + Send + Sync + 'static,
    G::CTX: Send + Sync,
{
    let limits = &resources.limits;
    let gate = stream.handle().clone();
    let mut served = Carried { requests: 0, listener };
    let mut idle = Idle::new(&resources.lifecycle, limits.idle_timeout.get());
    loop {
        let may_be_http2 = served.requests == 0 && listener.http2 && !listener.tls;
        match head::read(&mut stream, limits, &mut idle, may_be_http2).await {
            Arrived::Request { head, body } => {
                if served.requests == 0 {
                    counted.set_protocol(ConnectionProtocol::Http1);
                }
                served.requests += 1;
                let last = served.requests >= limits.requests_per_connection;
                if body == Body::None && !last {
                    match hit::answer(&mut stream, head, listener, resources, snapshots).await {
                        hit::Outcome::Answered => continue,
                        hit::Outcome::Broken => return Ended::Because(CloseReason::Reset),
                        hit::Outcome::Passed => {}
                    }
                }
                let prefix = stream.admit(head, allowance(body));
                match exchange(proxy, stream, prefix, last, shutdown).await {
                    Some(reused) => stream = reused,
                    None => return Ended::Because(cause(&gate, last, resources)),
                }
            }
            Arrived::Http2 => {
                stream.open(Allowance::All);
                return Ended::IsHttp2(stream);
            }
            other => return Ended::Because(end(&mut stream, other, listener, resources).await),
        }
    }
}

/// What may pass the gate behind a head. An upgraded connection gets more when it is one.
fn allowance(body: Body) -> Allowance {
    match body {
        Body::None => Allowance::Bytes(0),
        Body::Length(length) => Allowance::Bytes(length),
        Body::Chunked => Allowance::Chunked(ChunkedBody::default()),
    }
}

/// Why a request was the last one of its connection: what was found out about it,
/// or what would have ended the connection anyway.
fn cause(gate: &GateHandle, last: bool, resources: &Resources) -> CloseReason {
    match gate.close_reason() {
        Some(reason) => reason,
        None if last => CloseReason::RequestLimit,
        None if resources.lifecycle.is_draining() => CloseReason::Draining,
        None => CloseReason::Server,
    }
}

/// Runs one request through the proxy. `None`: the connection is gone.
async fn exchange<G>(
    proxy: &Arc<Proxy<G>>,
    stream: Box<GatedStream>,
    prefix: BytesMut,
    last: bool,
    shutdown: &ShutdownWatch,
) -> Option<Box<GatedStream>>
where
    G: ProxyHttp + Send + Sync + 'static,
    G::CTX: Send + Sync,
{
    let mut session = ServerSession::new_http1(stream);
    session.set_pipelined_prefix(prefix);
    if last {
        session.set_keepalive_reuses_remaining(Some(0));
    }
    let (stream, _settings) = proxy.process_new_http(session, shutdown).await?.consume();
    GatedStream::recover(stream)
}

/// Ends a connection for the reason it gave, with an answer where one is due.
async fn end(
    stream: &mut GatedStream,
    arrived: Arrived,
    listener: &Listener,
    resources: &Resources,
) -> CloseReason {
    let (refusal, reason) = match arrived {
        Arrived::Refused(reason) => (Some(Rejection::BadRequest(reason)), CloseReason::ProtocolError),
        Arrived::TooSlow => (Some(Rejection::ClientTimeout), CloseReason::IdleTimeout),
        Arrived::Idle => (None, CloseReason::IdleTimeout),
        Arrived::Draining => (None, CloseReason::Draining),
        Arrived::Closed | Arrived::Http2 | Arrived::Request { .. } => (None, CloseReason::Client),
    };
    if let Some(refusal) = refusal {
        refuse(stream, &refusal, listener, resources).await;
    }
    Shutdown::shutdown(stream).await;
    reason
}

/// Answers a request that Pingora never sees, and writes it down.
async fn refuse(stream: &mut GatedStream, refusal: &Rejection, listener: &Listener, resources: &Resources) {
    let started = Instant::now();
    let id = RequestId::random();
    let status = refusal.status();
    let body = refusal.problem(id.as_str());
    // A 405 has to say what is allowed (RFC 9110 section 15.5.6).
    let allow = match status {
        StatusCode::METHOD_NOT_ALLOWED => "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\n{allow}Content-Type: application/problem+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    );
    // Counted first: whoever has the answer may look.
    let bad = match refusal {
        Rejection::BadRequest(reason) => *reason,
        _ => BadRequestReason::HeaderTimeout,
    };
    listener.metrics.bad_request(bad);
    let traced = trace::Refused::new(status.as_u16(), started, resources);
    let unmatched = resources.metrics.unmatched();
    let told = traced.as_ref().and_then(trace::Refused::told_trace);
    unmatched.answered_in(&trace::unknown_method(), status.as_u16(), started.elapsed(), told);
    unmatched.error(refusal.reason());
    if let Some(traced) = &traced {
        let who = (peer(stream), id.as_str());
        traced.finish(status.as_u16(), refusal.reason(), started, who, listener, resources);
    }
    log(stream, refusal, (&id, started), traced.as_ref(), listener, resources, body.len());
    let answer = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.flush().await
    };
    // A client that does not even read its refusal is not waited for.
    let sent = timeout(LINGER, answer).await;
    if matches!(sent, Ok(Ok(()))) {
        linger(stream).await;
    }
}

/// Reads on for a moment: closing over unread bytes would reset the answer away.
async fn linger(stream: &mut GatedStream) {
    stream.open(Allowance::All);
    Shutdown::shutdown(stream).await;
    let drain = async {
        let mut scrap = [0; 4096];
        let mut left = LINGER_BYTES;
        while let Ok(n) = stream.read(&mut scrap).await {
            if n == 0 || n >= left {
                break;
            }
            left -= n;
        }
    };
    let _ = timeout(LINGER, drain).await;
}

fn log(
    stream: &GatedStream,
    refusal: &Rejection,
    (id, started): (&RequestId, Instant),
    traced: Option<&trace::Refused>,
    listener: &Listener,
    resources: &Resources,
    bytes_out: usize,
) {
    let Some(log) = &resources.access_log else { return };
    let ids = traced.map(|traced| (traced.trace().trace.hex(), traced.trace().span.hex()));
    log.write(&AccessRecord {
        time: SystemTime::now(),
        request_id: id.as_str(),
        trace_id: ids.as_ref().map(|(trace, _)| trace.as_bytes()),
        span_id: ids.as_ref().map(|(_, span)| span.as_bytes()),
        client: peer(stream),
        listener: &listener.name,
        method: "-",
        host: b"",
        path: b"",
        pattern: None,
        protocol: Protocol::Http11,
        tls_version: None,
        status: Some(refusal.status().as_u16()),
        route: None,
        upstream: None,
        backend: None,
        attempts: 0,
        upstream_reused: None,
        bytes_in: 0,
        bytes_out: bytes_out as u64,
        duration: started.elapsed(),
        upstream_first_byte: None,
        error: Some(refusal.reason()),
        detail: Some(refusal.code()),
        cache: None,
        cache_tier: None,
        api_version: None,
        api_version_source: None,
        internal: false,
        graphql: None,
        graphql_operation: None,
        identity: None,
        user_agent: None,
    });
}
