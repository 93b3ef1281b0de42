//! The yardstick: the smallest Pingora proxy there can be.
//!
//! One listener, one fixed backend, no hook beyond `upstream_peer`, no log, no
//! metrics. What nilegate costs above this is the price of its own features;
//! what this costs above other proxies is the price of the frame.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use clap::Parser;
use pingora::{
    listeners::{L4BufferSettings, ListenerConfig},
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{RunArgs, Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};

// The same allocator as the product, or the comparison would be about that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare Pingora proxy in front of one backend.
#[derive(Parser)]
struct Options {
    /// The loopback port to listen on.
    #[arg(long)]
    port: u16,
    /// The backend, as `address:port`.
    #[arg(long)]
    origin: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Gives each worker thread a runtime of its own that keeps its tasks.
    #[arg(long)]
    no_work_stealing: bool,
    /// Bytes of the read buffer that each downstream connection holds. Default: Pingora's.
    #[arg(long)]
    read_buffer: Option<usize>,
}

struct Bare {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

fn main() {
    let options = Options::parse();
    let conf = ServerConf {
        threads: options.threads,
        work_stealing: !options.no_work_stealing,
        upstream_keepalive_pool_size: 1024,
        // Die at once on SIGTERM: nothing here is worth waiting for.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&Arc::clone(&server.configuration), Bare { origin: options.origin });
    let buffers = L4BufferSettings { read: options.read_buffer, write: None };
    proxy.add_listener(ListenerConfig::tcp(format!("127.0.0.1:{}", options.port)).l4_buffer(buffers));
    server.add_service(proxy);
    server.run(RunArgs::default());
}
