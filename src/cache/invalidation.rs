//! What was invalidated, and when: entries are compared with it when they are read.
//!
//! A purge is one record here, whatever the number of entries it concerns; no index leads
//! from a tag to its entries. An entry is out of service if a record that concerns it is
//! not earlier than the request it came from, so that an answer on its way while its
//! subject changes is out of service from the start.
//!
//! The log may forget, as long as it forgets safely: the moment before which it knows no
//! more is the [floor](LogSize::floor), and whatever was requested until then is void.

mod glob;
mod marks;
mod record;
mod state;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::RwLock;

use self::state::State;
pub use self::{
    glob::{Glob, GlobError},
    record::{MAX_MESSAGE, MAX_RECORDS, Mode, Record, Scope, Unreadable, decode, decode_or_all, encode},
};
use crate::cache::{
    entry::{Stamp, StoredEntry},
    key::Tag,
};

/// What the log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Tags, URLs and routes together; the oldest go first.
    pub tags: usize,
    /// Patterns; the oldest go first.
    pub patterns: usize,
    /// The most that the clocks of two nodes differ. Entries requested so shortly after an
    /// invalidation count as requested before it. Zero if there is one node.
    pub margin: Duration,
    /// The longest time an entry is kept after it was requested. Older records concern nothing.
    pub life: Duration,
}

impl Default for LogLimits {
    fn default() -> Self {
        // A year and a week: the longest lifetime and stale window of a route by default.
        let life = Duration::from_secs((365 + 7) * 86_400);
        Self { tags: 65_536, patterns: 512, margin: Duration::ZERO, life }
    }
}

/// What the log says about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing.
    Valid,
    /// It is stale. Its stale windows run from `since`, or from the end of its freshness if
    /// that came first.
    Stale {
        /// When it was invalidated first.
        since: Stamp,
    },
    /// It is not to be used.
    Void,
}

impl Judgement {
    /// The worse of two.
    #[must_use]
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Void, _) | (_, Self::Void) => Self::Void,
            (Self::Stale { since: a }, Self::Stale { since: b }) => Self::Stale { since: a.min(b) },
            (stale @ Self::Stale { .. }, _) | (_, stale) => stale,
        }
    }
}

/// How much the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSize {
    /// Tags, URLs and routes.
    pub tags: usize,
    /// Patterns.
    pub patterns: usize,
    /// Until when everything is void, if anything is.
    pub floor: Option<Stamp>,
}

/// One node's view of what was invalidated. See the [module](self).
#[derive(Debug)]
pub struct InvalidationLog {
    /// No request after this moment is concerned by anything: the latest record, and the margin.
    settled: AtomicU64,
    margin: Duration,
    state: RwLock<State>,
}

impl InvalidationLog {
    /// A log in which nothing was invalidated yet.
    pub fn new(limits: LogLimits) -> Self {
        Self { settled: AtomicU64::new(0), margin: limits.margin, state: RwLock::new(State::new(limits)) }
    }

    /// Adds one record. See [`Self::apply_all`].
    pub fn apply(&self, record: &Record, now: Stamp) -> bool {
        self.apply_all(std::slice::from_ref(record), now) == 1
    }

    /// Adds records, in any order and as often as one likes; tells how many of them said
    /// something new. When it returns, every entry is judged by them.
    ///
    /// A record from beyond `now` and the margin counts as made then: no clock that is
    /// wrong keeps a tag out of the cache for ever.
    pub fn apply_all(&self, records: &[Record], now: Stamp) -> usize {
        let mut state = self.state.write();
        let mut news = 0;
        for record in records {
            let at = record.at.min(now.plus(self.margin));
            news += usize::from(state.apply(&record.scope, record.mode, at, now));
            self.settle(at);
        }
        news
    }

    /// Distrusts everything requested until `at`: after records may have been missed.
    pub fn gap(&self, at: Stamp) {
        let mut state = self.state.write();
        state.raise_floor(at);
        self.settle(at);
    }

    /// Called with the lock held: whoever sees the new moment waits for the record.
    fn settle(&self, at: Stamp) {
        self.settled.fetch_max(at.plus(self.margin).0, Ordering::Release);
    }

    /// How long after a record what is requested is still concerned by it, at most.
    pub fn settling(&self) -> Duration {
        self.margin + Duration::from_millis(1)
    }

    /// What the log says about an entry.
    pub fn judge(&self, entry: &StoredEntry) -> Judgement {
        self.judge_parts(entry.times().requested, entry.tags(), entry.target())
    }

    /// What the log says about an entry that may not exist yet: its request, its tags, and
    /// its host and path.
    pub fn judge_parts(&self, requested: Stamp, tags: impl Iterator<Item = Tag>, target: &[u8]) -> Judgement {
        if requested.0 > self.settled.load(Ordering::Acquire) {
            return Judgement::Valid;
        }
        self.state.read().judge(requested, tags, target)
    }

    /// Drops records that concern nothing any more, for their age.
    pub fn prune(&self, now: Stamp) {
        self.state.write().prune(now);
    }

    /// How much it holds.
    pub fn size(&self) -> LogSize {
        self.state.read().size()
    }
}

#[cfg(test)]
mod tests;
