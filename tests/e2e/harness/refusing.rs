//! An HTTP/2 origin that is too busy for every first attempt.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::Response;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::ports::Port;

/// Refuses every other stream before it looks at it, and echoes the body of the rest.
pub struct RefusingH2Origin {
    port: Port,
    streams: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl RefusingH2Origin {
    /// Starts, plain text by prior knowledge.
    pub async fn start() -> Self {
        let port = Port::free();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        let streams = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&streams);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&count)));
            }
        });
        Self { port, streams, accepting }
    }

    /// Streams refused so far.
    pub fn refused(&self) -> usize {
        self.streams.load(Ordering::SeqCst).div_ceil(2)
    }
}

impl fmt::Display for RefusingH2Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)
    }
}

impl Drop for RefusingH2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, streams: Arc<AtomicUsize>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut answer))) = connection.accept().await {
        if streams.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            answer.send_reset(Reason::REFUSED_STREAM);
        } else {
            // A connection that the proxy breaks off fails the story by itself.
            tokio::spawn(async move { echo(request.into_body(), answer).await.ok() });
        }
    }
}

async fn echo(mut body: RecvStream, mut answer: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        whole.extend(piece?);
    }
    answer.send_response(Response::new(()), false)?.send_data(whole.into(), true)
}
