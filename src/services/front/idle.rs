//! What ends the wait of a connection for its next request.
//!
//! Made once a connection, because a wait happens once a request: the timer runs
//! on from one wait to the next and is only set anew when it fires too early,
//! and the wait for the end of the process is registered a single time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::head::Arrived;
use crate::runtime::lifecycle::Lifecycle;

/// Ends waits: by time, or because the process goes away.
pub struct Idle<'a> {
    lifecycle: &'a Lifecycle,
    /// Wakes the connection; `None` once it has.
    closing: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    registered: bool,
    limit: Duration,
    ends: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Idle<'a> {
    /// For a new connection, whose first wait begins now.
    pub fn new(lifecycle: &'a Lifecycle, limit: Duration) -> Self {
        let ends = Instant::now() + limit;
        Self {
            lifecycle,
            closing: Some(Box::pin(lifecycle.closing())),
            registered: false,
            limit,
            ends,
            timer: Box::pin(sleep_until(ends)),
        }
    }

    /// A wait begins.
    pub fn begin(&mut self) {
        self.ends = Instant::now() + self.limit;
    }

    /// Ready when the wait is over without a request.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Arrived> {
        // All waits of a connection belong to one task: one registration wakes them all.
        if !std::mem::replace(&mut self.registered, true)
            && let Some(closing) = &mut self.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            self.closing = None;
        }
        if self.lifecycle.is_closing() {
            return Poll::Ready(Arrived::Draining);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= self.ends {
                return Poll::Ready(Arrived::Idle);
            }
            self.timer.as_mut().reset(self.ends);
        }
    }
}
