//! What a scripted origin answers, down to the byte.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::Gate;

/// One answer of an origin.
#[derive(Clone, Debug)]
pub struct Answer {
    head: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Body,
    hold: Option<Gate>,
    hold_body: Option<Gate>,
    drip: Option<(usize, Duration)>,
    cut: Option<usize>,
    close: bool,
}

#[derive(Clone, Debug)]
enum Body {
    /// `Content-Length`, unless the answer cannot have a body.
    Whole(Vec<u8>),
    /// `Transfer-Encoding: chunked`.
    Chunked { chunks: Vec<Vec<u8>>, trailers: Vec<(String, String)> },
    /// Ends with the connection.
    UntilClose(Vec<u8>),
    /// Exactly these bytes and nothing else, whatever they mean.
    Raw(Vec<u8>),
}

impl Answer {
    /// 200 with a text.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200).body(body)
    }

    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self {
            head: format!("HTTP/1.1 {status} Scripted\r\n").into_bytes(),
            headers: Vec::new(),
            body: Body::Whole(Vec::new()),
            hold: None,
            hold_body: None,
            drip: None,
            cut: None,
            close: false,
        }
    }

    /// These bytes instead of an answer; the connection is closed after them.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { body: Body::Raw(bytes.as_ref().to_vec()), close: true, ..Self::status(200) }
    }

    /// Bytes that are not HTTP.
    pub fn garbage() -> Self {
        Self::raw(b"\x16\x03\x01 this is not HTTP\r\n\r\n\x00\xff")
    }

    /// The connection is closed without a byte.
    pub fn nothing() -> Self {
        Self::raw(b"")
    }

    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body of known length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Whole(body.as_ref().to_vec());
        self
    }

    /// A chunked body.
    pub fn chunked<B: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        let chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect();
        self.body = Body::Chunked { chunks, trailers: Vec::new() };
        self
    }

    /// A trailer after a chunked body.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        match &mut self.body {
            Body::Chunked { trailers, .. } => trailers.push((name.to_owned(), value.to_owned())),
            other => panic!("only a chunked body has trailers: {other:?}"),
        }
        self
    }

    /// A body that ends when the connection does.
    pub fn until_close(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::UntilClose(body.as_ref().to_vec());
        self.close = true;
        self
    }

    /// Sends nothing until the gate is open.
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.hold = Some(gate.clone());
        self
    }

    /// Sends the head and the first byte of the body, the rest when the gate is open.
    pub fn hold_body(mut self, gate: &Gate) -> Self {
        self.hold_body = Some(gate.clone());
        self
    }

    /// Sends `piece` bytes at a time with a pause after each.
    pub fn drip(mut self, piece: usize, pause: Duration) -> Self {
        self.drip = Some((piece, pause));
        self
    }

    /// Closes the connection after this many bytes of the answer.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self.close = true;
        self
    }

    /// Closes the connection after the answer, which says so.
    pub fn close(mut self) -> Self {
        self.close = true;
        self.header("Connection", "close")
    }

    /// Plays the answer; false when the connection must be closed after it.
    pub(super) async fn play(&self, stream: &mut TcpStream, to_head: bool) -> std::io::Result<bool> {
        if let Some(gate) = &self.hold {
            gate.wait().await;
        }
        let (head, body) = self.bytes(to_head);
        let mut left = self.cut.unwrap_or(usize::MAX);
        self.write(stream, &head, &mut left).await?;
        match &self.hold_body {
            Some(gate) if !body.is_empty() => {
                // For a chunked body the first byte alone is no chunk: send all but the last ones.
                let first = first_piece(&self.body, &body);
                self.write(stream, &body[..first], &mut left).await?;
                gate.wait().await;
                self.write(stream, &body[first..], &mut left).await?;
            }
            _ => self.write(stream, &body, &mut left).await?,
        }
        Ok(!self.close)
    }

    async fn write(&self, stream: &mut TcpStream, bytes: &[u8], left: &mut usize) -> std::io::Result<()> {
        let bytes = &bytes[..bytes.len().min(*left)];
        *left -= bytes.len();
        let Some((piece, pause)) = self.drip else { return stream.write_all(bytes).await };
        for part in bytes.chunks(piece) {
            stream.write_all(part).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn bytes(&self, to_head: bool) -> (Vec<u8>, Vec<u8>) {
        if let Body::Raw(bytes) = &self.body {
            return (bytes.clone(), Vec::new());
        }
        let mut head = self.head.clone();
        for (name, value) in &self.headers {
            head.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        let mut body = Vec::new();
        match &self.body {
            Body::Whole(bytes) => {
                let bodiless = head.starts_with(b"HTTP/1.1 1")
                    || head.starts_with(b"HTTP/1.1 204")
                    || head.starts_with(b"HTTP/1.1 304");
                if !bodiless {
                    head.extend(format!("Content-Length: {}\r\n", bytes.len()).into_bytes());
                }
                body.extend(bytes);
            }
            Body::Chunked { chunks, trailers } => {
                head.extend(b"Transfer-Encoding: chunked\r\n");
                for chunk in chunks {
                    body.extend(chunk_bytes(chunk));
                }
                body.extend(b"0\r\n");
                for (name, value) in trailers {
                    body.extend(format!("{name}: {value}\r\n").into_bytes());
                }
                body.extend(b"\r\n");
            }
            Body::UntilClose(bytes) => body.extend(bytes),
            Body::Raw(_) => {}
        }
        head.extend(b"\r\n");
        if to_head {
            body.clear();
        }
        (head, body)
    }
}

fn chunk_bytes(chunk: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
    bytes.extend(chunk);
    bytes.extend(b"\r\n");
    bytes
}

fn first_piece(body: &Body, bytes: &[u8]) -> usize {
    match body {
        Body::Chunked { chunks, .. } if !chunks.is_empty() => chunk_bytes(&chunks[0]).len(),
        _ => bytes.len().min(1),
    }
}
