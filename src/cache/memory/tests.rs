use std::collections::HashMap;

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::{
    cache::entry::{Parts, Times},
    config::values::ByteSize,
};

const ALL: [Eviction; 4] = [Eviction::S3Fifo, Eviction::Lru, Eviction::Fifo, Eviction::Ttl];

fn tier(eviction: Eviction, capacity: u64, shards: usize) -> MemoryTier {
    let config = MemoryTierConfig { capacity: ByteSize(capacity), eviction, max_object: ByteSize::mib(1) };
    MemoryTier::with_shards(&config, shards)
}

/// Spreads a number over all bits of a key (the finalizer of SplitMix64, twice).
fn key(number: u64) -> EntryKey {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (low, high) = (mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)), mix(!number));
    EntryKey((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
}

fn entry(body: usize, times: Times) -> Arc<StoredEntry> {
    let body = vec![0; body];
    let status = StatusCode::OK;
    let parts = Parts { status, fields: b"", body: &body, target: b"", variance: None, tags: &[], times };
    Arc::new(StoredEntry::new(&parts).unwrap())
}

fn of(body: usize) -> Arc<StoredEntry> {
    entry(body, Times::default())
}

#[test]
fn what_is_put_in_comes_out() {
    for eviction in ALL {
        let tier = tier(eviction, 1 << 20, 2);
        let first = of(10);
        assert_eq!(tier.insert(key(1), Arc::clone(&first)), Inserted { stored: true, displaced: 0 });
        assert!(Arc::ptr_eq(&tier.get(&key(1)).unwrap(), &first), "the entry itself, no copy");
        assert!(tier.get(&key(2)).is_none());

        let second = of(20);
        assert_eq!(tier.insert(key(1), Arc::clone(&second)), Inserted { stored: true, displaced: 1 });
        assert!(Arc::ptr_eq(&tier.peek(&key(1)).unwrap(), &second));
        assert!(Arc::ptr_eq(&tier.remove(&key(1)).unwrap(), &second));
        assert!(tier.remove(&key(1)).is_none());

        let stats = tier.stats();
        assert_eq!((stats.hits, stats.misses, stats.insertions, stats.entries), (1, 1, 2, 0));
        assert_eq!(stats.gone, Gone { replaced: 1, removed: 1, ..Gone::default() });
        assert_eq!(stats.bytes, 0);
    }
}

#[test]
fn without_capacity_the_tier_is_off() {
    let config = MemoryTierConfig { capacity: ByteSize(0), ..MemoryTierConfig::default() };
    let tier = MemoryTier::new(&config);
    assert_eq!(tier.insert(key(1), of(1)), Inserted::default());
    assert!(tier.get(&key(1)).is_none() && tier.peek(&key(1)).is_none() && tier.remove(&key(1)).is_none());
    tier.clear();
    assert_eq!(tier.drop_useless(Stamp(u64::MAX), 10), 0);
    tier.for_each(10, |_, _| unreachable!("there is none"));
    assert_eq!((tier.stats(), tier.max_object()), (MemoryStats::default(), 0));
}

#[test]
fn what_is_too_large_is_refused_and_takes_the_old_one_along() {
    let tier = tier(Eviction::Lru, 64 << 20, 1);
    assert_eq!(tier.max_object(), 1 << 20);
    tier.insert(key(1), of(10));
    tier.insert(key(2), of(10));
    assert_eq!(tier.insert(key(1), of(1 << 20)), Inserted { stored: false, displaced: 1 });
    assert!(tier.peek(&key(1)).is_none() && tier.peek(&key(2)).is_some());
    assert_eq!(tier.stats().refused, 1);
    assert!(tier.insert(key(1), of((1 << 20) - 500)).stored);
}

#[test]
fn the_largest_entry_fits_into_a_full_tier_and_into_a_tiny_one() {
    for (eviction, capacity) in ALL.into_iter().flat_map(|eviction| [(eviction, 8192), (eviction, 100_000)]) {
        let tier = tier(eviction, capacity, 1);
        (0..1000).for_each(|number| assert!(tier.insert(key(number), of(20)).stored));
        let room = tier.max_object() - of(0).weight();
        assert!(tier.insert(key(0), of(room)).stored, "{eviction:?} {capacity}");
        assert!(!tier.insert(key(1), of(room + 1)).stored);
        assert!(tier.stats().bytes <= tier.stats().capacity);
    }
    assert_eq!(tier(Eviction::Lru, 100, 1).insert(key(0), of(0)), Inserted::default());
}

#[test]
fn who_has_to_go_follows_the_strategy() {
    // Three entries fit; the one in the middle is used, the last stops being fresh first.
    let survivors = |eviction| {
        let tier = tier(eviction, 3_100_000, 1);
        let fresh =
            |until: u64| entry(900_000, Times { fresh_until: Stamp(2000 * until), ..Times::default() });
        for (number, until) in [(1, 9), (2, 8), (3, 7)] {
            tier.insert(key(number), fresh(until));
        }
        assert!(tier.get(&key(1)).is_some());
        tier.insert(key(4), fresh(6));
        (1..=4).filter(|number| tier.peek(&key(*number)).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(survivors(Eviction::Lru), [1, 3, 4]);
    assert_eq!(survivors(Eviction::Fifo), [2, 3, 4]);
    assert_eq!(survivors(Eviction::Ttl), [1, 2, 4]);
    assert_eq!(survivors(Eviction::S3Fifo), [1, 3, 4]);
}

#[test]
fn useless_entries_are_found_bit_by_bit() {
    let tier = tier(Eviction::S3Fifo, 4 << 20, 4);
    for number in 0..1000 {
        let useless_at = Stamp(if number % 3 == 0 { 100 } else { 200 });
        tier.insert(key(number), entry(10, Times { useless_at, ..Times::default() }));
    }
    assert_eq!(tier.drop_useless(Stamp(99), 10_000), 0);
    let calls: Vec<_> = (0..20).map(|_| tier.drop_useless(Stamp(100), 100)).collect();
    assert!(calls.iter().all(|removed| *removed <= 100), "{calls:?}");
    assert_eq!(calls.iter().sum::<usize>(), 334);
    assert!(tier.peek(&key(0)).is_none() && tier.peek(&key(1)).is_some());
    // Starting in the middle of a shard, one round may leave that shard's beginning out.
    let removed = tier.drop_useless(Stamp(200), usize::MAX) + tier.drop_useless(Stamp(200), usize::MAX);
    assert_eq!((removed, tier.stats().bytes), (666, 0));
    assert_eq!(tier.stats().gone.expired, 1000);
}

#[test]
fn all_entries_are_visited_once() {
    let tier = tier(Eviction::Fifo, 8 << 20, 4);
    (0..1000).for_each(|number| assert!(tier.insert(key(number), of(number as usize)).stored));
    let visited = |limit| {
        let mut lens = Vec::new();
        tier.for_each(limit, |_, entry| lens.push(entry.body_len()));
        lens.sort_unstable();
        lens
    };
    assert_eq!(visited(5000), (0..1000).collect::<Vec<_>>());
    assert_eq!(visited(333).len(), 333);
    assert_eq!(visited(0).len(), 0);
}

#[test]
fn an_entry_may_be_removed_while_it_is_visited() {
    let tier = tier(Eviction::S3Fifo, 8 << 20, 2);
    (0..1000).for_each(|number| assert!(tier.insert(key(number), of(10)).stored));
    tier.for_each(usize::MAX, |key, _| drop(tier.remove(key)));
    assert_eq!((tier.stats().entries, tier.stats().bytes), (0, 0));
}

#[test]
fn clearing_frees_everything() {
    for eviction in ALL {
        let tier = tier(eviction, 8 << 20, 2);
        (0..5000).for_each(|number| assert!(tier.insert(key(number), of(100)).stored));
        assert!(tier.stats().entries > 4000);
        tier.clear();
        let stats = tier.stats();
        assert_eq!((stats.entries, stats.bytes, stats.gone.removed), (0, 0, 5000));
        assert!(tier.insert(key(1), of(100)).stored);
    }
}

#[test]
fn memory_for_many_small_entries_is_given_back() {
    for eviction in ALL {
        let tier = tier(eviction, 32 << 20, 1);
        (0..50_000).for_each(|number| assert!(tier.insert(key(number), of(10)).stored));
        let full = tier.stats().upkeep;
        (100..50_000).for_each(|number| drop(tier.remove(&key(number))));
        let left = tier.stats();
        assert_eq!(left.entries, 100);
        assert!(left.upkeep < full / 50, "{full} before, {} after", left.upkeep);
        assert!((0..100).all(|number| tier.get(&key(number)).is_some()));
    }
}

#[test]
fn shards_are_many_but_never_too_small() {
    const MIB: u64 = 1 << 20;
    assert_eq!(shards(0, MIB, 2), 0);
    assert_eq!(shards(1, MIB, 2), 1);
    assert_eq!(shards(7 * MIB, MIB, 2), 1);
    assert_eq!(shards(256 * MIB, 16 * MIB, 2), 8);
    assert_eq!(shards(256 * MIB, 16 * MIB, 64), 8, "two of the largest fit into each");
    assert_eq!(shards(256 * MIB, 200 * MIB, 2), 1);
    assert_eq!(shards(1024 * MIB, MIB, 12), 64);
    assert_eq!(shards(64 * 1024 * MIB, MIB, 2), 256);
    assert_eq!(shards(u64::MAX, u64::MAX, 2), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Insert { number: u64, body: usize, fresh: u64 },
    Get(u64),
    Remove(u64),
    Sweep { now: u64, budget: usize },
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..60u64;
    prop_oneof![
        8 => (number.clone(), prop_oneof![0..200usize, 0..6000usize], 0..100u64)
            .prop_map(|(number, body, fresh)| Step::Insert { number, body, fresh }),
        6 => number.clone().prop_map(Step::Get),
        2 => number.prop_map(Step::Remove),
        1 => (0..100u64, 0..100usize).prop_map(|(now, budget)| Step::Sweep { now, budget }),
        1 => Just(Step::Clear).boxed(),
    ]
}

/// The tier holds what was put in last, or nothing, and its figures are true.
fn agree(tier: &MemoryTier, model: &mut HashMap<u64, Arc<StoredEntry>>) {
    model.retain(|number, entry| match tier.peek(&key(*number)) {
        Some(found) => {
            assert!(Arc::ptr_eq(&found, entry), "an old entry came back");
            true
        }
        None => false,
    });
    let stats = tier.stats();
    assert!(stats.bytes <= stats.capacity, "{stats:?}");
    assert_eq!(stats.entries, model.len(), "an entry that the model does not know");
    let weights: usize = model.values().map(|entry| entry.weight()).sum();
    assert_eq!(stats.bytes - stats.upkeep, weights);
    let Gone { capacity, expired, replaced, removed } = stats.gone;
    assert_eq!(stats.insertions, stats.entries as u64 + capacity + expired + replaced + removed);
}

proptest! {
    #[test]
    fn it_behaves_like_a_map_that_forgets(
        steps in proptest::collection::vec(step(), 1..400),
        eviction in proptest::sample::select(&ALL[..]),
        capacity in 5_000..100_000u64,
    ) {
        let tier = tier(eviction, capacity, 1);
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Insert { number, body, fresh } => {
                    let times = Times {
                        fresh_until: Stamp(fresh),
                        useless_at: Stamp(fresh),
                        ..Times::default()
                    };
                    let entry = entry(body, times);
                    let fits = entry.weight() <= tier.max_object();
                    let stored = tier.insert(key(number), Arc::clone(&entry)).stored;
                    prop_assert_eq!(stored, fits);
                    prop_assert_eq!(tier.peek(&key(number)).is_some(), stored);
                    model.insert(number, entry);
                }
                Step::Get(number) => {
                    let found = tier.get(&key(number));
                    prop_assert_eq!(found.is_some(), model.contains_key(&number));
                }
                Step::Remove(number) => {
                    let found = tier.remove(&key(number));
                    prop_assert_eq!(found.is_some(), model.remove(&number).is_some());
                }
                Step::Sweep { now, budget } => {
                    let removed = tier.drop_useless(Stamp(now), budget);
                    prop_assert!(removed <= budget);
                }
                Step::Clear => tier.clear(),
            }
            agree(&tier, &mut model);
        }
        for number in 0..60 {
            tier.remove(&key(number));
        }
        prop_assert_eq!((tier.stats().entries, tier.stats().bytes), (0, 0));
    }
}

#[test]
fn the_bound_holds_under_churn_of_two_threads() {
    for eviction in ALL {
        let tier = tier(eviction, 600_000, 2);
        let churn = |seed: u64| {
            for turn in 0..20_000u64 {
                let EntryKey(bytes) = key(seed << 32 | turn);
                let number = u64::from(u16::from_le_bytes([bytes[0], bytes[1]]) % 2000);
                match bytes[2] % 8 {
                    0 => drop(tier.remove(&key(number))),
                    1..4 => {
                        let body = usize::from(bytes[3]) * if turn / 2000 % 2 == 0 { 1 } else { 40 };
                        assert!(tier.insert(key(number), of(body)).stored);
                    }
                    _ => drop(tier.get(&key(number))),
                }
                let stats = tier.stats();
                assert!(stats.bytes <= stats.capacity, "{eviction:?}: {stats:?}");
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| churn(1));
            scope.spawn(|| churn(2));
        });
        let stats = tier.stats();
        let Gone { capacity, expired, replaced, removed } = stats.gone;
        assert!(capacity > 1000, "it was full: {stats:?}");
        assert_eq!(stats.insertions, stats.entries as u64 + capacity + expired + replaced + removed);
        (0..2000).for_each(|number| drop(tier.remove(&key(number))));
        assert_eq!((tier.stats().entries, tier.stats().bytes), (0, 0));
    }
}
