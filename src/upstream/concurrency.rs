//! How many requests an upstream serves at once, and who waits.
//!
//! A request has its permit from the moment at which it may go to a backend until it is over,
//! over all its attempts. Those that find none wait in the order in which they came, and no
//! more of them than the queue holds: what cannot be served soon is better told so at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{config::upstream::ConcurrencyConfig, telemetry::label::ShedReason};

/// The permits of one upstream.
#[derive(Debug)]
pub struct Concurrency {
    config: ConcurrencyConfig,
    permits: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// The leave of one request to go to a backend; dropping it lets the next one go.
#[derive(Debug)]
#[must_use = "dropping it lets the next request go"]
pub struct Permit(#[expect(dead_code, reason = "kept for its drop")] OwnedSemaphorePermit);

impl Concurrency {
    /// All permits there are.
    pub fn new(config: ConcurrencyConfig) -> Self {
        let permits = usize::try_from(config.limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { config, permits: Arc::new(Semaphore::new(permits)), waiting: AtomicU32::new(0) }
    }

    /// What it was made from.
    pub fn config(&self) -> &ConcurrencyConfig {
        &self.config
    }

    /// Waits for a permit, if the queue has a place: no longer than it allows, nor than `patience`.
    ///
    /// # Errors
    /// Why the request is not to be served.
    pub async fn admit(&self, patience: Option<Duration>) -> Result<Permit, ShedReason> {
        // What is given back goes to who waits: one that is free is nobody's.
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Permit(permit));
        }
        let _place = Place::take(&self.waiting, self.config.queue).ok_or(ShedReason::QueueFull)?;
        let longest = self.config.queue_timeout.get();
        let longest = patience.map_or(longest, |patience| patience.min(longest));
        match timeout(longest, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(ShedReason::QueueTimeout),
        }
    }

    /// Requests that have a permit.
    pub fn in_flight(&self) -> u32 {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        self.config.limit.saturating_sub(free)
    }

    /// Requests that wait for one.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }
}

/// A place in the queue. Whoever stops waiting, for whatever reason, makes room.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicU32, places: u32) -> Option<Self> {
        let taken = waiting.fetch_update(Relaxed, Relaxed, |count| (count < places).then_some(count + 1));
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;
    use crate::config::values::Period;

    fn permits(limit: u32, queue: u32, millis: u64) -> Concurrency {
        Concurrency::new(ConcurrencyConfig { limit, queue, queue_timeout: Period::millis(millis) })
    }

    #[tokio::test]
    async fn those_who_wait_go_in_the_order_in_which_they_came() {
        let concurrency = permits(1, 2, 60_000);
        let first = concurrency.admit(None).await.unwrap();
        let (mut second, mut third) = (Box::pin(concurrency.admit(None)), Box::pin(concurrency.admit(None)));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        assert_eq!((concurrency.in_flight(), concurrency.waiting()), (1, 2));
        assert_eq!(concurrency.admit(None).await.unwrap_err(), ShedReason::QueueFull);
        drop(first);
        assert!(poll!(&mut third).is_pending(), "nobody overtakes");
        let second = second.now_or_never().unwrap().unwrap();
        assert_eq!((concurrency.in_flight(), concurrency.waiting()), (1, 1));
        drop(second);
        assert!(third.now_or_never().is_some_and(|permit| permit.is_ok()));
        assert_eq!((concurrency.in_flight(), concurrency.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn who_stops_waiting_makes_room_and_loses_no_permit() {
        let concurrency = permits(1, 1, 60_000);
        let first = concurrency.admit(None).await.unwrap();
        let mut second = Box::pin(concurrency.admit(None));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        // It was given the permit, and never learnt of it.
        drop(second);
        assert_eq!((concurrency.in_flight(), concurrency.waiting()), (0, 0));
        assert!(concurrency.admit(None).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_allowed() {
        let concurrency = permits(1, 1, 100);
        let _first = concurrency.admit(None).await.unwrap();
        let started = tokio::time::Instant::now();
        assert_eq!(concurrency.admit(None).await.unwrap_err(), ShedReason::QueueTimeout);
        assert_eq!(started.elapsed().as_millis() / 10, 10);
        let short = Some(Duration::from_millis(30));
        assert_eq!(concurrency.admit(short).await.unwrap_err(), ShedReason::QueueTimeout);
        assert_eq!(started.elapsed().as_millis() / 10, 13);
        assert_eq!(concurrency.waiting(), 0);
    }

    #[tokio::test]
    async fn without_a_queue_the_answer_is_immediate() {
        let concurrency = permits(1, 0, 100);
        let _first = concurrency.admit(None).await.unwrap();
        assert_eq!(concurrency.admit(None).await.unwrap_err(), ShedReason::QueueFull);
    }
}
