//! Follows the stream of invalidations.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt};
use redis::{Value, aio::PubSubStream};
use tokio::time::sleep;

use super::{
    Tier,
    invalidation::{Notice, PAGE, Page, StreamId},
};
use crate::{
    cache::entry::Stamp,
    redis::classify,
    telemetry::cache::{BackendFailure, BackendOperation},
};

/// How often the stream is read although nobody told of a record; also the heartbeat.
const TICK: Duration = Duration::from_secs(2);
/// Between two connections that listen.
const REST: Duration = Duration::from_millis(50);
/// Looks at the clock of Redis in a row; the quickest counts.
const SAMPLES: usize = 3;

/// Where a node stands in the stream.
#[derive(Default)]
struct Place {
    last: Option<StreamId>,
    /// The connection by which the clock was measured.
    generation: u64,
    /// Tries to listen, which spreads them over the nodes of a cluster.
    attempts: usize,
}

impl Tier {
    /// Calls `apply` for every notice, in order. Never ends.
    pub async fn follow(&self, mut apply: impl FnMut(Notice)) {
        let mut generation = self.link().generation();
        let mut place = Place::default();
        loop {
            let number = *generation.borrow_and_update();
            if number == 0 {
                // The sender lives as long as the link.
                let _ = generation.changed().await;
                continue;
            }
            // Listens before it reads, so that nothing falls between the two.
            let mut listener = self.listen(&mut place).await;
            loop {
                if self.catch_up(&mut place, number, &mut apply).await.is_ok() {
                    self.publish_again().await;
                }
                tokio::select! {
                    _ = generation.changed() => break,
                    () = sleep(TICK) => if listener.is_none() { break },
                    told = told(&mut listener) => if !told {
                        sleep(REST).await;
                        break;
                    },
                }
            }
        }
    }

    /// Listens to the channel; without it, the ticks have to do.
    async fn listen(&self, place: &mut Place) -> Option<PubSubStream> {
        place.attempts = place.attempts.wrapping_add(1);
        let channel = self.names.invalidations();
        match self.link().target().listen(&channel, place.attempts).await {
            Ok(listener) => Some(listener.into_on_message()),
            Err(error) => {
                self.metrics.failed(BackendOperation::Follow, classify(&error));
                None
            }
        }
    }

    /// Reads to the end of the stream and tells how far this node has come.
    async fn catch_up(
        &self,
        place: &mut Place,
        generation: u64,
        apply: &mut impl FnMut(Notice),
    ) -> Result<(), BackendFailure> {
        if place.generation != generation {
            // Notices are judged by this clock: first the clock, then the notices.
            self.measure_clock().await?;
            place.generation = generation;
        }
        loop {
            let page = self.read(place.last).await?;
            let count = page.records.len();
            for notice in notices(page, &mut place.last) {
                apply(notice);
            }
            if count < PAGE {
                break;
            }
        }
        self.heard.store(generation, Ordering::Release);
        self.beat(place.last.unwrap_or_default()).await
    }

    /// Compares the clocks. The clock is that of the node that has the stream.
    async fn measure_clock(&self) -> Result<(), BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg("return redis.call('TIME')").arg(1).arg(self.names.invalidations());
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..SAMPLES {
            let (sent, started) = (Stamp::now(), Instant::now());
            let answer = self.tell(BackendOperation::Follow, &command).await?;
            let trip = started.elapsed();
            let theirs = time(&answer).ok_or_else(|| self.unexpected(BackendOperation::Follow))?;
            let ours = sent.plus(trip / 2);
            let offset = i64::try_from(i128::from(theirs.0) - i128::from(ours.0)).unwrap_or(0);
            if best.is_none_or(|(quickest, _)| trip < quickest) {
                best = Some((trip, offset));
            }
        }
        if let Some((_, offset)) = best {
            self.clock_offset.store(offset, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// True when messages came; false when no more will.
async fn told(listener: &mut Option<PubSubStream>) -> bool {
    let Some(listener) = listener else { return std::future::pending().await };
    let told = listener.next().await.is_some();
    // One look at the stream answers all that have come by now.
    while let Some(Some(_)) = listener.next().now_or_never() {}
    told
}

/// What the records mean to a node that has come to `last`.
fn notices(Page { continued, records }: Page, last: &mut Option<StreamId>) -> Vec<Notice> {
    let mut notices = Vec::with_capacity(records.len() + 1);
    // A stream that still has its first mark has lost nothing: the mark itself says enough.
    if let Some((first, Some(_))) = records.first()
        && !continued
    {
        notices.push(Notice::Gap { before: first.stamp() });
    }
    for (id, data) in records {
        *last = Some(id);
        notices.push(match data {
            Some(data) => Notice::Record { id, data },
            None => Notice::Gap { before: id.stamp() },
        });
    }
    notices
}

/// The answer of `TIME`: seconds and microseconds.
pub fn time(answer: &Value) -> Option<Stamp> {
    let Value::Array(parts) = answer else { return None };
    let number = |value: &Value| match value {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let [seconds, micros] = parts.as_slice() else { return None };
    number(seconds)?.checked_mul(1_000)?.checked_add(number(micros)? / 1_000).map(Stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::redis::invalidation::Record;

    fn page(continued: bool, records: Vec<Record>) -> Page {
        Page { continued, records }
    }

    fn id(millis: u64) -> StreamId {
        StreamId { millis, number: 0 }
    }

    fn record(millis: u64) -> Record {
        (id(millis), Some(vec![1]))
    }

    #[test]
    fn a_new_node_reads_all_and_a_trimmed_stream_has_a_gap() {
        let mut last = None;
        let whole = notices(page(false, vec![(id(5), None), record(7)]), &mut last);
        assert_eq!(whole, [Notice::Gap { before: Stamp(5) }, Notice::Record { id: id(7), data: vec![1] }]);
        assert_eq!(last, Some(id(7)));
        let trimmed = notices(page(false, vec![record(9)]), &mut None);
        assert_eq!(trimmed, [Notice::Gap { before: Stamp(9) }, Notice::Record { id: id(9), data: vec![1] }]);
    }

    #[test]
    fn who_is_up_to_date_has_no_gap() {
        let mut last = Some(id(7));
        assert_eq!(notices(page(true, vec![]), &mut last), []);
        assert_eq!(notices(page(true, vec![record(8)]), &mut last).len(), 1);
        assert_eq!(last, Some(id(8)));
    }

    #[test]
    fn the_time_of_redis_has_milliseconds() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(time(&Value::Array(vec![text("12"), text("345678")])), Some(Stamp(12_345)));
        assert_eq!(time(&Value::Array(vec![text("x"), text("1")])), None);
        assert_eq!(time(&Value::Nil), None);
    }
}
