//! The body of a request on its way from Pingora, which writes it, to the session, which
//! sends it while it waits for the response.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::{Result, protocols::http::custom::BodyWrite};
use tokio::sync::{Semaphore, mpsc};

/// Bytes of a body that may wait for the backend to take them.
const WINDOW: usize = 256 * 1024;

/// A part of a request's body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    End,
}

/// Hands the body over to whoever reads the response.
///
/// Once a part of the response is shown, it never waits: it would keep Pingora from taking
/// the rest of the response, without which nobody reads on and nobody sends. What the
/// client sends beside a response is bounded by the route's limit on bodies.
pub(super) struct BodySender {
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
}

/// The other end.
pub(super) struct Pieces {
    pieces: mpsc::UnboundedReceiver<Piece>,
    room: Arc<Semaphore>,
}

/// A way for the pieces of a body.
pub(super) fn pieces() -> (BodySender, Pieces) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WINDOW));
    (BodySender { pieces: sender, room: Arc::clone(&room) }, Pieces { pieces: receiver, room })
}

/// The room that a piece takes: never more than there is.
fn room_of(data: &Bytes) -> usize {
    data.len().min(WINDOW)
}

impl Pieces {
    /// The next piece. `None`: there is no sender any more.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        let piece = self.pieces.recv().await;
        if let Some(Piece::Data(data)) = &piece {
            self.room.add_permits(room_of(data));
        }
        piece
    }

    /// The next piece, if there is one.
    pub(super) fn ready(&mut self) -> Option<Piece> {
        self.pieces.try_recv().ok()
    }

    /// From here on the sender does not wait.
    pub(super) fn hurry(&self) {
        self.room.close();
    }

    /// From here on nothing is taken, and nothing waits to be.
    pub(super) fn close(&mut self) {
        self.hurry();
        self.pieces.close();
    }
}

/// When nobody takes more, the response is there before its time or has failed: the reader
/// knows, and the rest of the body is of no use to anybody.
#[async_trait]
impl BodyWrite for BodySender {
    async fn write_all_buf(&mut self, data: &mut Bytes) -> Result<()> {
        let data = data.split_to(data.len());
        let room = u32::try_from(room_of(&data)).unwrap_or(u32::MAX);
        if let Ok(room) = self.room.acquire_many(room).await {
            room.forget();
        }
        let _ = self.pieces.send(Piece::Data(data));
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        let _ = self.pieces.send(Piece::End);
        Ok(())
    }

    async fn cleanup(&mut self) -> Result<()> {
        Ok(())
    }

    fn upgrade_body_writer(&mut self) {}
}
