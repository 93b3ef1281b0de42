//! A raw HTTP/1.1 origin that is never the narrow point: prepared answers, kept-alive connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Bytes that `/download` sends, and that the bench uploads.
pub const STREAM_BYTES: u64 = 512 << 20;

/// How long the slow side of a stream waits before it reads on.
///
/// A proxy that reads ahead without bound swallows hundreds of megabytes meanwhile.
pub const STREAM_LAG: Duration = Duration::from_millis(400);

const MAX_HEAD: usize = 16 << 10;

/// The running origin. It lives as long as the runtime.
pub struct Origin {
    address: SocketAddr,
}

struct Answers {
    pass1k: Vec<u8>,
    pass100k: Vec<u8>,
}

impl Origin {
    /// Starts on a free loopback port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers { pass1k: answer(1_000), pass100k: answer(100_000) });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    // A connection that breaks is the load generator's to report.
                    let _ = serve(stream, &answers).await;
                });
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answer(body: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n\
         Content-Length: {body}\r\nCache-Control: no-store\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + body, b'x');
    bytes
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(MAX_HEAD);
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await? else { return Ok(()) };
        let (path, length) = parse(&buffer[..head])?;
        match path {
            Path::Pass1k => stream.write_all(&answers.pass1k).await?,
            Path::Pass100k => stream.write_all(&answers.pass100k).await?,
            Path::Download => send(&mut stream, STREAM_BYTES).await?,
            Path::Upload => {
                tokio::time::sleep(STREAM_LAG).await;
                drain(&mut stream, length.saturating_sub((buffer.len() - head) as u64)).await?;
                stream.write_all(&answers.pass1k).await?;
                buffer.truncate(head);
            }
            Path::Unknown => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?;
            }
        }
        buffer.drain(..head);
    }
}

/// Reads until the blank line after a head; `None` on a clean end between requests.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if buffer.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

enum Path {
    Pass1k,
    Pass100k,
    Download,
    Upload,
    Unknown,
}

/// The path and the `Content-Length` of a request head.
fn parse(head: &[u8]) -> io::Result<(Path, u64)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let path = match request.path {
        Some("/pass1k" | "/hit1k") => Path::Pass1k,
        Some("/pass100k") => Path::Pass100k,
        Some("/download") => Path::Download,
        Some("/upload") => Path::Upload,
        _ => Path::Unknown,
    };
    let length = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .unwrap_or(0);
    Ok((path, length))
}

async fn send(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes()).await?;
    write_filler(stream, bytes).await
}

/// Writes `bytes` bytes that mean nothing.
pub async fn write_filler(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let chunk = vec![b'x'; 256 << 10];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len() as u64) as usize;
        stream.write_all(&chunk[..now]).await?;
        left -= now as u64;
    }
    Ok(())
}

/// Reads and forgets `bytes` bytes.
pub async fn drain(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let mut chunk = vec![0; 256 << 10];
    let mut left = bytes;
    while left > 0 {
        let want = left.min(chunk.len() as u64) as usize;
        match stream.read(&mut chunk[..want]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => left -= n as u64,
        }
    }
    Ok(())
}
