//! A client that sends exactly the bytes it is given, for requests no library would send.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::wait::in_time;

/// One connection, bytes in and bytes out.
pub struct RawClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it came over the wire.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// Everything up to and including the blank line.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl RawClient {
    /// Connects.
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = in_time("a connection", TcpStream::connect(to)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Connects with room for little: whatever the client does not take holds up the sender.
    pub async fn connect_narrow(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8192).unwrap();
        let stream = in_time("a connection", socket.connect(to)).await.unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends these bytes. A peer that has closed already is no failure: the answer tells.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends a byte at a time with a pause after each.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        for byte in bytes.as_ref() {
            self.send([*byte]).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads to the end, with a pause after each of the first `times` pieces of `piece` bytes.
    pub async fn read_with_pauses(&mut self, piece: usize, times: usize, pause: Duration) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..times {
            all.extend(self.at_least(piece).await);
            tokio::time::sleep(pause).await;
        }
        all.extend(self.read_to_end().await);
        all
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next final answer, or `None` when the connection ends without one.
    pub async fn response(&mut self) -> Option<RawResponse> {
        loop {
            let response = in_time("an answer", self.read_response(false)).await?;
            if response.status >= 200 || response.status == 101 {
                return Some(response);
            }
        }
    }

    /// The answer to a HEAD.
    pub async fn response_to_head(&mut self) -> Option<RawResponse> {
        in_time("an answer", self.read_response(true)).await
    }

    /// The next head, whatever its status; its body is left to be read.
    pub async fn head(&mut self) -> Option<RawResponse> {
        in_time("the head of an answer", self.read_head()).await
    }

    /// Everything until the peer closes.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        in_time("the end of the connection", async { while self.fill().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    /// At least `count` more bytes, or what came before the end.
    pub async fn at_least(&mut self, count: usize) -> Vec<u8> {
        in_time("more bytes", async { while self.buffer.len() < count && self.fill().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    /// Whether the peer has closed, or closes within the deadline, without sending anything more.
    pub async fn is_closed(&mut self) -> bool {
        self.read_to_end().await.is_empty()
    }

    /// False at the end of the stream, however it came.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(count) if count > 0)
    }

    async fn read_head(&mut self) -> Option<RawResponse> {
        let end = self.find(b"\r\n\r\n").await?;
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head: String = head.iter().map(|byte| char::from(*byte)).collect();
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {head:?}"));
        Some(RawResponse { status, head, body: Vec::new() })
    }

    async fn read_response(&mut self, to_head: bool) -> Option<RawResponse> {
        let mut response = self.read_head().await?;
        if to_head || response.status < 200 || matches!(response.status, 204 | 304) {
            return Some(response);
        }
        response.body = if response.header("transfer-encoding").is_some() {
            self.chunks().await.unwrap()
        } else if let Some(length) = response.header("content-length") {
            self.take(length.parse().unwrap()).await.unwrap()
        } else {
            while self.fill().await {}
            std::mem::take(&mut self.buffer)
        };
        Some(response)
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = self.find(b"\r\n").await.ok_or(io::ErrorKind::UnexpectedEof)?;
            let line: Vec<u8> = self.buffer.drain(..end).collect();
            let line = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
            if size == 0 {
                while self.find(b"\r\n").await.ok_or(io::ErrorKind::UnexpectedEof)? > 2 {
                    let end = self.find(b"\r\n").await.ok_or(io::ErrorKind::UnexpectedEof)?;
                    self.buffer.drain(..end);
                }
                self.buffer.drain(..2);
                return Ok(body);
            }
            let chunk = self.take(size + 2).await?;
            body.extend(&chunk[..size]);
        }
    }

    /// The position behind a mark, reading as needed.
    async fn find(&mut self, mark: &[u8]) -> Option<usize> {
        loop {
            if let Some(start) = memchr::memmem::find(&self.buffer, mark) {
                return Some(start + mark.len());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill().await {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }
}
