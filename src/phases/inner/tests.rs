use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Notify,
};

use super::*;
use crate::{config::load, proxy::Gateway, runtime, runtime::snapshot::SnapshotCell, services::graphql};

/// A backend that says how often it was asked. `/slow` it answers when it is told to.
struct Backend {
    asked: AtomicUsize,
    go_on: Notify,
}

impl Backend {
    async fn start() -> (Arc<Self>, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Arc::new(Self { asked: AtomicUsize::new(0), go_on: Notify::new() });
        let serving = Arc::clone(&backend);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(BufReader::new(stream)));
            }
        });
        (backend, address)
    }

    async fn serve(self: Arc<Self>, mut stream: BufReader<tokio::net::TcpStream>) {
        loop {
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let count = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            if head.contains("/slow") {
                self.go_on.notified().await;
            }
            let answer = format!("{count} {}", String::from_utf8(body).unwrap());
            let text = format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct House {
    resources: Arc<Resources>,
    cell: Arc<SnapshotCell>,
    _proxy: Arc<HttpProxy<Gateway>>,
}

impl House {
    fn new(backend: std::net::SocketAddr) -> Self {
        let text = format!(
            "process: {{ listeners: [{{ address: '127.0.0.1:8080' }}] }}\n\
             traffic:\n  upstreams: {{ origin: {{ backends: ['{backend}'] }} }}\n  \
             routes: [{{ name: all, upstream: origin, cache: {{}} }}]\n"
        );
        let loaded = load::load_text("test.yaml", &text, &|_| None).unwrap();
        let resources = Resources::new(&loaded.config.process, Vec::new());
        let resources = Arc::new(resources.map_err(|found| format!("{found:?}")).unwrap());
        let snapshot = runtime::build(&loaded.config.traffic, &resources, None);
        let cell = Arc::new(SnapshotCell::new(snapshot.map_err(|found| format!("{found:?}")).unwrap()));
        let graphql = Arc::new(graphql::Service::new(Arc::clone(resources.metrics.graphql())));
        let gateway = Gateway::new(Arc::clone(&resources), Arc::clone(&cell), graphql);
        let conf = ServerConf { max_retries: 16, ..ServerConf::default() };
        let proxy = Arc::new(HttpProxy::new(gateway, Arc::new(conf)));
        resources.pipeline.open(&proxy);
        Self { resources, cell, _proxy: proxy }
    }

    fn origin(&self) -> Origin {
        let mut ctx = RequestContext::new();
        ctx.snapshot = Some(self.cell.load_full());
        ctx.listener = self.resources.listeners.first().cloned();
        Origin::of(&ctx, None, &self.resources).unwrap()
    }

    async fn ask(&self, call: Call) -> Result<Answer, Failure> {
        ask(&self.origin(), call, &self.resources).await
    }
}

fn call(method: Method, target: &str, body: &'static str) -> Call {
    let mut request = RequestHeader::build(method, target.as_bytes(), None).unwrap();
    request.insert_header("host", "example.org").unwrap();
    if !body.is_empty() {
        request.insert_header("content-length", body.len().to_string()).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    Call { request, body: Bytes::from_static(body.as_bytes()), body_max: 100, deadline }
}

#[tokio::test]
async fn a_second_request_is_answered_from_memory() {
    let (backend, address) = Backend::start().await;
    let house = House::new(address);
    let first = house.ask(call(Method::GET, "/a", "")).await.unwrap();
    assert_eq!((&*first.body, first.told.cache), (&b"1 "[..], Some(CacheResult::Miss)));
    let second = house.ask(call(Method::GET, "/a", "")).await.unwrap();
    assert_eq!((&*second.body, second.told.cache), (&b"1 "[..], Some(CacheResult::Hit)));
    for answer in [first, second] {
        let left = answer.told.fresh_for.unwrap();
        assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(30), "{left:?}");
    }
    assert_eq!(backend.asked(), 1);
}

#[tokio::test]
async fn a_body_goes_to_the_backend() {
    let (_backend, address) = Backend::start().await;
    let answer = House::new(address).ask(call(Method::POST, "/a", "hello")).await.unwrap();
    assert_eq!(answer.body, "1 hello");
    assert_eq!(answer.told.fresh_for, None);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_none_and_is_kept_all_the_same() {
    let (backend, address) = Backend::start().await;
    let house = House::new(address);
    let small = Call { body_max: 1, ..call(Method::GET, "/a", "") };
    assert_eq!(house.ask(small).await.unwrap_err(), Failure::TooLarge);
    let small = Call { body_max: 1, ..call(Method::GET, "/a", "") };
    assert_eq!(house.ask(small).await.unwrap_err(), Failure::TooLarge);
    assert_eq!(house.ask(call(Method::GET, "/a", "")).await.unwrap().body, "1 ");
    assert_eq!(backend.asked(), 1);
}

#[tokio::test]
async fn requests_for_the_same_are_one() {
    let (backend, address) = Backend::start().await;
    let house = House::new(address);
    backend.go_on.notify_one();
    let asking = (0..100).map(|_| house.ask(call(Method::GET, "/slow", "")));
    for answer in futures::future::join_all(asking).await {
        assert_eq!(answer.unwrap().body, "1 ");
    }
    assert_eq!(backend.asked(), 1);
}

#[tokio::test]
async fn one_that_took_too_long_is_still_stored_for_others() {
    let (backend, address) = Backend::start().await;
    let house = House::new(address);
    let hasty = Call { deadline: Instant::now(), ..call(Method::GET, "/slow", "") };
    assert_eq!(house.ask(hasty).await.unwrap_err(), Failure::Timeout);
    backend.go_on.notify_one();
    assert_eq!(house.ask(call(Method::GET, "/slow", "")).await.unwrap().head.status, 200);
}

#[tokio::test]
async fn refusals_are_answers() {
    let house = House::new("127.0.0.1:1".parse().unwrap());
    let call = Call { body_max: 1000, ..call(Method::GET, "/a", "") };
    let answer = house.ask(call).await.unwrap();
    assert_eq!(answer.head.status, 502);
    assert_eq!(answer.told.refused, Some(ErrorReason::ConnectFailed));
}
