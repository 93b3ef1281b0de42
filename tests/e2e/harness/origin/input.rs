//! Requests taken from the bytes of a connection, every byte logged.

use std::io;

use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{Recorded, Shared};

/// Bytes of a connection that no request has taken yet.
pub(super) struct Input {
    pub(super) number: usize,
    pub(super) buffer: Vec<u8>,
}

impl Input {
    /// Reads more; false at the end of the stream.
    async fn fill(&mut self, stream: &mut TcpStream, shared: &Shared) -> io::Result<bool> {
        let before = self.buffer.len();
        let count = stream.read_buf(&mut self.buffer).await?;
        shared.log().received[self.number].extend(&self.buffer[before..]);
        Ok(count > 0)
    }

    /// The next head; `None` when the stream ends before one.
    pub(super) async fn head(
        &mut self,
        stream: &mut TcpStream,
        shared: &Shared,
    ) -> io::Result<Option<Recorded>> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.fill(stream, shared).await? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut parsed = httparse::Request::new(&mut fields);
        parsed.parse(&head).map_err(io::Error::other)?;
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        Ok(Some(Recorded {
            connection: self.number,
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            headers: parsed.headers.iter().map(|f| (f.name.to_owned(), text(f.value))).collect(),
            body: Vec::new(),
            raw_body: Vec::new(),
            head,
        }))
    }

    /// Reads the body into its request.
    pub(super) async fn body(
        &mut self,
        stream: &mut TcpStream,
        shared: &Shared,
        request: &mut Recorded,
    ) -> io::Result<()> {
        if request.header_values("transfer-encoding").contains(&"chunked") {
            return self.chunks(stream, shared, request).await;
        }
        let length = request.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
        request.body = self.take(stream, shared, length).await?;
        request.raw_body = request.body.clone();
        Ok(())
    }

    async fn chunks(
        &mut self,
        stream: &mut TcpStream,
        shared: &Shared,
        request: &mut Recorded,
    ) -> io::Result<()> {
        loop {
            let line = self.line(stream, shared).await?;
            request.raw_body.extend(&line);
            let size = String::from_utf8_lossy(&line);
            let size = size.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            let chunk = self.take(stream, shared, size + 2).await?;
            request.raw_body.extend(&chunk);
            request.body.extend(&chunk[..size]);
        }
        loop {
            let line = self.line(stream, shared).await?;
            request.raw_body.extend(&line);
            if line == b"\r\n" {
                return Ok(());
            }
        }
    }

    async fn line(&mut self, stream: &mut TcpStream, shared: &Shared) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                return Ok(self.buffer.drain(..end + 2).collect());
            }
            if !self.fill(stream, shared).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn take(&mut self, stream: &mut TcpStream, shared: &Shared, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill(stream, shared).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }
}
