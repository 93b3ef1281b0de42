//! A collector that takes spans by OTLP, over gRPC and HTTP, and keeps them.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::Read as _,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1,
};
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tonic::{Status, codec::CompressionEncoding};

use super::{ports::Port, wait_for, wait_until};

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// Ids in hexadecimal; `parent` is empty for a root.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    /// As OTLP numbers kinds: 1 internal, 2 server, 3 client.
    pub kind: i32,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    /// Whether its status is an error.
    pub failed: bool,
    /// Attributes, numbers as text.
    pub attributes: HashMap<String, String>,
    /// Names of events with their attributes.
    pub events: Vec<(String, HashMap<String, String>)>,
    /// Ids of traces and spans linked to.
    pub links: Vec<(String, String)>,
    /// Attributes of the process.
    pub resource: HashMap<String, String>,
}

impl Span {
    /// The value of an attribute.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Span>>,
    /// Fields of the exports.
    headers: Mutex<Vec<http::HeaderMap>>,
}

impl Shared {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for resource_spans in request.resource_spans {
            let resource = resource_spans.resource.map(|it| attributes(&it.attributes)).unwrap_or_default();
            for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(read(span, &resource));
            }
        }
    }
}

fn read(span: v1::Span, resource: &HashMap<String, String>) -> Span {
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        kind: span.kind,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        failed: span.status.is_some_and(|status| status.code == 2),
        attributes: attributes(&span.attributes),
        events: span.events.into_iter().map(|it| (it.name, attributes(&it.attributes))).collect(),
        links: span.links.iter().map(|it| (hex(&it.trace_id), hex(&it.span_id))).collect(),
        resource: resource.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => format!("{other:?}"),
    };
    let value = |pair: &KeyValue| pair.value.as_ref().and_then(|any| any.value.as_ref().map(text));
    pairs.iter().map(|pair| (pair.key.clone(), value(pair).unwrap_or_default())).collect()
}

/// What a collector does with an export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Refuses,
    /// Asks for another try.
    IsBusy,
    /// Takes all but one.
    TakesAllButOne,
    /// Answers nothing.
    Hangs,
}

/// The running collector. Dropping it closes everything.
pub struct Collector {
    port: Port,
    grpc: bool,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mood: watch::Sender<Mood>,
    serving: Option<JoinHandle<()>>,
}

impl Collector {
    /// One that speaks OTLP over HTTP.
    pub async fn http() -> Self {
        Self::new(false, None).await
    }

    /// One that speaks OTLP over gRPC.
    pub async fn grpc() -> Self {
        Self::new(true, None).await
    }

    /// The same with TLS: one for each way to speak OTLP.
    pub async fn secure(config: Arc<ServerConfig>) -> [Self; 2] {
        [Self::new(false, Some(Arc::clone(&config))).await, Self::new(true, Some(config)).await]
    }

    async fn new(grpc: bool, tls: Option<Arc<ServerConfig>>) -> Self {
        let (mood, _) = watch::channel(Mood::Takes);
        let (port, tls) = (Port::free(), tls.map(TlsAcceptor::from));
        let mut collector = Self { port, grpc, tls, shared: Arc::default(), mood, serving: None };
        collector.revive().await;
        collector
    }

    /// Listens again on the same port.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.port.address()).await.unwrap();
        let service = Service { shared: Arc::clone(&self.shared), mood: self.mood.subscribe() };
        let (grpc, tls) = (self.grpc, self.tls.clone());
        self.serving = Some(tokio::spawn(async move {
            // Owns the connections: when this task is aborted they are closed with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, service) = (tls.clone(), service.clone());
                connections.spawn(async move {
                    match tls {
                        None => service.serve(stream, grpc).await,
                        Some(tls) => {
                            // An exporter that does not trust us is part of a story.
                            if let Ok(stream) = tls.accept(stream).await {
                                service.serve(stream, grpc).await;
                            }
                        }
                    }
                });
            }
        }));
    }

    /// Closes the listener and every connection, as when the process dies.
    pub async fn kill(&mut self) {
        if let Some(task) = self.serving.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Refuses what comes from now on.
    pub fn refuse(&self) {
        self.mood.send_replace(Mood::Refuses);
    }

    /// Takes what comes from now on.
    pub fn take(&self) {
        self.mood.send_replace(Mood::Takes);
    }

    /// Asks for another try from now on.
    pub fn be_busy(&self) {
        self.mood.send_replace(Mood::IsBusy);
    }

    /// Takes all but one span of each export from now on.
    pub fn take_all_but_one(&self) {
        self.mood.send_replace(Mood::TakesAllButOne);
    }

    /// Answers nothing from now on.
    pub fn hang(&self) {
        self.mood.send_replace(Mood::Hangs);
    }

    /// The `export:` section for it.
    pub fn export(&self) -> String {
        let (protocol, path) = if self.grpc { ("grpc", "") } else { ("http", "/v1/traces") };
        format!("protocol: {protocol}, endpoint: \"{}{path}\", interval: 20ms", self.url())
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.port)
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The fields of the exports so far.
    pub fn headers(&self) -> Vec<http::HeaderMap> {
        self.shared.headers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many spans, and returns them in the order of their beginning.
    pub async fn wait_spans(&self, count: usize) -> Vec<Span> {
        wait_until(&format!("{count} spans"), async || self.spans().len() >= count).await;
        let mut spans = self.spans();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// Waits for a span that fits.
    pub async fn wait_span(&self, what: &str, fits: impl Fn(&Span) -> bool) -> Span {
        wait_for(what, async || self.spans().into_iter().find(|span| fits(span))).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(task) = &self.serving {
            task.abort();
        }
    }
}

#[derive(Clone)]
struct Service {
    shared: Arc<Shared>,
    mood: watch::Receiver<Mood>,
}

impl Service {
    /// Serves one connection.
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, grpc: bool) {
        let io = TokioIo::new(stream);
        // An exporter that breaks off a connection is part of many stories.
        if grpc {
            let executor = hyper_util::rt::TokioExecutor::new();
            let traces = TraceServiceServer::new(self).accept_compressed(CompressionEncoding::Gzip);
            let traces = hyper_util::service::TowerToHyperService::new(traces);
            let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, traces).await;
        } else {
            let answer = service_fn(|request| self.http(request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await;
        }
    }

    /// What is done with an export. Hanging ends with the connection.
    async fn mood(&self) -> Mood {
        let mood = *self.mood.borrow();
        if mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        mood
    }

    async fn http(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let answer = |status: u16, body: Vec<u8>| {
            let response =
                Response::builder().status(status).header("content-type", "application/x-protobuf");
            Ok(response.body(Full::new(Bytes::from(body))).unwrap())
        };
        let mood = self.mood().await;
        match mood {
            Mood::Refuses => return answer(400, Vec::new()),
            Mood::IsBusy => return answer(503, Vec::new()),
            _ => {}
        }
        assert_eq!(request.uri().path(), "/v1/traces");
        let gzip = request.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
        self.shared.headers.lock().unwrap_or_else(PoisonError::into_inner).push(request.headers().clone());
        let Ok(body) = request.into_body().collect().await else { return answer(400, Vec::new()) };
        let mut bytes = body.to_bytes().to_vec();
        if gzip {
            let packed = std::mem::take(&mut bytes);
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        }
        let said = self.take(ExportTraceServiceRequest::decode(&bytes[..]).unwrap(), mood);
        answer(200, said.encode_to_vec())
    }

    fn take(&self, mut request: ExportTraceServiceRequest, mood: Mood) -> ExportTraceServiceResponse {
        let mut said = ExportTraceServiceResponse::default();
        if mood == Mood::TakesAllButOne {
            request.resource_spans[0].scope_spans[0].spans.pop();
            let error_message = "one is too many".to_owned();
            said.partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, error_message });
        }
        self.shared.take(request);
        said
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let mood = self.mood().await;
        match mood {
            Mood::Refuses => return Err(Status::invalid_argument("refused")),
            Mood::IsBusy => return Err(Status::unavailable("busy")),
            _ => {}
        }
        let headers = request.metadata().clone().into_headers();
        self.shared.headers.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
        Ok(tonic::Response::new(self.take(request.into_inner(), mood)))
    }
}
