//! Lookups of one key at one time share one command.

use std::{collections::HashMap, sync::Arc};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

use super::super::key::EntryKey;

type Running<T> = Shared<BoxFuture<'static, T>>;
type Table<T> = Arc<Mutex<HashMap<EntryKey, WeakShared<BoxFuture<'static, T>>>>>;

/// The lookups that are on their way.
pub struct Flights<T>(Table<T>);

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// What `start` brings, or the lookup of this key that is on its way already. Whoever
    /// leaves early keeps the others from nothing.
    pub async fn join(&self, key: EntryKey, start: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        self.running(key, start).await
    }

    fn running(&self, key: EntryKey, start: impl FnOnce() -> BoxFuture<'static, T>) -> Running<T> {
        let mut table = self.0.lock();
        if let Some(running) = table.get(&key).and_then(WeakShared::upgrade) {
            return running;
        }
        let (lookup, entry) = (start(), Entry { table: Arc::clone(&self.0), key });
        let running = async move {
            // Ends with the lookup, or with the last one who waits for it.
            let _entry = entry;
            lookup.await
        }
        .boxed()
        .shared();
        if let Some(weak) = running.downgrade() {
            table.insert(key, weak);
        }
        running
    }
}

/// A line in the table. A successor of the same key may be removed by mistake; it only
/// finds no company then.
struct Entry<T: Clone + Send + Sync + 'static> {
    table: Table<T>,
    key: EntryKey,
}

impl<T: Clone + Send + Sync + 'static> Drop for Entry<T> {
    fn drop(&mut self) {
        self.table.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const KEY: EntryKey = EntryKey([1; 16]);

    #[tokio::test]
    async fn lookups_of_one_key_share_one_start() {
        let (flights, starts, gate) =
            (Flights::new(), Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let start = || {
            let (starts, gate) = (Arc::clone(&starts), Arc::clone(&gate));
            async move {
                starts.fetch_add(1, Ordering::Relaxed);
                gate.acquire().await.unwrap().forget();
                7
            }
            .boxed()
        };
        let mut first = Box::pin(flights.join(KEY, start));
        let mut second = Box::pin(flights.join(KEY, start));
        assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
        // The first one leaves; the second one gets its answer all the same.
        drop(first);
        gate.add_permits(1);
        assert_eq!(second.await, 7);
        assert_eq!(starts.load(Ordering::Relaxed), 1);
        gate.add_permits(1);
        assert_eq!(flights.join(KEY, start).await, 7);
        assert_eq!(starts.load(Ordering::Relaxed), 2, "what has ended is not joined");
        assert!(flights.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_lookup_that_all_left_leaves_nothing() {
        let flights = Flights::<u8>::new();
        let mut left = Box::pin(flights.join(KEY, || std::future::pending().boxed()));
        assert!(futures::poll!(&mut left).is_pending());
        drop(left);
        assert!(flights.0.lock().is_empty());
        assert_eq!(flights.join(KEY, || async { 3 }.boxed()).await, 3);
    }
}
