//! The moment at which a wait for the backend ends, kept on the client's side.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Begins and ends waits from outside the stream that keeps their time.
#[derive(Clone, Default)]
pub struct DeadlineHandle(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    wait: Option<Wait>,
    passed: bool,
}

/// One wait.
#[derive(Clone, Copy)]
struct Wait {
    length: Duration,
    /// It never ends later than this, however often it begins anew.
    latest: Option<Instant>,
    ends: Instant,
}

impl Wait {
    fn new(now: Instant, length: Duration, latest: Option<Instant>) -> Self {
        let ends = now + length;
        Self { length, latest, ends: latest.map_or(ends, |latest| latest.min(ends)) }
    }
}

impl DeadlineHandle {
    /// A wait of this length begins; it is over at `latest` in any case.
    pub fn begin(&self, now: Instant, length: Duration, latest: Option<Instant>) {
        *self.0.lock() = State { wait: Some(Wait::new(now, length, latest)), passed: false };
    }

    /// The wait begins anew, if there is one: what held it up was not the backend.
    pub fn restart(&self) {
        let wait = &mut self.0.lock().wait;
        *wait = wait.map(|wait| Wait::new(Instant::now(), wait.length, wait.latest));
    }

    /// Nothing is waited for any more.
    pub fn end(&self) {
        *self.0.lock() = State::default();
    }

    /// When the wait is over. `None`: there is no wait.
    pub fn ends(&self) -> Option<Instant> {
        self.0.lock().wait.map(|wait| wait.ends)
    }

    /// Whether the wait was over without result. One that nobody could keep, because the
    /// client held everything up, was not.
    pub fn has_passed(&self) -> bool {
        self.0.lock().passed
    }

    /// The wait is over without result.
    pub(super) fn pass(&self) {
        self.0.lock().passed = true;
    }
}
