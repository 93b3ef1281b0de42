//! A client of a collector: OTLP over gRPC, and as protobuf over HTTP.
//!
//! <https://opentelemetry.io/docs/specs/otlp/>

use std::{error::Error as _, io::Write as _, time::Duration};

use bytes::{BufMut as _, Bytes};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    message::{Envelope, SpanBatch, partial_success},
    transport::Tls,
};
use crate::config::trace::ExportProtocol;

/// The call, below the endpoint.
const GRPC_PATH: &str = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Whether a message is compressed, and its length.
const GRPC_PREFIX: usize = 5;
/// How often a connection is tried while an export waits, and how long its answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const ANSWER_MAX: usize = 64 * 1024;

/// A connection pool to one collector.
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    protocol: ExportProtocol,
    uri: Uri,
    headers: HeaderMap,
    gzip: bool,
    envelope: Envelope,
}

/// Why spans were not taken.
#[derive(Debug)]
pub struct Refusal {
    /// In words.
    pub why: String,
    /// Whether the same may be tried again: nothing has been taken, and the collector does not
    /// rule it out. With the time that it asks for.
    pub again: Option<Duration>,
}

impl Refusal {
    fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: None }
    }
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// An endpoint that is no URL.
    pub fn new(
        protocol: ExportProtocol,
        endpoint: &str,
        mut headers: HeaderMap,
        gzip: bool,
        tls: &Tls,
        envelope: Envelope,
    ) -> Result<Self, http::uri::InvalidUri> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls.config()).https_or_http();
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        // A collector that is gone without a word is noticed.
        builder.http2_keep_alive_interval(KEEP_ALIVE).http2_keep_alive_timeout(KEEP_ALIVE);
        let (uri, kind, coding) = match protocol {
            ExportProtocol::Grpc => {
                let uri = format!("{}/{GRPC_PATH}", endpoint.trim_end_matches('/'));
                headers.insert(header::TE, HeaderValue::from_static("trailers"));
                (uri, "application/grpc", header::HeaderName::from_static("grpc-encoding"))
            }
            ExportProtocol::Http => (endpoint.to_owned(), "application/x-protobuf", header::CONTENT_ENCODING),
        };
        let http = match protocol {
            // Without TLS there is nobody to negotiate with.
            ExportProtocol::Grpc => builder.http2_only(true).build(connector.enable_http2().build()),
            ExportProtocol::Http => builder.build(connector.enable_http1().build()),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let agent = concat!("nilegate/", env!("CARGO_PKG_VERSION"));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(agent));
        if gzip {
            headers.insert(coding, HeaderValue::from_static("gzip"));
        }
        Ok(Self { http, protocol, uri: uri.parse()?, headers, gzip, envelope })
    }

    /// The body that carries a batch.
    ///
    /// # Errors
    /// If it cannot be compressed.
    pub fn body(&self, batch: &SpanBatch) -> std::io::Result<Bytes> {
        let grpc = self.protocol == ExportProtocol::Grpc;
        let room = if grpc { GRPC_PREFIX } else { 0 };
        let mut bytes = self.envelope.wrap(batch, room);
        if self.gzip {
            let mut packed = GzEncoder::new(vec![0; room], Compression::fast());
            packed.write_all(&bytes[room..])?;
            bytes = packed.finish()?;
        }
        if grpc {
            let length = u32::try_from(bytes.len() - room).unwrap_or(u32::MAX);
            let mut prefix = &mut bytes[..room];
            prefix.put_u8(u8::from(self.gzip));
            prefix.put_u32(length);
        }
        Ok(bytes.into())
    }

    /// Sends a body once. Returns how many of its spans were refused, and why.
    ///
    /// # Errors
    /// If none was taken.
    pub async fn send(&self, body: Bytes) -> Result<(u64, String), Refusal> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if self.protocol == ExportProtocol::Grpc {
            *request.version_mut() = Version::HTTP_2;
        }
        let answer = self.http.request(request).await.map_err(|error| Refusal {
            why: chain(&error),
            // Otherwise it may have arrived.
            again: error.is_connect().then_some(Duration::ZERO),
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| Refusal::for_good(format!("the answer broke off: {error}")))?;
        match self.protocol {
            ExportProtocol::Grpc => grpc_answer(head.status, &head.headers, body),
            ExportProtocol::Http => http_answer(head.status, &head.headers, body),
        }
    }
}

fn http_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: Collected<Bytes>,
) -> Result<(u64, String), Refusal> {
    if status.is_success() {
        let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_protobuf = kind.is_some_and(|kind| kind.starts_with(b"application/x-protobuf"));
        return Ok(if is_protobuf { partial_success(&body.to_bytes()) } else { (0, String::new()) });
    }
    let again = matches!(status.as_u16(), 429 | 502 | 503 | 504).then(|| {
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Duration::from_secs(seconds.unwrap_or(0))
    });
    Err(Refusal { why: format!("the collector answered {status}"), again })
}

fn grpc_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: Collected<Bytes>,
) -> Result<(u64, String), Refusal> {
    if status != StatusCode::OK {
        let again = matches!(status.as_u16(), 429 | 502 | 503 | 504).then_some(Duration::ZERO);
        return Err(Refusal { why: format!("the collector answered {status}"), again });
    }
    // In the head where there is no message.
    let trailers = body.trailers().filter(|trailers| trailers.contains_key("grpc-status")).unwrap_or(headers);
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status").and_then(|code| code.parse::<u8>().ok()) else {
        return Err(Refusal::for_good("the collector does not speak gRPC"));
    };
    if code != 0 {
        let message = text("grpc-message").unwrap_or_default();
        // Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
        let again = matches!(code, 1 | 4 | 10 | 11 | 14 | 15).then_some(Duration::ZERO);
        return Err(Refusal { why: format!("gRPC status {code}: {message}"), again });
    }
    let bytes = body.to_bytes();
    Ok(bytes.get(GRPC_PREFIX..).map(partial_success).unwrap_or_default())
}

/// The error with its causes: hyper's own words say little.
fn chain(error: &legacy::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
