//! The load generator: raw HTTP/1.1 over kept-alive connections; every answer is checked.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Answers wait at most this long before the connection counts as failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Failures after which a connection gives up for the rest of the round.
const MAX_FAILURES: u64 = 1_000;

/// What a round of load saw.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Answers of the right status and length.
    pub ok: u64,
    /// Everything else: refused, closed, wrong status, wrong length, too late.
    pub failed: u64,
    /// The time it took.
    pub elapsed: Duration,
    /// Sorted, one entry an answer, in microseconds.
    latencies: Vec<u32>,
}

impl Outcome {
    /// The latency that a share of the answers did not exceed, in milliseconds.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * share) as usize;
        self.latencies
            .get(rank.min(self.latencies.len().saturating_sub(1)))
            .map_or(0.0, |us| f64::from(*us) / 1e3)
    }

    /// Good answers a second.
    pub fn per_second(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }
}

/// Keeps `connections` connections busy for `duration`.
pub async fn load(to: SocketAddr, path: &'static str, connections: u32, duration: Duration) -> Outcome {
    let started = Instant::now();
    let deadline = started + duration;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(keep_busy(to, path, deadline));
    }
    let mut total = Outcome::default();
    while let Some(part) = tasks.join_next().await {
        match part {
            Ok(part) => {
                total.ok += part.ok;
                total.failed += part.failed;
                total.latencies.extend(part.latencies);
            }
            Err(_) => total.failed += 1,
        }
    }
    total.elapsed = started.elapsed();
    total.latencies.sort_unstable();
    total
}

async fn keep_busy(to: SocketAddr, path: &'static str, deadline: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    while Instant::now() < deadline && outcome.failed < MAX_FAILURES {
        let Ok(mut connection) = Connection::open(to, path).await else {
            outcome.failed += 1;
            tokio::task::yield_now().await;
            continue;
        };
        while Instant::now() < deadline {
            let sent = Instant::now();
            match tokio::time::timeout(ANSWER_TIMEOUT, connection.exchange()).await {
                Ok(Ok(())) => {
                    outcome.ok += 1;
                    outcome.latencies.push(sent.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
                }
                Ok(Err(_)) | Err(_) => {
                    outcome.failed += 1;
                    break;
                }
            }
        }
    }
    outcome
}

/// One kept-alive connection that asks for the same thing again and again.
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
    expected: usize,
}

impl Connection {
    /// Connects, to ask for `/pass1k` or `/pass100k`.
    pub async fn open(to: SocketAddr, path: &'static str) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n")
            .into_bytes();
        let expected = if path == "/pass100k" { 100_000 } else { 1_000 };
        Ok(Self { stream, request, buffer: Vec::with_capacity(128 << 10), expected })
    }

    /// Sends a request and reads its whole answer, which must be a 200 of the expected length.
    pub async fn exchange(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request).await?;
        let whole = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                let length = check_head(&self.buffer[..head + 4])?;
                if length != self.expected {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                break head + 4 + length;
            }
        };
        while self.buffer.len() < whole {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if self.buffer.len() > whole {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.buffer.clear();
        Ok(())
    }
}

/// The `Content-Length` of a head whose status is 200.
fn check_head(head: &[u8]) -> io::Result<usize> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).map_err(|_| invalid())?;
    if response.code != Some(200) {
        return Err(invalid());
    }
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok()).ok_or_else(invalid)
}

/// Sends one request with a body of `upload` bytes and reads the head of its answer.
///
/// Returns the stream, positioned after the head, and the length of the answer's body
/// without what was read already.
pub async fn ask(to: SocketAddr, path: &str, upload: u64) -> io::Result<(TcpStream, u64)> {
    let mut stream = TcpStream::connect(to).await?;
    let method = if upload > 0 { "POST" } else { "GET" };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nContent-Length: {upload}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    super::origin::write_filler(&mut stream, upload).await?;
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
            let length = check_head(&buffer[..end + 4])?;
            return Ok((stream, (length - (buffer.len() - end - 4)) as u64));
        }
    }
}
