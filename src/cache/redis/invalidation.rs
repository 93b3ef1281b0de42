//! Invalidations on their way to all nodes: a short stream that keeps them in order, and a
//! channel that tells of each at once.
//!
//! Who missed a message finds it in the stream. Who was away for so long that the stream no
//! longer has it is told so ([`Notice::Gap`]). The stream begins with a mark; if Redis lost
//! the stream, or its end in a failover, another mark is made, and a mark means to
//! everybody that what is older may have been invalidated.

use std::{collections::VecDeque, fmt, str::FromStr, time::Duration};

use parking_lot::Mutex;
use redis::{Cmd, Value};

use super::{RedisTier, Tier};
use crate::{
    cache::entry::Stamp,
    telemetry::cache::{BackendFailure, BackendOperation},
};

/// Records that the stream keeps, more or less.
const KEPT: usize = 10_000;
/// Life of the stream after the last node has looked at it.
pub const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Records read at once.
pub const PAGE: usize = 500;
/// Records that wait for Redis to come back.
const UNPUBLISHED: usize = 10_000;
/// A record that nobody can read: to every node it means that everything is void.
const EVERYTHING: &[u8] = b"";

/// Adds a record and tells of it. `PEXPIRE` comes first, in every script here: a Redis that
/// is full refuses a script whose first write takes memory, and takes all that follow one
/// that does not. What voids entries must not wait until they have made room.
const PUBLISH: &str = "
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then
  redis.call('DEL', KEYS[1])
  redis.call('XADD', KEYS[1], '*', 'g', '')
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'r', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], id)
return id";

/// Reads what comes after `ARGV[1]`. If that record is gone while older ones are there, it
/// was not trimmed but lost, and the mark tells the other nodes.
const READ: &str = "
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then
  redis.call('DEL', KEYS[1])
  redis.call('XADD', KEYS[1], '*', 'g', '')
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
local last = ARGV[1]
if last ~= '' and #redis.call('XRANGE', KEYS[1], last, last) == 1 then
  return {1, redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', ARGV[2])}
end
if last ~= '' and #redis.call('XRANGE', KEYS[1], '-', '(' .. last, 'COUNT', 1) == 1 then
  local marked = false
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. last, '+')) do
    if entry[2][1] == 'g' then marked = true end
  end
  if not marked then
    redis.call('PUBLISH', KEYS[1], redis.call('XADD', KEYS[1], '*', 'g', ''))
  end
end
return {0, redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[2])}";

/// The place of a record in the stream. Later records have larger ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// When it was added, by the clock of Redis, in milliseconds since the epoch.
    pub millis: u64,
    /// Its number within the millisecond.
    pub number: u64,
}

impl StreamId {
    /// When it was added, by the clock of Redis.
    pub fn stamp(self) -> Stamp {
        Stamp(self.millis)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

impl FromStr for StreamId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, number) = text.split_once('-').ok_or(())?;
        Ok(Self { millis: millis.parse().map_err(drop)?, number: number.parse().map_err(drop)? })
    }
}

/// What a node is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Records from before this moment, by the clock of Redis, may be missing: distrust
    /// what was requested earlier.
    Gap {
        /// The moment.
        before: Stamp,
    },
    /// A record.
    Record {
        /// Its place, and with it its time by the clock of Redis.
        id: StreamId,
        /// What was published.
        data: Vec<u8>,
    },
}

/// A part of the stream.
pub struct Page {
    /// It follows the record that was named. If not, it is the beginning.
    pub continued: bool,
    /// Records and marks; a mark has no data.
    pub records: Vec<Record>,
}

/// A record with its place, or a mark.
pub type Record = (StreamId, Option<Vec<u8>>);

/// Records of this node that may be unknown to the others.
#[derive(Default)]
pub struct Unpublished(Mutex<Outgoing>);

#[derive(Default)]
struct Outgoing {
    /// Redis has not taken them yet; the oldest first.
    kept: VecDeque<Vec<u8>>,
    /// Redis took them, but they were not read in the stream yet: a master that dies may
    /// take them along.
    taken: VecDeque<Taken>,
    /// The last record read.
    seen: StreamId,
}

struct Taken {
    id: StreamId,
    record: Vec<u8>,
    /// It was taken before the reading that goes on began, so that this must find it.
    looked_for: bool,
}

impl Unpublished {
    fn keep(&self, record: Vec<u8>) {
        self.0.lock().keep(record);
    }

    fn first(&self) -> Option<Vec<u8>> {
        self.0.lock().kept.front().cloned()
    }

    fn done(&self, record: &[u8]) {
        let kept = &mut self.0.lock().kept;
        if kept.front().is_some_and(|first| first == record) {
            kept.pop_front();
        }
    }

    fn taken(&self, id: StreamId, record: &[u8]) {
        let mut outgoing = self.0.lock();
        if id <= outgoing.seen {
            return;
        }
        if outgoing.taken.len() >= UNPUBLISHED {
            // None was seen for long. They are published again, which does no harm.
            outgoing.keep_unseen(|_| true);
        }
        outgoing.taken.push_back(Taken { id, record: record.to_vec(), looked_for: false });
    }

    /// The stream is about to be read to its end: all that Redis took until now is in it.
    pub(super) fn look_for_all(&self) {
        self.0.lock().taken.iter_mut().for_each(|taken| taken.looked_for = true);
    }

    /// A record was read.
    pub(super) fn seen(&self, id: StreamId) {
        let mut outgoing = self.0.lock();
        outgoing.seen = id;
        outgoing.taken.retain(|taken| taken.id != id);
    }

    /// The stream was read to its end: what was not there is lost.
    pub(super) fn keep_unseen(&self) {
        self.0.lock().keep_unseen(|taken| taken.looked_for);
    }
}

impl Outgoing {
    fn keep(&mut self, record: Vec<u8>) {
        if self.kept.len() >= UNPUBLISHED {
            tracing::error!("too many invalidations wait for Redis: everything is to be void instead");
            self.kept.clear();
            self.kept.push_back(EVERYTHING.to_vec());
        }
        self.kept.push_back(record);
    }

    fn keep_unseen(&mut self, is_lost: impl Fn(&Taken) -> bool) {
        let all = std::mem::take(&mut self.taken);
        let (lost, waiting): (VecDeque<_>, VecDeque<_>) = all.into_iter().partition(is_lost);
        self.taken = waiting;
        lost.into_iter().for_each(|taken| self.keep(taken.record));
    }
}

impl RedisTier {
    /// Tells all nodes, this one included, within the time that background work has
    /// (`connect_timeout`). Records are opaque here.
    ///
    /// # Errors
    /// Why Redis did not take the record. It is kept then, and published when Redis is back;
    /// it may come twice.
    pub async fn publish(&self, record: Vec<u8>) -> Result<StreamId, BackendFailure> {
        let published = self.0.publish(&record).await;
        if published.is_err() {
            self.0.unpublished.keep(record);
        }
        published
    }

    /// Records that wait for Redis to come back.
    pub fn unpublished(&self) -> usize {
        self.0.unpublished.0.lock().kept.len()
    }
}

impl Tier {
    async fn publish(&self, record: &[u8]) -> Result<StreamId, BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg(PUBLISH).arg(1).arg(self.names.invalidations());
        command.arg(record).arg(KEPT).arg(super::write::millis(LIFE));
        let operation = BackendOperation::Publish;
        let answer = self.tell(operation, &command).await?;
        let id = id(&answer).ok_or_else(|| self.unexpected(operation))?;
        self.unpublished.taken(id, record);
        Ok(id)
    }

    /// Publishes what could not be published before, in order.
    pub(super) async fn publish_again(&self) {
        while let Some(record) = self.unpublished.first() {
            if self.publish(&record).await.is_err() {
                return;
            }
            self.unpublished.done(&record);
        }
    }

    /// The records after `last`; if that is unknown, from the beginning.
    pub(super) async fn read(&self, last: Option<StreamId>) -> Result<Page, BackendFailure> {
        let mut command = redis::cmd("EVAL");
        command.arg(READ).arg(1).arg(self.names.invalidations());
        command.arg(last.map(|id| id.to_string()).unwrap_or_default()).arg(PAGE);
        command.arg(super::write::millis(LIFE));
        let operation = BackendOperation::Follow;
        let answer = self.tell(operation, &command).await?;
        parse(answer).ok_or_else(|| self.unexpected(operation))
    }

    /// Sends a command that no lookup depends on: the breaker has no say.
    pub(super) async fn tell(
        &self,
        operation: BackendOperation,
        command: &Cmd,
    ) -> Result<Value, BackendFailure> {
        let Some(connection) = self.link().connection() else {
            self.metrics.failed(operation, BackendFailure::Disconnected);
            return Err(BackendFailure::Disconnected);
        };
        self.send(&connection, operation, command).await
    }
}

fn parse(answer: Value) -> Option<Page> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(continued), Value::Array(entries)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let records = entries.into_iter().map(record).collect::<Option<_>>()?;
    Some(Page { continued: continued == 1, records })
}

fn record(entry: Value) -> Option<Record> {
    let Value::Array(parts) = entry else { return None };
    let [place, Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    let data = match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(name), Value::BulkString(data)]) if name == b"r" => Some(data),
        // A mark, or a stranger's. That must not keep what follows from being read, and
        // distrusting what is older is always safe.
        _ => None,
    };
    Some((id(&place)?, data))
}

fn id(value: &Value) -> Option<StreamId> {
    let Value::BulkString(text) = value else { return None };
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
