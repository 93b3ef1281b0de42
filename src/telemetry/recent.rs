//! The requests that failed last, for whoever looks now.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use super::reason::ErrorReason;

/// How many are kept.
const KEPT: usize = 50;

/// A request that failed. No path, no client, no identity: only what is configured, and ids.
#[derive(Clone, Debug, Serialize)]
pub struct RecentError {
    /// When it was over.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The status the client got; `None`: none.
    pub status: Option<u16>,
    /// Why.
    pub reason: Option<ErrorReason>,
    /// More about it.
    pub detail: Option<&'static str>,
    /// Its method, or what stands for those that nobody knows.
    pub method: &'static str,
    /// The path pattern of its route.
    pub pattern: Option<String>,
    /// The name of its route.
    pub route: Option<String>,
    /// The upstream.
    pub upstream: Option<String>,
    /// The backend of the last attempt.
    pub backend: Option<String>,
    /// Attempts made.
    pub attempts: u8,
    /// The time it took.
    #[serde(rename = "duration_us", serialize_with = "micros")]
    pub duration: Duration,
    /// Its id.
    pub request_id: String,
    /// The trace it belongs to, in hexadecimal.
    pub trace_id: Option<String>,
}

/// The last requests that failed.
#[derive(Debug, Default)]
pub struct RecentErrors(Mutex<VecDeque<RecentError>>);

impl RecentErrors {
    /// Keeps one, made by `make`, unless somebody else is at it: no request waits for this list.
    pub fn keep(&self, make: impl FnOnce() -> RecentError) {
        let Some(mut list) = self.0.try_lock() else { return };
        if list.len() == KEPT {
            list.pop_back();
        }
        list.push_front(make());
    }

    /// Those that are kept, the newest first.
    pub fn list(&self) -> Vec<RecentError> {
        self.0.lock().iter().cloned().collect()
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*time))
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(attempts: u8) -> RecentError {
        RecentError {
            time: SystemTime::UNIX_EPOCH,
            status: Some(502),
            reason: None,
            detail: None,
            method: "GET",
            pattern: None,
            route: None,
            upstream: None,
            backend: None,
            attempts,
            duration: Duration::from_micros(7),
            request_id: String::new(),
            trace_id: None,
        }
    }

    #[test]
    fn the_newest_are_kept_and_come_first() {
        let recent = RecentErrors::default();
        (0..=50).for_each(|n| recent.keep(|| error(n)));
        let list = recent.list();
        assert_eq!((list.len(), list[0].attempts, list[49].attempts), (50, 50, 1));
        let shown = serde_json::to_value(&list[0]).unwrap();
        assert_eq!((&shown["time"], &shown["duration_us"]), (&"1970-01-01T00:00:00.000Z".into(), &7.into()));
    }
}
