//! A proxy with nothing but mapped exchanges, a scripted backend behind it, a client before it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use pingora_cache::{CacheKey, CacheMeta, MemCache, RespCacheable};
use pingora_core::{
    Error, ErrorType, Result,
    apps::HttpServerOptions,
    protocols::Digest,
    server::configuration::ServerConf,
    services::Service as _,
    upstreams::peer::{ALPN, HttpPeer},
};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, ProxyServiceBuilder, Session};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::super::{ExchangeConnector, Orders, Refusal, map_over, strip_connection};
use crate::{config::mapping::MappingConfig, mapping::Mapping};

/// Both ways of one mapping, and limits small enough to reach.
pub fn orders(more: &str) -> Orders {
    let text = format!(
        "from: v1\nto: v2\nmax_request: 1KiB\nmax_response: 1KiB\n\
         request: [{{ rename: {{ first_name: firstName }} }}, {{ convert: {{ at: age, to: number }} }}]\n\
         response: [{{ rename: {{ firstName: first_name }} }}, {{ convert: {{ at: age, to: string }} }}]\n{more}"
    );
    let config: MappingConfig = serde_yaml::from_str(&text).unwrap();
    let mapping = Mapping::compile(&config).unwrap();
    let response_type = Some(HeaderValue::from_static("application/vnd.nilecare.v1+json"));
    Orders { response_type, ..Orders::along(&[(&mapping, true)], "v1").unwrap() }
}

static CACHE: LazyLock<MemCache> = LazyLock::new(MemCache::new);

struct Gateway {
    origin: SocketAddr,
    orders: Orders,
    alpn: ALPN,
    /// How long responses are fresh in the cache. `None`: nothing is kept.
    fresh: Option<Duration>,
    reused: Arc<Mutex<Vec<bool>>>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = Box::new(HttpPeer::new(self.origin, false, String::new()));
        peer.options.alpn = self.alpn.clone();
        peer.options.read_timeout = Some(Duration::from_millis(500));
        map_over(&mut peer);
        Ok(peer)
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: std::os::fd::RawFd,
        digest: Option<&Digest>,
        _: &mut (),
    ) -> Result<()> {
        assert!(digest.is_some());
        self.reused.lock().unwrap().push(reused);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        _: &mut (),
    ) -> Result<()> {
        strip_connection(request)?;
        request.extensions_mut().insert(self.orders.clone());
        Ok(())
    }

    fn request_cache_filter(&self, session: &mut Session, _: &mut ()) -> Result<()> {
        if self.fresh.is_some() {
            session.cache.enable(&*CACHE, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, _: &Session, _: &mut ()) -> Result<CacheKey> {
        Ok(CacheKey::new(self.origin.to_string(), ""))
    }

    fn response_cache_filter(
        &self,
        _: &Session,
        response: &ResponseHeader,
        _: &mut (),
    ) -> Result<RespCacheable> {
        let now = SystemTime::now();
        let until = now + self.fresh.unwrap_or_default();
        Ok(RespCacheable::Cacheable(CacheMeta::new(until, now, 0, 0, response.clone())))
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        _: &mut Session,
        mut error: Box<Error>,
        _: &mut (),
        reused: bool,
    ) -> Box<Error> {
        error.retry.decide_reuse(reused);
        error.etype = match Refusal::of(&error) {
            Some(Refusal::Request(_)) => ErrorType::HTTPStatus(400),
            Some(Refusal::RequestTooLarge) => ErrorType::HTTPStatus(413),
            Some(Refusal::RequestForm) => ErrorType::HTTPStatus(415),
            Some(_) => ErrorType::HTTPStatus(502),
            None => error.etype,
        };
        error
    }
}

/// What a backend saw: head and body.
pub type Seen = Arc<Mutex<Vec<(String, String)>>>;

pub struct Stage {
    pub proxy: SocketAddr,
    pub seen: Seen,
    pub reused: Arc<Mutex<Vec<bool>>>,
    _shutdown: watch::Sender<bool>,
}

/// Starts a proxy before a backend that is there already.
pub async fn before(origin: SocketAddr, orders: Orders, alpn: ALPN) -> Stage {
    before_with_cache(origin, orders, alpn, None).await
}

/// The same with a cache.
pub async fn before_with_cache(
    origin: SocketAddr,
    orders: Orders,
    alpn: ALPN,
    fresh: Option<Duration>,
) -> Stage {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let conf = Arc::new(ServerConf::default());
    let reused = Arc::new(Mutex::new(Vec::new()));
    let gateway = Gateway { origin, orders, alpn, fresh, reused: Arc::clone(&reused) };
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    let mut service = ProxyServiceBuilder::new(&conf, gateway)
        .custom(ExchangeConnector::new(&conf), Arc::new(|_, _, _| Box::pin(async { None })))
        .server_options(options)
        .build();
    service.add_tcp(&address.to_string());
    let (shutdown, watch) = watch::channel(false);
    tokio::spawn(async move { service.start_service(None, watch, 1).await });
    while TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    Stage { proxy: address, seen: Seen::default(), reused, _shutdown: shutdown }
}

/// Starts a backend that answers every request with `reply`, and a proxy before it.
pub async fn stage(orders: Orders, reply: impl Into<Vec<u8>>) -> Stage {
    let reply = reply.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = before(listener.local_addr().unwrap(), orders, ALPN::H1).await;
    let seen = Arc::clone(&stage.seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, reply.clone(), Arc::clone(&seen)));
        }
    });
    stage
}

async fn serve(mut stream: TcpStream, reply: Vec<u8>, seen: Seen) {
    let mut received = Vec::new();
    while let Ok((head, body)) = message(&mut stream, &mut received).await {
        seen.lock().unwrap().push((head, body));
        if stream.write_all(&reply).await.is_err() || reply.is_empty() || reply.ends_with(b"CUT") {
            return;
        }
    }
}

/// Reads one HTTP/1 message with its body.
pub async fn message(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<(String, String)> {
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let rest = &received[end + 4..];
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = if head.contains("transfer-encoding: chunked") {
                let end = rest.windows(5).position(|window| window == b"0\r\n\r\n");
                end.map(|end| end + 5)
            } else {
                let length = length.map_or(0, |length| length.trim().parse().unwrap());
                (rest.len() >= length).then_some(length)
            };
            if let Some(length) = whole {
                let body = String::from_utf8_lossy(&rest[..length]).into_owned();
                received.drain(..end + 4 + length);
                return Ok((head, body));
            }
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a client got: head in lower case, and body.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix))
    }
}

impl Stage {
    /// Sends a request as it is and reads everything that comes back.
    pub async fn raw(&self, request: &[u8]) -> Bytes {
        let mut stream = TcpStream::connect(self.proxy).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        received.into()
    }

    /// Sends a request with these fields and this body.
    pub async fn ask(&self, method: &str, fields: &str, body: &str) -> Answer {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head =
            format!("{method} /p/1 HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n{length}{fields}\r\n");
        let received = self.raw(&[head.as_bytes(), body.as_bytes()].concat()).await;
        let text = String::from_utf8_lossy(&received).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer { head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub async fn get(&self, fields: &str) -> Answer {
        self.ask("GET", fields, "").await
    }

    /// The requests that the backend has seen.
    pub fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}
