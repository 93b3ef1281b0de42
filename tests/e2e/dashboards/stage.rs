//! A gateway with everything that can be configured, and what stands around it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::rustls::ClientConfig;

use crate::harness::{
    Answer, Collector, Gateway, Origin,
    h2_origin::{H2Answer, H2Origin},
    origin::Recorded,
    ports::Port,
    redis::RedisServer,
    tls::Authority,
    tokens::{Signer, key_set},
};

/// The services, and the ports of the gateway.
pub struct Stage {
    pub steady: Origin,
    second: Origin,
    failing: Origin,
    slow: Origin,
    issuer: Origin,
    grpc: H2Origin,
    sealed: Option<H2Origin>,
    tunnels: SocketAddr,
    nobody: Port,
    nowhere: Port,
    pub redis: RedisServer,
    pub collector: Collector,
    pub signer: Signer,
    pub authority: Authority,
    /// Ports of the listeners beside the first.
    pub secure: Port,
    pub balanced: Port,
    pub narrow: Port,
    /// A client that takes up its sessions again.
    pub browser: Arc<ClientConfig>,
    pub old_browser: Arc<ClientConfig>,
}

impl Stage {
    /// Everything but the gateway.
    pub async fn set() -> Self {
        let signer = Signer::es256().named("one");
        let keys = key_set(&[&signer]);
        let authority = Authority::new();
        let (browser, old_browser) = (authority.client(None, &["http/1.1"]), authority.old_client());
        Self {
            steady: service().await,
            second: service().await,
            failing: Origin::start(|_| Answer::status(503)).await,
            slow: Origin::start(|_| Answer::ok("slow at last").drip(1, Duration::from_millis(20))).await,
            issuer: Origin::start(move |_| Answer::ok(&keys)).await,
            grpc: H2Origin::start(|_| {
                H2Answer::ok(&["\0\0\0\0\0"])
                    .header("content-type", "application/grpc")
                    .trailer("grpc-status", "0")
            })
            .await,
            sealed: None,
            tunnels: tunnels().await,
            nobody: Port::free(),
            nowhere: Port::free(),
            redis: RedisServer::start().await,
            collector: Collector::http().await,
            signer,
            authority,
            secure: Port::free(),
            balanced: Port::free(),
            narrow: Port::free(),
            browser,
            old_browser,
        }
    }

    /// The gateway before it.
    pub async fn gateway(&mut self) -> Gateway {
        let builder = Gateway::new();
        let directory = builder.directory().to_owned();
        self.authority.leaf(&["a.test"]).write(&directory, "a");
        self.authority.write(&directory);
        let leaf = self.authority.leaf(&["sealed.test"]);
        self.sealed = Some(H2Origin::start_tls(leaf.server(None, &["h2"]), |_| H2Answer::ok(&["x"])).await);
        let sealed = self.sealed.as_ref().unwrap().address();
        let telemetry = format!(
            "{{ log: {{ format: text, level: info }}, access_log: {{ format: json, sample: 0.5 }}, \
               explain: {{ secret: '{SECRET}' }}, \
               tracing: {{ trust: always, sampling: {{ ratio: 1, parent_limit: 1 }}, export: {{ {} }} }} }}",
            self.collector.export()
        );
        builder
            .process("listeners", LISTENERS)
            .process("telemetry", &telemetry)
            .process(
                "cache",
                "{ memory: { capacity: 256KiB, max_object: 64KiB }, redis: { url: '@redis@' } }",
            )
            .process("rate_limits", "{ keys: 16 }")
            .process("limits", "{ idle_timeout: 2s, header_timeout: 1s }")
            .set("redis", self.redis.url())
            .set("secure", &self.secure)
            .set("balanced", &self.balanced)
            .set("narrow", &self.narrow)
            .set("steady", &self.steady)
            .set("second", &self.second)
            .set("failing", &self.failing)
            .set("slow", &self.slow)
            .set("issuer", &self.issuer)
            .set("named", format!("localhost:{}", self.steady.address().port()))
            .set("calls", self.grpc.address())
            .set("sealed", sealed)
            .set("tunnels", self.tunnels)
            .set("nobody", &self.nobody)
            .set("nowhere", &self.nowhere)
            .traffic(TRAFFIC)
            .start()
            .await
    }
}

/// What wishes to explain a request are signed with.
pub const SECRET: &str = "a secret of the tests, long enough for all";

const LISTENERS: &str = r#"
- { name: public, address: "@listener@" }
- { name: secure, address: "@secure@", tls: { certificates: [{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }] } }
- { name: balanced, address: "@balanced@", proxy_protocol: { from: [127.0.0.1/32] } }
- { name: narrow, address: "@narrow@", max_connections: 1 }
"#;

const TRAFFIC: &str = r#"
api_versions:
  versions: { v1: { deprecated: 2020-01-01, sunset: 2199-01-01 }, v2: {} }
  default: v2
  sources: [path, header]
  consumer: header:X-Client-Id
mappings:
  older:
    from: v1
    to: v2
    lossy: true
    request: [{ rename: { name: fullName } }]
    response: [{ rename: { fullName: name } }]
upstreams:
  steady: { backends: ['@steady@', '@second@'], health_check: { interval: 200ms } }
  named: { backends: ['@named@'], dns: { refresh: 500ms } }
  sealed: { backends: ['@sealed@'], protocol: http2, tls: { sni: sealed.test, ca: '@dir@/ca.pem' }, keepalive: { idle_timeout: 1s } }
  calls: { backends: ['@calls@'], protocol: http2 }
  flaky:
    backends: ['@steady@', '@failing@']
    retry: { attempts: 3, on: [connect, reset, gateway_error] }
    ejection: { consecutive_failures: 2, period: 400ms }
  gone:
    backends: ['@nobody@', '@nowhere@']
    retry: { attempts: 2, budget: 0, min_per_second: 0 }
    circuit_breaker: { min_requests: 4, window: 3s, open_for: 300ms }
  late: { backends: ['@slow@'], timeouts: { first_byte: 20ms, read: 20ms }, retry: { attempts: 1 }, ejection: { consecutive_failures: 0 } }
  small: { backends: ['@slow@'], concurrency: { limit: 1, queue: 1, queue_timeout: 200ms } }
  tunnels: { backends: ['@tunnels@'] }
  issuer: { backends: ['@issuer@'] }
auth:
  providers:
    staff: { jwt: { keys: { jwks: { upstream: issuer, path: /keys, refresh: 1s, cooldown: 100ms } } } }
rate_limits:
  hourly: { rate: 40/m, burst: 4, by: 'header:X-Tenant' }
  together: { rate: 1000/s, by: address, shared: true }
routes:
  - { name: plain, match: { path: '/plain/**' }, upstream: steady }
  - name: kept
    match: { path: '/kept/**' }
    upstream: steady
    cache: { compress: { above: 100B }, bypass: { query: { fresh: { present: true } } } }
  - { name: named, match: { path: /named }, upstream: named }
  - { name: sealed, match: { path: /sealed }, upstream: sealed }
  - { name: calls, match: { path: '/story.Echo/**' }, upstream: calls }
  - { name: flaky, match: { path: /flaky }, upstream: flaky }
  - { name: gone, match: { path: /gone }, upstream: gone }
  - { name: late, match: { path: /late }, upstream: late }
  - { name: small, match: { path: /small }, upstream: small }
  - { name: tunnel, match: { path: /chat }, upstream: tunnels }
  - { name: guarded, match: { path: /guarded }, upstream: steady, auth: { with: staff, forward: { X-User-Id: subject } } }
  - { name: limited, match: { path: /limited }, upstream: steady, rate_limit: [hourly, together] }
  - name: people
    match: { path: '/api/people/{id}' }
    upstream: steady
    versions: { v1: { map: older }, v2: {} }
"#;

/// A service whose answers suit every route.
async fn service() -> Origin {
    let asked = Arc::new(AtomicUsize::new(0));
    Origin::start(move |request| answer(request, asked.fetch_add(1, Ordering::Relaxed))).await
}

fn answer(request: &Recorded, number: usize) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    let text = || Answer::ok("all work and no play ".repeat(50)).header("Content-Type", "text/plain");
    match path {
        "/kept/text" => text().header("Cache-Control", "max-age=1").header("ETag", "\"one\""),
        "/kept/confirmed" if request.header("if-none-match").is_some() => {
            Answer::status(304).header("Cache-Control", "max-age=1").header("ETag", "\"one\"")
        }
        "/kept/confirmed" => text().header("Cache-Control", "max-age=1").header("ETag", "\"one\""),
        "/kept/refreshed" => text().header("Cache-Control", "max-age=1, stale-while-revalidate=60"),
        "/kept/failing" if !number.is_multiple_of(3) => Answer::status(503),
        "/kept/failing" => text().header("Cache-Control", "max-age=1, stale-if-error=60"),
        "/kept/never" => text().header("Cache-Control", "no-store"),
        path if path.starts_with("/kept/large") => {
            Answer::ok(vec![b'x'; 30_000]).header("Cache-Control", "max-age=60")
        }
        path if path.starts_with("/kept/slow") => {
            Answer::ok("slowly").header("Cache-Control", "max-age=60").drip(1, Duration::from_millis(10))
        }
        "/plain/slow" => Answer::ok("slow down").drip(1, Duration::from_millis(30)),
        _ => Answer::ok(r#"{"fullName":"Ann"}"#).header("Content-Type", "application/json"),
    }
}

/// Switches protocols, and echoes until the client leaves.
async fn tunnels() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let switched =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                if stream.write_all(switched.as_bytes()).await.is_ok() {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    });
    address
}
