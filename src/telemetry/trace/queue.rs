//! Spans on their way from requests to the exporter.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use super::otlp::{EncodedSpans, SpanBatch};
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
    /// All but the last are full.
    batches: VecDeque<SpanBatch>,
    spans: usize,
    /// Taken out, and not yet accounted for.
    sending: usize,
    closed: bool,
}

impl Waiting {
    /// Adds so many of these spans, from the one at `first` on.
    fn add(&mut self, spans: &EncodedSpans, mut first: usize, count: usize, full: usize) {
        let end = first + count;
        while first < end {
            if self.batches.back().is_none_or(|last| last.count >= full) {
                // Batches are alike: the next will take as much room as the last one did.
                let room = self.batches.back().map_or(0, |last| last.bytes.len());
                self.batches.push_back(SpanBatch { bytes: Vec::with_capacity(room), count: 0 });
            }
            let Some(last) = self.batches.back_mut() else { return };
            let fit = (full - last.count).min(end - first);
            last.bytes.extend_from_slice(spans.bytes(first, fit));
            last.count += fit;
            first += fit;
        }
        self.spans += count;
    }

    fn has_batch(&self, full: usize) -> bool {
        self.batches.front().is_some_and(|first| first.count >= full)
    }
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
    pub fn push(&self, spans: &EncodedSpans) {
        let mut waiting = self.waiting.lock();
        let (before, had_batch) = (waiting.spans, waiting.has_batch(self.batch));
        let room = if waiting.closed { 0 } else { self.max.saturating_sub(before) };
        let kept = spans.count().min(room);
        waiting.add(spans, 0, kept, self.batch);
        let notify = before == 0 && kept > 0 || !had_batch && waiting.has_batch(self.batch);
        self.metrics.queue_length(waiting.spans);
        drop(waiting);
        self.metrics.dropped(spans.count() - kept);
        if notify {
            self.changed.notify_one();
        }
    }

    /// The next spans: a full batch, or what has come within `linger` after the first, or, once
    /// the queue is closed, what there is. `None`: it is closed and empty. Whoever takes them
    /// has accounted for those it took before.
    pub async fn next(&self, linger: Duration) -> Option<SpanBatch> {
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
            let Some(batch) = waiting.batches.pop_front() else {
                self.emptied.notify_one();
                return None;
            };
            waiting.spans -= batch.count;
            waiting.sending = batch.count;
            self.metrics.queue_length(waiting.spans);
            return Some(batch);
        }
    }

    fn is_idle(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.spans == 0 && !waiting.closed
    }

    fn is_ready(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.closed || waiting.has_batch(self.batch)
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
        waiting.batches.clear();
        let lost = std::mem::take(&mut waiting.spans) + std::mem::take(&mut waiting.sending);
        drop(waiting);
        self.metrics.dropped(lost);
        lost
    }
}
