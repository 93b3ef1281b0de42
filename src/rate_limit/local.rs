//! The limit that this process keeps by itself.

use std::sync::Arc;

use governor::{
    RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::StateStore,
};

use super::{
    buckets::{Buckets, since},
    key::BucketKey,
    quota::{Decision, Quota},
};

/// A limit over the table of buckets. The arithmetic is governor's.
pub struct Local<C: Clock = MonotonicClock> {
    limiter: RateLimiter<BucketKey, Store<C>, C, StateInformationMiddleware>,
    buckets: Arc<Buckets<C>>,
    quota: Quota,
}

impl<C: Clock + Clone> Local<C> {
    /// A limit of this size. `None`: a rate of less than nothing, which `config` refuses.
    pub fn new(buckets: &Arc<Buckets<C>>, quota: Quota) -> Option<Self> {
        let governed = governor::Quota::with_period(quota.interval)?.allow_burst(quota.burst);
        let clock = buckets.clock().clone();
        let store = Store { buckets: Arc::clone(buckets), quota, began: buckets.now() };
        Some(Self { limiter: RateLimiter::new(governed, store, clock), buckets: Arc::clone(buckets), quota })
    }

    /// Takes a request from a bucket, if it has one.
    pub fn take(&self, key: BucketKey) -> Decision {
        match self.limiter.check_key(&key) {
            Ok(state) => Decision::passed(&self.quota, state.remaining_burst_capacity()),
            Err(refused) => {
                let now = self.limiter.clock().now();
                Decision::Refused { wait: refused.wait_time_from(now) }
            }
        }
    }

    /// Gives a request back that was taken and not used.
    pub fn give_back(&self, key: BucketKey) {
        self.buckets.give_back(key, &self.quota);
    }
}

/// The table of buckets as governor sees it.
struct Store<C: Clock> {
    buckets: Arc<Buckets<C>>,
    quota: Quota,
    /// When the limiter was made, which its moments count from.
    began: u64,
}

impl<C: Clock> StateStore for Store<C> {
    type Key = BucketKey;

    fn measure_and_replace<T, F, E>(&self, key: &BucketKey, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.buckets.update(*key, &self.quota, |full_at| {
            let (value, full_at) = decide(full_at.map(|moment| since(self.began, moment)))?;
            Ok((value, self.began.saturating_add(full_at.as_u64())))
        })
    }
}

#[cfg(test)]
mod tests;
