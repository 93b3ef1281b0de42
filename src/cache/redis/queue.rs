//! What is on its way to Redis: bounded, and never waited for by a request.

use std::{collections::VecDeque, sync::Arc};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    super::{entry::StoredEntry, key::EntryKey},
    lease::{Lease, LeaseGuard},
};
use crate::{
    config::cache::WriteQueueConfig,
    telemetry::{cache::WriteResult, metrics::TierMetrics},
};

/// Something to be done.
pub enum Job {
    /// Keep an entry, then give back the leave to fetch it.
    Put { key: EntryKey, entry: Arc<StoredEntry>, lease: Option<LeaseGuard> },
    /// Drop an entry.
    Remove(EntryKey),
    /// Give back the leave to fetch an entry that was not stored.
    Release { lease: Lease, declined: bool },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { entry, .. } => entry.weight(),
            Self::Remove(_) | Self::Release { .. } => 0,
        }
    }
}

/// The queue. It has one reader.
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Wakes the reader.
    arrived: Notify,
    /// Wakes who waits for the queue to be empty.
    drained: Notify,
    max_entries: usize,
    max_bytes: usize,
    metrics: Arc<TierMetrics>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// The latest entry of each key that is not written yet, those at work included.
    pending: HashMap<EntryKey, Arc<StoredEntry>>,
    /// The reader is at work on what it took.
    busy: bool,
}

impl Queue {
    pub fn new(config: &WriteQueueConfig, metrics: Arc<TierMetrics>) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            drained: Notify::new(),
            max_entries: config.entries,
            max_bytes: usize::try_from(config.bytes.get()).unwrap_or(usize::MAX),
            metrics,
        }
    }

    /// Adds a job; one that does not fit is dropped and counted.
    pub fn push(&self, job: Job) {
        let bytes = job.bytes();
        // What costs no bytes still finds room when entries do not: it is what makes room elsewhere.
        let max_entries = if bytes == 0 { self.max_entries.saturating_mul(2) } else { self.max_entries };
        let mut waiting = self.waiting.lock();
        let fits = waiting.jobs.len() < max_entries && waiting.bytes.saturating_add(bytes) <= self.max_bytes;
        if fits {
            match &job {
                Job::Put { key, entry, .. } => drop(waiting.pending.insert(*key, Arc::clone(entry))),
                Job::Remove(key) => drop(waiting.pending.remove(key)),
                Job::Release { .. } => {}
            }
            waiting.jobs.push_back(job);
            waiting.bytes += bytes;
            self.metrics.set_queue(waiting.jobs.len(), waiting.bytes);
            drop(waiting);
            self.arrived.notify_one();
            return;
        }
        drop(waiting);
        match job {
            Job::Put { lease, .. } => {
                self.metrics.written(WriteResult::QueueFull);
                if let Some(lease) = lease.and_then(LeaseGuard::take) {
                    // Its drop would come back here; if there is no room for it, it runs out by itself.
                    self.push(Job::Release { lease, declined: false });
                }
            }
            Job::Remove(_) | Job::Release { .. } => {}
        }
    }

    /// An entry that is on its way: whoever has stored it finds it, though Redis does not have it yet.
    pub fn pending(&self, key: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.waiting.lock().pending.get(key).cloned()
    }

    /// An entry has been written, or never will be.
    pub fn settled(&self, key: &EntryKey, entry: &Arc<StoredEntry>) {
        let mut waiting = self.waiting.lock();
        if waiting.pending.get(key).is_some_and(|pending| Arc::ptr_eq(pending, entry)) {
            waiting.pending.remove(key);
        }
    }

    /// Waits until there is something to do and takes up to `count` jobs. Ask for more only
    /// when they are done.
    pub async fn take(&self, count: usize) -> Vec<Job> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                waiting.busy = false;
                if waiting.jobs.is_empty() {
                    self.drained.notify_waiters();
                } else {
                    waiting.busy = true;
                    let count = count.min(waiting.jobs.len());
                    let jobs: Vec<Job> = waiting.jobs.drain(..count).collect();
                    waiting.bytes -= jobs.iter().map(Job::bytes).sum::<usize>();
                    self.metrics.set_queue(waiting.jobs.len(), waiting.bytes);
                    return jobs;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until all is done that was pushed before.
    pub async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Listens before it looks, so that nothing is missed between the two.
            drained.as_mut().enable();
            {
                let waiting = self.waiting.lock();
                if waiting.jobs.is_empty() && !waiting.busy {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Jobs waiting.
    pub fn len(&self) -> usize {
        self.waiting.lock().jobs.len()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::{
        cache::entry::{Parts, Times},
        config::values::ByteSize,
        telemetry::{cache::Tier, metrics::Metrics},
    };

    fn queue(entries: usize, bytes: u64) -> (Arc<Queue>, Arc<TierMetrics>) {
        let metrics = Arc::clone(Metrics::new("1", "a").unwrap().cache().tier(Tier::Redis));
        let config = WriteQueueConfig { entries, bytes: ByteSize(bytes) };
        (Arc::new(Queue::new(&config, Arc::clone(&metrics))), metrics)
    }

    fn put(body: &[u8]) -> Job {
        let parts = Parts {
            status: StatusCode::OK,
            fields: b"",
            body,
            target: b"",
            variance: None,
            tags: &[],
            times: Times::default(),
        };
        let entry = Arc::new(StoredEntry::new(&parts).unwrap());
        Job::Put { key: EntryKey([1; 16]), entry, lease: None }
    }

    #[tokio::test]
    async fn it_is_bounded_by_entries_and_by_bytes() {
        let (queue, metrics) = queue(2, 100_000);
        (0..3).for_each(|_| queue.push(put(b"x")));
        assert_eq!((queue.len(), metrics.writes(WriteResult::QueueFull)), (2, 1));
        // What takes no bytes still finds room, though not for ever.
        (0..9).for_each(|n| queue.push(Job::Remove(EntryKey([n; 16]))));
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.take(3).await.len(), 3);
        queue.push(put(&[0; 100_000]));
        assert_eq!((queue.len(), metrics.writes(WriteResult::QueueFull)), (1, 2), "too many bytes");
        queue.push(put(&[0; 90_000]));
        queue.push(put(&[0; 90_000]));
        assert_eq!((queue.len(), metrics.writes(WriteResult::QueueFull)), (2, 3));
        assert_eq!(queue.take(9).await.len(), 2);
        queue.push(put(&[0; 90_000]));
        assert_eq!(queue.len(), 1, "bytes that are gone make room");
    }

    #[tokio::test]
    async fn it_is_drained_when_the_work_is_done() {
        let (queue, _) = queue(9, 100_000);
        queue.drained().await;
        queue.push(put(b"x"));
        let mut drained = Box::pin(queue.drained());
        assert!(futures::poll!(&mut drained).is_pending());
        queue.take(9).await;
        assert!(futures::poll!(&mut drained).is_pending(), "taken is not done");
        let mut next = Box::pin(queue.take(9));
        assert!(futures::poll!(&mut next).is_pending());
        drained.await;
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_found_until_it_is_there() {
        let (queue, _) = queue(9, 100_000);
        let key = EntryKey([1; 16]);
        assert!(queue.pending(&key).is_none());
        queue.push(put(b"old"));
        queue.push(put(b"new"));
        let jobs = queue.take(9).await;
        let entries: Vec<_> = jobs
            .iter()
            .filter_map(|job| match job {
                Job::Put { entry, .. } => Some(Arc::clone(entry)),
                Job::Remove(_) | Job::Release { .. } => None,
            })
            .collect();
        queue.settled(&key, &entries[0]);
        assert!(
            Arc::ptr_eq(&queue.pending(&key).unwrap(), &entries[1]),
            "the older one leaves the newer alone"
        );
        queue.settled(&key, &entries[1]);
        assert!(queue.pending(&key).is_none());
        queue.push(put(b"again"));
        queue.push(Job::Remove(key));
        assert!(queue.pending(&key).is_none(), "dropped is dropped at once");
    }
}
