//! Looking into both tiers and among the fills.

use std::{sync::Arc, time::Instant};

use super::{CacheStore, Found};
use crate::{
    cache::{
        entry::{Stamp, StoredEntry},
        fill::{Admission, Fill},
        invalidation::Judgement,
        key::EntryKey,
        redis::{Leased, Lookup, RedisTier},
    },
    telemetry::{
        cache::Tier,
        trace::{CacheSteps, LookupResult, Step},
    },
};

/// Notes what is done, if anybody wants to know.
#[derive(Clone, Copy)]
struct Notes<'a>(Option<&'a CacheSteps>);

impl Notes<'_> {
    fn begin(self) -> Option<Instant> {
        self.0.map(|_| Instant::now())
    }

    fn end(self, begun: Option<Instant>, step: impl FnOnce() -> Step) {
        if let (Some(steps), Some(begun)) = (self.0, begun) {
            steps.note(step(), begun);
        }
    }
}

impl CacheStore {
    /// What there is for a slot: the freshest of what both tiers and the fills have. Where it
    /// looked is noted in `steps`.
    pub async fn find(&self, slot: EntryKey, now: Stamp, steps: Option<&CacheSteps>) -> Option<Found> {
        let notes = Notes(steps);
        let begun = notes.begin();
        let own = self.own(self.memory.get(&slot));
        notes.end(begun, || {
            Step::Lookup(
                Tier::Memory,
                match &own {
                    Some(found) if found.is_fresh(now) => LookupResult::Hit,
                    Some(_) => LookupResult::Stale,
                    None => LookupResult::Miss,
                },
            )
        });
        let at_hand = self.at_hand(slot, own.as_ref(), now);
        match at_hand {
            Some(Found::Stored { .. }) => self.memory_metrics.hit(),
            _ => self.memory_metrics.miss(),
        }
        if at_hand.is_some() || self.redis.is_none() {
            return at_hand.or(own);
        }
        match (self.find_shared(slot, now, notes).await, own) {
            (Some(shared), Some(own)) if !shared.is_newer_than(&own) => Some(own),
            (Some(shared), _) => Some(shared),
            (None, _) => {
                // Asking took its time: another request may have fetched it meanwhile.
                let own = self.own(self.memory.peek(&slot));
                self.at_hand(slot, own.as_ref(), now).or(own)
            }
        }
    }

    fn own(&self, entry: Option<Arc<StoredEntry>>) -> Option<Found> {
        self.usable(entry?, Tier::Memory)
    }

    /// What this node can answer with at once: its own entry while that is fresh, or a fill.
    fn at_hand(&self, slot: EntryKey, own: Option<&Found>, now: Stamp) -> Option<Found> {
        let fresh = own.filter(|found| found.is_fresh(now)).cloned();
        let fill = || self.filling(slot).filter(|fill| self.is_valid(fill)).map(Found::Filling);
        fresh.or_else(fill)
    }

    /// What Redis has; a response that is found there moves into memory.
    async fn find_shared(&self, slot: EntryKey, now: Stamp, notes: Notes<'_>) -> Option<Found> {
        // What was declared void while nobody here could hear it must not come back.
        let redis = self.redis.as_ref().filter(|redis| redis.is_current())?;
        if let Some(found) = redis.pending(&slot).and_then(|entry| self.usable(entry, Tier::Redis)) {
            return Some(found);
        }
        // Whoever holds the leave to fetch need not wait for itself.
        if self.leases.lock().get(&slot).is_some_and(|lease| !lease.has_run_out()) {
            return None;
        }
        let entry = match self.get_or_lease(redis, slot, now, notes).await {
            Leased::Found(entry) => entry,
            Leased::Absent(lease) => {
                if let Some(lease) = lease {
                    self.leases.lock().insert(slot, lease);
                }
                return None;
            }
            Leased::Unavailable(_) => return None,
        };
        let found = self.usable(Arc::clone(&entry), Tier::Redis)?;
        let requested = entry.times().requested;
        // Meanwhile a later response may have come.
        if self.memory.peek(&slot).is_none_or(|own| own.times().requested <= requested) {
            self.memory.insert(slot, entry);
        }
        Some(found)
    }

    /// The entry, or the leave to fetch it: also where what Redis has is void.
    async fn get_or_lease(&self, redis: &RedisTier, slot: EntryKey, now: Stamp, notes: Notes<'_>) -> Leased {
        let begun = notes.begin();
        let lookup = redis.get(slot).await;
        notes.end(begun, || {
            Step::Lookup(
                Tier::Redis,
                match &lookup {
                    Lookup::Found(entry) if self.invalidations.judge(entry) == Judgement::Void => {
                        LookupResult::Miss
                    }
                    Lookup::Found(entry) if entry.times().is_fresh(now) => LookupResult::Hit,
                    Lookup::Found(_) => LookupResult::Stale,
                    Lookup::Absent => LookupResult::Miss,
                    Lookup::Unavailable(_) => LookupResult::Failed,
                },
            )
        });
        let is_void = match lookup {
            Lookup::Found(entry) if self.invalidations.judge(&entry) != Judgement::Void => {
                return Leased::Found(entry);
            }
            Lookup::Unavailable(reason) => return Leased::Unavailable(reason),
            Lookup::Found(_) => true,
            Lookup::Absent => false,
        };
        let begun = notes.begin().filter(|_| redis.leases());
        let leased = redis.lease(slot, is_void).await;
        notes.end(begun, || Step::Lease);
        leased
    }

    fn usable(&self, entry: Arc<StoredEntry>, tier: Tier) -> Option<Found> {
        let stale_since = match self.invalidations.judge(&entry) {
            Judgement::Valid => None,
            Judgement::Stale { since } => Some(since),
            Judgement::Void => return None,
        };
        Some(Found::Stored { entry, tier, stale_since })
    }

    /// Whether nothing was declared void that this fill is of.
    fn is_valid(&self, fill: &Fill) -> bool {
        let Admission { times, tags, target, .. } = &fill.admission;
        let judged = self.invalidations.judge_parts(times.requested, tags.iter().copied(), target);
        judged == Judgement::Valid
    }
}
