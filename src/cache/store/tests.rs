use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    cache::invalidation::{LogLimits, Mode, Scope},
    config::cache::MemoryTierConfig,
    telemetry::metrics::Metrics,
};

const SLOT: EntryKey = EntryKey([7; 16]);
const NOW: Stamp = Stamp(1_000_000);

fn store() -> CacheStore {
    let metrics = Metrics::new("0", "0").unwrap();
    let memory = MemoryTier::new(&MemoryTierConfig::default());
    let log = InvalidationLog::new(LogLimits::default());
    CacheStore::new(KeyMaker::new(None), memory, None, log, Arc::clone(metrics.cache()))
}

fn requested(at: u64) -> Admission {
    Admission {
        status: StatusCode::OK,
        fields: Bytes::new(),
        target: Bytes::from_static(b"a.org/x"),
        tags: Arc::from([Tag(1)]),
        times: Times {
            requested: Stamp(at),
            fresh_until: NOW.plus(Duration::from_secs(60)),
            useless_at: NOW.plus(Duration::from_secs(60)),
            ..Times::default()
        },
        variance: None,
        limit: 100,
        announced: None,
    }
}

fn void(store: &CacheStore, at: u64) {
    let record = Record { scope: Scope::Tag(Tag(1)), mode: Mode::Hard, at: Stamp(at) };
    store.invalidations().apply(&record, NOW);
}

#[test]
fn every_fill_of_a_slot_is_found_and_the_newest_is_followed() {
    let store = store();
    let (first, second) = (store.begin_fill(SLOT, requested(1)), store.begin_fill(SLOT, requested(2)));
    for fill in [&first, &second] {
        assert_eq!(store.fill_of(SLOT, fill.id()).unwrap().id(), fill.id());
    }
    assert_eq!(store.filling(SLOT).unwrap().id(), second.id());
    store.end_fill(SLOT, &second);
    store.end_fill(SLOT, &second);
    assert_eq!(store.filling(SLOT).unwrap().id(), first.id());
    store.end_fill(SLOT, &first);
    assert!(store.filling(SLOT).is_none() && store.fill_of(SLOT, first.id()).is_none());
}

#[tokio::test]
async fn what_was_declared_void_on_its_way_is_neither_followed_nor_kept() {
    let store = store();
    let old = store.begin_fill(SLOT, requested(10));
    assert!(matches!(store.find(SLOT, NOW, None).await, Some(Found::Filling(_))));
    void(&store, 20);
    assert!(store.find(SLOT, NOW, None).await.is_none());
    store.keep(SLOT, Arc::new(requested(30).entry(b"new").unwrap()));
    store.keep(SLOT, Arc::new(old.admission.entry(b"old").unwrap()));
    let found = store.fresh(&SLOT, NOW).unwrap();
    assert_eq!(&found.body()[..], b"new");
}

#[test]
fn what_is_void_is_not_void_before_what_was_requested() {
    let store = store();
    // The clock was an hour ahead when it was requested, and was set right since.
    let ahead = Stamp::now().plus(Duration::from_secs(3600));
    store.latest.store(ahead.0, Ordering::Relaxed);
    store.keep(SLOT, Arc::new(requested(ahead.0).entry(b"old").unwrap()));
    let record = Record { scope: Scope::Tag(Tag(1)), mode: Mode::Hard, at: store.voided() };
    store.invalidations().apply(&record, store.voided());
    assert!(store.fresh(&SLOT, NOW).is_none());
    assert!(store.requested() < ahead, "what is requested now is not of that hour");
    assert_eq!(store.voided(), ahead);
}

#[test]
fn moments_on_the_wall_are_as_far_from_now() {
    let store = store();
    for moment in [store.now().plus(Duration::from_secs(9)), store.now().minus(Duration::from_secs(9))] {
        let wall = Stamp::from(store.on_the_wall(moment));
        assert!(wall.since(moment).max(moment.since(wall)) < Duration::from_secs(1));
    }
}
