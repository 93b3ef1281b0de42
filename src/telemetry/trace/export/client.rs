//! The exporters of `opentelemetry-otlp`, over connections of our own.
//!
//! The connections are ours for what the crate would do otherwise: take fields from the
//! environment beside those of the configuration, keep a connection whose other end is gone, and
//! tell of a failed one only that it failed.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::{HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{
    Compression, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig, WithTonicConfig,
};
use tonic::{metadata::MetadataMap, transport::Endpoint};

use super::{notes::Notes, tls::Tls};

/// How often the other end of a connection is asked for a sign of life, and how long that may
/// take.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Longest pause before an export is tried again.
const LAST_PAUSE: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("nilegate/", env!("CARGO_PKG_VERSION"));

/// What both ways to speak OTLP need.
pub struct Settings<'a> {
    /// The collector; over HTTP the whole URL.
    pub endpoint: &'a str,
    /// Fields sent with every export.
    pub headers: &'a HeaderMap,
    /// Whether exports are compressed.
    pub gzip: bool,
    /// How the collector is trusted.
    pub tls: &'a Tls,
    /// Longest time an export may take.
    pub limit: Duration,
}

/// Only the time is a limit.
fn again() -> RetryPolicy {
    RetryPolicy::recommended().with_max_retries(usize::MAX).with_max_delay(LAST_PAUSE)
}

/// An exporter over gRPC. To be called inside a runtime.
///
/// # Errors
/// In words.
pub fn over_grpc(settings: &Settings<'_>) -> Result<SpanExporter, String> {
    let said = |error: tonic::transport::Error| chain(&error);
    let mut endpoint = Endpoint::from_shared(settings.endpoint.to_owned()).map_err(said)?;
    endpoint = endpoint.user_agent(AGENT).map_err(said)?.timeout(settings.limit);
    endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    if settings.endpoint.starts_with("https:") {
        endpoint = endpoint.tls_config(settings.tls.grpc()).map_err(said)?;
    }
    let headers = settings.headers.clone();
    let ours = move |mut request: tonic::Request<()>| {
        *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
        Ok(request)
    };
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_channel(endpoint.connect_lazy())
        .with_interceptor(ours)
        .with_timeout(settings.limit);
    builder = WithTonicConfig::with_retry_policy(builder, again());
    if settings.gzip {
        builder = WithTonicConfig::with_compression(builder, Compression::Gzip);
    }
    builder.build().map_err(|error| error.to_string())
}

/// An exporter over HTTP. What happens to its connections is noted.
///
/// # Errors
/// In words.
pub fn over_http(settings: &Settings<'_>, notes: &Notes) -> Result<SpanExporter, String> {
    let connector = HttpsConnectorBuilder::new().with_tls_config(settings.tls.http()).https_or_http();
    let inner = HyperClient::new(connector.enable_http1().build(), settings.limit, None);
    let mut headers = settings.headers.clone();
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let client = Client { inner: Box::new(inner), headers, notes: notes.clone() };
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_shared_http_client(Arc::new(client))
        .with_endpoint(settings.endpoint)
        .with_timeout(settings.limit);
    builder = WithHttpConfig::with_retry_policy(builder, again());
    if settings.gzip {
        builder = WithHttpConfig::with_compression(builder, Compression::Gzip);
    }
    builder.build().map_err(|error| error.to_string())
}

#[derive(Debug)]
struct Client {
    inner: Box<dyn HttpClient>,
    headers: HeaderMap,
    notes: Notes,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = self.headers.clone();
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            if let Some(value) = request.headers_mut().remove(&name) {
                headers.insert(name, value);
            }
        }
        *request.headers_mut() = headers;
        let answer = self.inner.send_bytes(request).await;
        match &answer {
            Ok(_) => self.notes.why(String::new()),
            Err(error) => self.notes.why(chain(error.as_ref())),
        }
        answer
    }
}

/// The error with its causes: by themselves they say little.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
