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
/// How far the clock may be off beside what the way to Redis hides: it shows milliseconds.
const COARSE: Duration = Duration::from_millis(2);

/// Where a node stands in the stream.
#[derive(Default)]
struct Place {
    last: Option<StreamId>,
    /// The connection by which the clock was set, and when.
    clock_set: Option<(u64, Instant)>,
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
                match self.catch_up(&mut place, number, &mut apply).await {
                    Ok(()) => self.publish_again().await,
                    // What is void is not known any more: what Redis has does not count until it is.
                    Err(_) => self.heard.store(0, Ordering::Release),
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
        let is_right = |(set_by, at): (u64, Instant)| set_by == generation && at.elapsed() < TICK;
        if !place.clock_set.is_some_and(is_right) {
            // Notices are judged by this clock: first the clock, then the notices.
            if let Some(before) = self.set_clock().await? {
                tracing::warn!("the clock that all nodes share was set back; what is stored here is void");
                apply(Notice::Gap { before });
            }
            place.clock_set = Some((generation, Instant::now()));
        }
        self.unpublished.look_for_all();
        loop {
            let page = self.read(place.last).await?;
            let count = page.records.len();
            for notice in notices(page, &mut place.last) {
                if let Notice::Record { id, .. } = &notice {
                    self.unpublished.seen(*id);
                }
                apply(notice);
            }
            if count < PAGE {
                break;
            }
        }
        self.unpublished.keep_unseen();
        self.heard.store(generation, Ordering::Release);
        // Without it nobody waits for this node; what went wrong is counted.
        let _ = self.beat(place.last.unwrap_or_default()).await;
        Ok(())
    }

    /// Sets the clock by that of the node that has the stream. Gives what it showed before,
    /// if it was set back: what was requested until then may seem later than it was.
    async fn set_clock(&self) -> Result<Option<Stamp>, BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg("return redis.call('TIME')").arg(1).arg(self.names.invalidations());
        let mut best: Option<(Duration, Instant, Stamp)> = None;
        for _ in 0..SAMPLES {
            let started = Instant::now();
            let answer = self.tell(BackendOperation::Follow, &command).await?;
            let trip = started.elapsed();
            let theirs = time(&answer).ok_or_else(|| self.unexpected(BackendOperation::Follow))?;
            if best.is_none_or(|(quickest, ..)| trip < quickest) {
                best = Some((trip, started + trip / 2, theirs));
            }
        }
        Ok(best.and_then(|(trip, moment, theirs)| self.clock.set(theirs, moment, trip / 2 + COARSE)))
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
