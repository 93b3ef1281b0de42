//! A hit in the shared tier beside a bare `GET` of the same size by the redis crate.
//!
//! The tier runs as in the gateway: its connection belongs to a runtime of background
//! services, lookups come from the runtime of a worker. The bare client has one runtime for
//! all, which is the best case there is. `redis-server` is started on a port of its own.
//! Rounds are interleaved; the best p50 of each counts. Fails above the goal.
#![allow(clippy::print_stdout, reason = "a bench reports to the terminal")]
#![allow(clippy::unwrap_used, reason = "what fails here ends the bench")]

use std::{
    future::Future,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nilegate::{
    cache::{
        entry::StoredEntry,
        key::EntryKey,
        redis::{Lookup, NodeId, RedisTier},
    },
    config::cache::RedisConfig,
    telemetry::{cache::Tier, metrics::Metrics},
};
use redis::aio::MultiplexedConnection;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 3] = [1 << 10, 10 << 10, 100 << 10];
const ROUNDS: usize = 7;
const LOOKUPS: usize = 2_000;
const GOAL: f64 = 2.5;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Server(
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let bare = Builder::new_current_thread().enable_all().build().unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = connect(&bare, &client);
    let (background, worker) = (one_thread(), one_thread());
    let tier = tier(&background, port);
    println!("| body | bare GET p50, us | hit p50, us | ratio | bare p99 | hit p99 |");
    println!("|---|---|---|---|---|---|");
    let mut is_good = true;
    for (number, size) in SIZES.into_iter().enumerate() {
        let key = EntryKey([number as u8 + 1; 16]);
        tier.put(key, entry(size), None);
        assert!(background.block_on(tier.flush(Duration::from_secs(5))));
        let name = format!("nilegate:e:{key}");
        let (mut ours, mut theirs) = ([f64::MAX; 2], [f64::MAX; 2]);
        for _ in 0..ROUNDS {
            theirs = least(theirs, bare.block_on(times(|| get(connection.clone(), &name))));
            let tier = tier.clone();
            let hits = async move { times(|| hit(tier.clone(), key)).await };
            ours = least(ours, bare.block_on(worker.spawn(hits)).unwrap());
        }
        let ratio = ours[0] / theirs[0];
        is_good &= ratio <= GOAL;
        println!(
            "| {} KiB | {:.1} | {:.1} | {ratio:.2} | {:.1} | {:.1} |",
            size >> 10,
            theirs[0],
            ours[0],
            theirs[1],
            ours[1]
        );
    }
    // Ends what the connection waits for before its runtime does.
    drop(std::mem::replace(&mut connection, connect(&bare, &client)));
    assert!(is_good, "a hit costs more than {GOAL} times a bare GET");
}

fn one_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn connect(runtime: &Runtime, client: &redis::Client) -> MultiplexedConnection {
    loop {
        match runtime.block_on(client.get_multiplexed_async_connection()) {
            Ok(connection) => return connection,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn tier(runtime: &Runtime, port: u16) -> RedisTier {
    let yaml = format!("{{ url: 'redis://127.0.0.1:{port}', timeout: 1s }}");
    let config: RedisConfig = serde_yaml::from_str(&yaml).unwrap();
    let metrics = Metrics::new("1", "a").unwrap();
    let metrics = Arc::clone(metrics.cache().tier(Tier::Redis));
    let tier = RedisTier::new(&config, NodeId::unique("bench"), metrics).unwrap();
    let running = tier.clone();
    runtime.spawn(async move { running.run(drop).await });
    while !tier.is_current() {
        thread::sleep(Duration::from_millis(10));
    }
    tier
}

fn entry(size: usize) -> Arc<StoredEntry> {
    use nilegate::cache::entry::{Parts, Stamp, Times};
    let now = Stamp::now();
    let later = now.plus(Duration::from_secs(3600));
    let times = Times { requested: now, fresh_until: later, useless_at: later, ..Times::default() };
    let parts = Parts {
        status: http::StatusCode::OK,
        fields: b"Content-Type: application/json\r\n",
        body: &vec![b'x'; size],
        target: b"example.org/",
        variance: None,
        tags: &[],
        times,
    };
    Arc::new(StoredEntry::new(&parts).unwrap())
}

async fn get(mut connection: MultiplexedConnection, name: &str) {
    let value: Vec<u8> = redis::cmd("GET").arg(name).query_async(&mut connection).await.unwrap();
    assert!(value.len() > 1024);
}

async fn hit(tier: RedisTier, key: EntryKey) {
    assert!(matches!(tier.get(key).await, Lookup::Found(_)));
}

/// The median and the 99th of a hundred, in microseconds.
async fn times<F: Future<Output = ()>>(mut one: impl FnMut() -> F) -> [f64; 2] {
    let mut taken = Vec::with_capacity(LOOKUPS);
    for _ in 0..LOOKUPS {
        let started = Instant::now();
        one().await;
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    [50, 99].map(|percent| taken[LOOKUPS * percent / 100].as_secs_f64() * 1e6)
}

fn least(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    [one[0].min(other[0]), one[1].min(other[1])]
}
