//! The versions of the API in metrics and logs, and who calls which.

use std::{
    hash::{BuildHasher, Hasher as _},
    time::{SystemTime, UNIX_EPOCH},
};

use ahash::RandomState;
use hashbrown::HashTable;
use parking_lot::Mutex;

use super::{label::label, metrics::Counter};

label! {
    /// What stated the version of a request.
    VersionOrigin {
        /// Its path.
        Path = "path",
        /// The header field.
        Header = "header",
        /// A vendor media type in `Accept`.
        Accept = "accept",
        /// The query parameter.
        Query = "query",
        /// Nothing.
        Default = "default",
    }
}

label! {
    /// Why a request was refused for its version.
    VersionRefusal {
        /// There is no such version.
        Unknown = "unknown",
        /// The route does not serve it.
        NotServed = "not_served",
        /// The request states two.
        Conflict = "conflict",
        /// The version is away for an announced time.
        Brownout = "brownout",
        /// The version is over.
        Sunset = "sunset",
    }
}

/// Callers that are told apart; those that come later are counted as one.
pub const MAX_CALLERS: usize = 4096;
/// The name of callers beyond [`MAX_CALLERS`].
pub const OTHER_CALLERS: &str = "_other";

/// Parts of the table with a lock of their own.
const SHARDS: usize = 16;

/// Who calls which version of what.
pub struct Callers {
    hasher: RandomState,
    shards: [Mutex<HashTable<Calls>>; SHARDS],
}

/// One caller of one version of one route.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The version.
    pub version: Box<str>,
    /// The route.
    pub route: Box<str>,
    /// The caller.
    pub consumer: Box<str>,
    /// How often it called since the process began.
    pub count: u64,
    /// Its last call, in seconds since 1970.
    pub last: u64,
    counter: Counter,
}

impl Default for Callers {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }
}

impl Callers {
    /// Counts a call. `counter` makes the metric series of a caller seen for the first time.
    pub fn called(
        &self,
        version: &str,
        route: &str,
        consumer: &str,
        now: SystemTime,
        counter: impl FnOnce(&str) -> Counter,
    ) {
        let hash = self.hash(version, route, consumer);
        let mut shard = self.shards[hash as usize % SHARDS].lock();
        let last = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let is = |calls: &Calls, consumer: &str| {
            &*calls.consumer == consumer && &*calls.version == version && &*calls.route == route
        };
        let full = shard.len() >= MAX_CALLERS / SHARDS && shard.find(hash, |c| is(c, consumer)).is_none();
        // All others are as many as there are versions and routes, which the configuration bounds.
        if full && consumer != OTHER_CALLERS {
            drop(shard);
            return self.called(version, route, OTHER_CALLERS, now, counter);
        }
        let rehash = |calls: &Calls| self.hash(&calls.version, &calls.route, &calls.consumer);
        let entry = shard.entry(hash, |calls| is(calls, consumer), rehash).or_insert_with(|| Calls {
            version: version.into(),
            route: route.into(),
            consumer: consumer.into(),
            count: 0,
            last,
            counter: counter(consumer),
        });
        let calls = entry.into_mut();
        calls.count += 1;
        calls.last = last;
        calls.counter.inc();
    }

    fn hash(&self, version: &str, route: &str, consumer: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for part in [version, route, consumer] {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// Everybody who called, the most frequent first.
    pub fn report(&self) -> Vec<Calls> {
        let mut all: Vec<Calls> = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().iter().cloned());
        }
        all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.consumer.cmp(&b.consumer)));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn callers_are_told_apart_by_version_and_route() {
        let callers = Callers::default();
        let call = |version, route, consumer, when| {
            callers.called(version, route, consumer, at(when), |_| Counter::default());
        };
        call("v1", "patients", "lab", 1);
        call("v1", "patients", "lab", 5);
        call("v2", "patients", "lab", 6);
        call("v1", "patient", "slab", 7);
        let report = callers.report();
        let first = &report[0];
        assert_eq!((&*first.version, &*first.consumer, first.count, first.last), ("v1", "lab", 2, 5));
        assert_eq!(report.len(), 3);
    }

    #[test]
    fn there_is_a_limit_to_those_told_apart() {
        let callers = Callers::default();
        for n in 0..20_000 {
            callers.called("v1", "r", &n.to_string(), at(0), |_| Counter::default());
        }
        let report = callers.report();
        assert!(report.len() <= MAX_CALLERS + 1, "{}", report.len());
        assert_eq!(report.iter().map(|calls| calls.count).sum::<u64>(), 20_000);
        assert_eq!(&*report[0].consumer, OTHER_CALLERS);
    }
}
