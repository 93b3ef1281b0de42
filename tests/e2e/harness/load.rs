//! Constant load in the background, to see whether anything the gateway does loses a request.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{wait::in_time, wait_until};

/// The running load.
pub struct Load {
    shared: Arc<Shared>,
    connections: JoinSet<Asked>,
}

/// After so many requests a connection to one of several servers is given up for the next.
const TURN: usize = 50;

struct Shared {
    to: Vec<SocketAddr>,
    requests: Vec<Vec<u8>>,
    turn: AtomicUsize,
    stop: AtomicBool,
    ok: AtomicU64,
}

/// What one connection saw.
#[derive(Default)]
struct Asked {
    failed: BTreeMap<String, u64>,
    /// Of the good answers.
    times: Vec<Duration>,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answered with 200 and a whole body.
    pub ok: u64,
    /// Lost, by reason.
    pub failed: BTreeMap<String, u64>,
    /// How long the slowest good answer took.
    pub slowest: Duration,
    /// The time that all but one of a hundred good answers kept.
    pub p99: Duration,
}

impl Tally {
    /// Fails the story when a single request was lost, or when hardly any was made.
    pub fn assert_none_lost(&self) {
        assert!(self.failed.is_empty(), "{} answered, lost: {:?}", self.ok, self.failed);
        assert!(self.ok > 100, "only {} requests were made", self.ok);
    }
}

impl Load {
    /// Keeps connections busy with GETs until `stop`.
    pub fn start(to: SocketAddr, path: &str, connections: usize) -> Self {
        Self::spread(vec![to], &to.to_string(), &[path.to_owned()], connections)
    }

    /// The same over several servers, as a balancer spreads them: connections go to the next
    /// server by turns, and to another one when nobody listens there; paths are asked for by turns.
    pub fn spread(to: Vec<SocketAddr>, host: &str, paths: &[String], connections: usize) -> Self {
        let request = |path: &String| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        let shared = Arc::new(Shared {
            to,
            requests: paths.iter().map(request).collect(),
            turn: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            ok: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(keep_asking(Arc::clone(&shared)));
        }
        Self { shared, connections: tasks }
    }

    /// Good answers so far.
    pub fn ok(&self) -> u64 {
        self.shared.ok.load(Ordering::Relaxed)
    }

    /// Waits until this many more requests were answered well.
    pub async fn wait_for_more(&self, count: u64) {
        let goal = self.ok() + count;
        wait_until("answers under load", async || self.ok() >= goal).await;
    }

    /// Ends the load: requests under way are waited for.
    pub async fn stop(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        let mut times = Vec::new();
        while let Some(asked) = in_time("the load to end", self.connections.join_next()).await {
            let asked = asked.unwrap();
            for (reason, count) in asked.failed {
                *tally.failed.entry(reason).or_default() += count;
            }
            times.extend(asked.times);
        }
        times.sort_unstable();
        tally.ok = self.ok();
        tally.slowest = times.last().copied().unwrap_or_default();
        tally.p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
        tally
    }
}

impl Shared {
    fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection to the server whose turn it is, or else to the next one that takes it.
    async fn connect(&self) -> io::Result<Connection> {
        let first = self.turn();
        let mut refused = None;
        for step in 0..self.to.len() {
            match Connection::open(self.to[(first + step) % self.to.len()]).await {
                Ok(open) => return Ok(open),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }
}

async fn keep_asking(shared: Arc<Shared>) -> Asked {
    let Asked { mut failed, mut times } = Asked::default();
    let mut connection: Option<Connection> = None;
    let mut asked = 0_usize;
    while !shared.stop.load(Ordering::Relaxed) {
        // A connection that was closed while nothing was sent lost nothing.
        let open = match connection.take() {
            Some(open) if !open.is_closed() && (shared.to.len() == 1 || asked < TURN) => Ok(open),
            _ => {
                asked = 0;
                shared.connect().await
            }
        };
        asked += 1;
        let request = &shared.requests[shared.turn() % shared.requests.len()];
        let started = Instant::now();
        let answer = match open {
            Ok(mut open) => open.ask(request).await.map(|keep| keep.then_some(open)),
            Err(error) => Err(format!("connect: {}", error.kind())),
        };
        match answer {
            Ok(kept) => {
                connection = kept;
                times.push(started.elapsed());
                shared.ok.fetch_add(1, Ordering::Relaxed);
            }
            Err(reason) => {
                *failed.entry(reason).or_default() += 1;
                // A server that refuses all must not turn this into a busy loop.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    Asked { failed, times }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Whether the peer closed while the connection was idle.
    fn is_closed(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// One request and its answer; says whether the connection may be kept.
    async fn ask(&mut self, request: &[u8]) -> Result<bool, String> {
        self.stream.write_all(request).await.map_err(|error| format!("send: {}", error.kind()))?;
        loop {
            match self.answer()? {
                Some(keep) => return Ok(keep),
                None => {
                    let before = self.buffer.len();
                    let read = self.stream.read_buf(&mut self.buffer).await;
                    let place = if before == 0 { "before the answer" } else { "within the answer" };
                    match read {
                        Ok(0) => return Err(format!("closed {place}")),
                        Ok(_) => {}
                        Err(error) => return Err(format!("{} {place}", error.kind())),
                    }
                }
            }
        }
    }

    /// Takes a whole answer out of the buffer, when there is one.
    fn answer(&mut self) -> Result<Option<bool>, String> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(&self.buffer) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("not an answer: {error}")),
        };
        let value = |name: &str| {
            let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(field.value).ok()
        };
        let length: usize =
            value("content-length").and_then(|v| v.parse().ok()).ok_or("no Content-Length")?;
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        let keep = !value("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let status = response.code;
        self.buffer.drain(..head + length);
        match status {
            Some(200) => Ok(Some(keep)),
            other => Err(format!("status {}", other.unwrap_or(0))),
        }
    }
}
