//! Spans on their way from requests to the exporter.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use crate::telemetry::metrics::TraceMetrics;

/// A bounded queue. Whoever puts spans into it never waits.
pub struct SpanQueue {
    waiting: Mutex<Waiting>,
    max: usize,
    batch: usize,
    /// Told when the queue is no longer empty, when a batch is full, and when it is closed.
    changed: Notify,
    emptied: Notify,
    metrics: Arc<TraceMetrics>,
}

#[derive(Default)]
struct Waiting {
    spans: VecDeque<SpanData>,
    /// Taken out, and not yet accounted for.
    sending: usize,
    closed: bool,
}

impl SpanQueue {
    /// A queue for `max` spans, taken out `batch` at a time.
    pub fn new(max: usize, batch: usize, metrics: Arc<TraceMetrics>) -> Self {
        Self {
            waiting: Mutex::default(),
            max,
            batch,
            changed: Notify::new(),
            emptied: Notify::new(),
            metrics,
        }
    }

    /// Puts spans in; those for which there is no room are dropped and counted.
    pub fn push(&self, mut spans: Vec<SpanData>) {
        let mut waiting = self.waiting.lock();
        let before = waiting.spans.len();
        let room = if waiting.closed { 0 } else { self.max.saturating_sub(before) };
        let dropped = spans.len().saturating_sub(room);
        spans.truncate(room);
        waiting.spans.extend(spans);
        let now = waiting.spans.len();
        self.metrics.queue_length(now);
        drop(waiting);
        self.metrics.dropped(dropped);
        if before == 0 && now > 0 || before < self.batch && now >= self.batch {
            self.changed.notify_one();
        }
    }

    /// The next spans: a full batch, or what has come within `linger` after the first, or, once
    /// the queue is closed, what there is. `None`: it is closed and empty. Whoever takes them
    /// has accounted for those it took before.
    pub async fn next(&self, linger: Duration) -> Option<Vec<SpanData>> {
        self.waiting.lock().sending = 0;
        loop {
            if self.is_idle() {
                self.changed.notified().await;
                continue;
            }
            // Elapsed or full: either way it is time. A closed queue waits for nobody.
            while !self.is_ready() {
                if timeout(linger, self.changed.notified()).await.is_err() {
                    break;
                }
            }
            let mut waiting = self.waiting.lock();
            let count = waiting.spans.len().min(self.batch);
            if count == 0 {
                self.emptied.notify_one();
                return None;
            }
            let batch = waiting.spans.drain(..count).collect();
            waiting.sending = count;
            self.metrics.queue_length(waiting.spans.len());
            return Some(batch);
        }
    }

    fn is_idle(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.spans.is_empty() && !waiting.closed
    }

    fn is_ready(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.closed || waiting.spans.len() >= self.batch
    }

    /// Takes no more spans, and waits so long until all that are in it have been exported.
    /// Those that have not are counted as dropped; returns how many.
    pub async fn close(&self, limit: Duration) -> usize {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
        if timeout(limit, self.emptied.notified()).await.is_ok() {
            return 0;
        }
        let mut waiting = self.waiting.lock();
        let lost = std::mem::take(&mut waiting.spans).len() + std::mem::take(&mut waiting.sending);
        drop(waiting);
        self.metrics.dropped(lost);
        lost
    }
}
