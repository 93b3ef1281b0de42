//! Origins that speak HTTP/2: one that keeps to it and one that breaks it.

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    h2_frame::{ACK, DATA, END_HEADERS, END_STREAM, FRAME_HEAD, HEADERS, PREFACE, SETTINGS, frame},
    ports::Port,
};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct H2Request {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// `:authority`.
    pub authority: Option<String>,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The fields after the body.
    pub trailers: HeaderMap,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct H2Answer {
    status: u16,
    headers: HeaderMap,
    pieces: Vec<Bytes>,
    trailers: HeaderMap,
}

impl H2Answer {
    /// 200 with a body in pieces.
    pub fn ok(pieces: &[&'static str]) -> Self {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        Self { status: 200, pieces, ..Self::default() }
    }

    /// Adds a field.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Adds a field after the body.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }
}

type Script = Arc<dyn Fn(&H2Request) -> H2Answer + Send + Sync>;
type Requests = Arc<Mutex<Vec<H2Request>>>;

/// An HTTP/2 origin: prior knowledge on plain text, ALPN on TLS.
pub struct H2Origin {
    port: Port,
    requests: Requests,
    accepting: JoinHandle<()>,
}

impl H2Origin {
    /// Plain text, by prior knowledge.
    pub async fn start(script: impl Fn(&H2Request) -> H2Answer + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(script)).await
    }

    /// Over TLS; the configuration says what ALPN offers.
    pub async fn start_tls(
        tls: Arc<ServerConfig>,
        script: impl Fn(&H2Request) -> H2Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(tls)), Arc::new(script)).await
    }

    async fn listen(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let port = Port::free();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        let requests = Requests::default();
        let log = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script, log) = (tls.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, log).await;
                            }
                        }
                        None => serve(stream, script, log).await,
                    }
                });
            }
        });
        Self { port, requests, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<H2Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for H2Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, script: Script, log: Requests) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, log) = (Arc::clone(&script), Arc::clone(&log));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?;
            let request = H2Request {
                method: parts.method.to_string(),
                path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
                authority: parts.uri.authority().map(ToString::to_string),
                headers: parts.headers,
                trailers: body.trailers().cloned().unwrap_or_default(),
                body: body.to_bytes(),
            };
            let answer = script(&request);
            log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            Ok::<_, hyper::Error>(respond(answer))
        }
    });
    // A connection that the proxy breaks off is part of some stories.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn respond(answer: H2Answer) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>> {
    let mut frames: Vec<Result<Frame<Bytes>, Infallible>> =
        answer.pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect();
    if !answer.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(answer.trailers)));
    }
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap();
    *response.headers_mut() = answer.headers;
    response
}

/// An origin that takes whole requests over HTTP/2 and answers each with a malformed head.
///
/// RFC 9113 section 8.3.2: a response without `:status` is malformed, which is
/// a stream error, found after the request was processed.
pub struct BrokenH2Origin {
    port: Port,
    requests: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl BrokenH2Origin {
    /// Starts, plain text by prior knowledge.
    pub async fn start() -> Self {
        let port = Port::free();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    // The peer gives up on us sooner or later: that is what we are for.
                    let _ = break_http2(stream, &count).await;
                });
            }
        });
        Self { port, requests, accepting }
    }

    /// Whole requests so far: each would have had its effect.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl fmt::Display for BrokenH2Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)
    }
}

impl Drop for BrokenH2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn break_http2(mut stream: TcpStream, requests: &AtomicUsize) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; FRAME_HEAD];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS | DATA if flags & END_STREAM != 0 => {
                requests.fetch_add(1, Ordering::SeqCst);
                // One literal field `bad: x` (RFC 7541 section 6.2.2), no `:status`.
                let fields = b"\x00\x03bad\x01x";
                let flags = END_HEADERS | END_STREAM;
                stream.write_all(&frame(HEADERS, flags, u32::from_be_bytes(id), fields)).await?;
            }
            _ => {}
        }
    }
}
