//! A response on its way into the cache, which any number of readers may follow.
//!
//! The fill belongs to no client: it goes on when the one that caused it leaves, and a slow
//! reader holds nobody up. Only when the response turns out to be too large to be kept do
//! readers and the upstream wait for each other, because then nothing may pile up.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::entry::{Parts, StoredEntry, Times};
use super::key::Tag;

/// Bytes that may wait for the slowest reader of a response that is not kept.
const WINDOW: usize = 1024 * 1024;

/// What is known of a response when its head has arrived.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The status of the response.
    pub status: http::StatusCode,
    /// Its fields as they are stored.
    pub fields: Bytes,
    /// Host and path, for purging by pattern.
    pub target: Bytes,
    /// Its tags.
    pub tags: Arc<[Tag]>,
    /// Its moments.
    pub times: Times,
    /// The request fields it depends on, hashed.
    pub variance: Option<[u8; 16]>,
    /// Most bytes of a body that is kept.
    pub limit: usize,
    /// The length that was announced.
    pub announced: Option<u64>,
}

impl Admission {
    /// The entry with this body. `None` if it is too large for the form of entries.
    pub fn entry(&self, body: &[u8]) -> Option<StoredEntry> {
        StoredEntry::new(&Parts {
            status: self.status,
            fields: &self.fields,
            body,
            target: &self.target,
            variance: self.variance,
            tags: &self.tags,
            times: self.times,
        })
    }
}

/// How a fill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More may come.
    Open,
    /// All of it is there.
    Complete,
    /// It broke off.
    Broken,
}

struct Progress {
    /// The pieces from number `first` on.
    pieces: std::collections::VecDeque<Bytes>,
    first: usize,
    /// Bytes received.
    received: usize,
    /// Bytes in `pieces`.
    held: usize,
    stage: Stage,
    /// Whether the response is still going to be kept.
    kept: bool,
    /// The next piece of each reader.
    readers: Vec<Option<usize>>,
}

/// A response on its way into the cache.
pub struct Fill {
    /// What its head said.
    pub admission: Admission,
    id: [u8; 8],
    progress: Mutex<Progress>,
    arrived: Notify,
    taken: Notify,
}

impl Fill {
    /// A fill with no body yet. `id` is unique in the process.
    pub fn new(admission: Admission, id: u64) -> Arc<Self> {
        Arc::new(Self {
            admission,
            id: id.to_be_bytes(),
            progress: Mutex::new(Progress {
                pieces: std::collections::VecDeque::new(),
                first: 0,
                received: 0,
                held: 0,
                stage: Stage::Open,
                kept: true,
                readers: Vec::new(),
            }),
            arrived: Notify::new(),
            taken: Notify::new(),
        })
    }

    /// Tells this fill from others of the same entry.
    pub fn id(&self) -> &[u8; 8] {
        &self.id
    }

    /// Whether the response is still going to be kept.
    pub fn is_kept(&self) -> bool {
        self.progress.lock().kept
    }

    /// Takes a piece of the body. `false`: it is too large to be kept and nobody reads it.
    pub async fn push(&self, piece: Bytes) -> bool {
        if piece.is_empty() {
            return true;
        }
        {
            let mut progress = self.progress.lock();
            progress.received += piece.len();
            progress.held += piece.len();
            progress.pieces.push_back(piece);
            if progress.received > self.admission.limit {
                progress.kept = false;
                progress.forget_read();
            }
        }
        self.arrived.notify_waiters();
        loop {
            let taken = self.taken.notified();
            tokio::pin!(taken);
            // Registered before looking, so that no wake-up is lost in between.
            taken.as_mut().enable();
            {
                let progress = self.progress.lock();
                if progress.kept || progress.held <= WINDOW {
                    return true;
                }
                if progress.readers.iter().all(Option::is_none) {
                    return false;
                }
            }
            taken.await;
        }
    }

    /// Ends the fill; gives the whole body when it is to be kept and as long as announced.
    pub fn finish(&self) -> Option<BytesMut> {
        let body = {
            let mut progress = self.progress.lock();
            let announced = self.admission.announced;
            let whole = announced.is_none_or(|length| length == progress.received as u64);
            progress.stage = if whole { Stage::Complete } else { Stage::Broken };
            (whole && progress.kept).then(|| {
                let mut body = BytesMut::with_capacity(progress.received);
                progress.pieces.iter().for_each(|piece| body.extend_from_slice(piece));
                body
            })
        };
        self.arrived.notify_waiters();
        body
    }

    /// Ends the fill as broken, unless it has ended.
    pub fn abandon(&self) {
        let mut progress = self.progress.lock();
        if progress.stage == Stage::Open {
            progress.stage = Stage::Broken;
        }
        drop(progress);
        self.arrived.notify_waiters();
    }

    /// A reader from the first byte on. `None` once some of the body is gone.
    pub fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut progress = self.progress.lock();
        if progress.first > 0 || progress.stage == Stage::Broken {
            return None;
        }
        let free = progress.readers.iter().position(Option::is_none);
        let slot = free.unwrap_or(progress.readers.len());
        match free {
            Some(slot) => progress.readers[slot] = Some(0),
            None => progress.readers.push(Some(0)),
        }
        Some(Reader { fill: Arc::clone(self), slot })
    }
}

impl Progress {
    /// Drops the pieces that every reader has taken.
    fn forget_read(&mut self) {
        let slowest = self.readers.iter().flatten().min().copied();
        let slowest = slowest.unwrap_or(self.first + self.pieces.len());
        while self.first < slowest {
            let Some(piece) = self.pieces.pop_front() else { return };
            self.held -= piece.len();
            self.first += 1;
        }
    }
}

/// The response ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// Follows a fill.
pub struct Reader {
    fill: Arc<Fill>,
    slot: usize,
}

impl Reader {
    /// The next piece; `None` at the end. Waits for what has not arrived yet.
    ///
    /// # Errors
    /// [`BrokenOff`] if the upstream did not deliver all of it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        loop {
            let arrived = self.fill.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(outcome) = self.poll() {
                return outcome;
            }
            arrived.await;
        }
    }

    fn poll(&self) -> Option<Result<Option<Bytes>, BrokenOff>> {
        let mut progress = self.fill.progress.lock();
        let next = progress.readers[self.slot].unwrap_or_default();
        if let Some(piece) = progress.pieces.get(next - progress.first).cloned() {
            progress.readers[self.slot] = Some(next + 1);
            if !progress.kept {
                progress.forget_read();
                self.fill.taken.notify_waiters();
            }
            return Some(Ok(Some(piece)));
        }
        match progress.stage {
            Stage::Open => None,
            Stage::Complete => Some(Ok(None)),
            Stage::Broken => Some(Err(BrokenOff)),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut progress = self.fill.progress.lock();
        progress.readers[self.slot] = None;
        if !progress.kept {
            progress.forget_read();
            self.fill.taken.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(limit: usize, announced: Option<u64>) -> Arc<Fill> {
        let admission = Admission {
            status: http::StatusCode::OK,
            fields: Bytes::new(),
            target: Bytes::new(),
            tags: Arc::from([]),
            times: Times::default(),
            variance: None,
            limit,
            announced,
        };
        Fill::new(admission, 1)
    }

    async fn all(mut reader: Reader) -> Result<Vec<u8>, BrokenOff> {
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_reader_that_comes_late_gets_all_of_it() {
        let fill = fill(100, None);
        assert!(fill.push(Bytes::from_static(b"hello ")).await);
        let reading = tokio::spawn(all(fill.reader().unwrap()));
        assert!(fill.push(Bytes::from_static(b"world")).await);
        assert_eq!(fill.finish().unwrap(), "hello world");
        assert_eq!(reading.await.unwrap(), Ok(b"hello world".to_vec()));
        assert_eq!(all(fill.reader().unwrap()).await, Ok(b"hello world".to_vec()));
    }

    #[tokio::test]
    async fn what_breaks_off_breaks_off_for_every_reader() {
        let fill = fill(100, None);
        let reading = tokio::spawn(all(fill.reader().unwrap()));
        assert!(fill.push(Bytes::from_static(b"hel")).await);
        fill.abandon();
        assert_eq!(reading.await.unwrap(), Err(BrokenOff));
        assert!(fill.reader().is_none());
    }

    #[tokio::test]
    async fn a_body_shorter_than_announced_is_not_kept() {
        let fill = fill(100, Some(5));
        assert!(fill.push(Bytes::from_static(b"hel")).await);
        assert!(fill.finish().is_none());
    }

    #[tokio::test]
    async fn what_is_too_large_flows_through_without_piling_up() {
        let fill = fill(10, None);
        let reading = tokio::spawn(all(fill.reader().unwrap()));
        let piece = Bytes::from(vec![7; WINDOW / 2]);
        for _ in 0..20 {
            assert!(fill.push(piece.clone()).await);
            assert!(fill.progress.lock().held <= WINDOW + piece.len());
        }
        assert!(fill.finish().is_none());
        assert_eq!(reading.await.unwrap().unwrap().len(), 20 * piece.len());
        assert!(!fill.is_kept());
        assert!(fill.reader().is_none(), "the beginning is gone");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_left() {
        let fill = fill(10, None);
        let reader = fill.reader().unwrap();
        let piece = Bytes::from(vec![7; WINDOW + 1]);
        let pushing = tokio::spawn({
            let fill = Arc::clone(&fill);
            async move { fill.push(piece).await }
        });
        tokio::task::yield_now().await;
        drop(reader);
        // Whether it still waited or not: nobody reads, and nothing is kept.
        let _ = pushing.await.unwrap();
        assert!(fill.push(Bytes::from_static(b"x")).await, "nothing is held any more");
    }
}
