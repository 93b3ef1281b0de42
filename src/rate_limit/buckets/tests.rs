use std::{num::NonZeroU32, time::Duration};

use governor::clock::FakeRelativeClock;

use super::*;

fn quota(burst: u32) -> Quota {
    Quota { interval: Duration::from_secs(1), burst: NonZeroU32::new(burst).unwrap() }
}

/// A table of one set, and its clock.
fn one_set() -> (Buckets<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Buckets::new(WAYS, clock.clone(), Counter::default()), clock)
}

fn key(name: u8) -> BucketKey {
    BucketKey([name; 16])
}

/// Makes a bucket full so many seconds from now, and says when it was before.
fn set(buckets: &Buckets<FakeRelativeClock>, name: u8, quota: &Quota, seconds: u64) -> Option<u64> {
    let full_at = buckets.now() + seconds * 1_000_000_000;
    buckets.update::<_, ()>(key(name), quota, |before| Ok((before, full_at))).unwrap()
}

#[test]
fn a_bucket_is_found_again() {
    let (buckets, _) = one_set();
    let quota = quota(10);
    assert_eq!(set(&buckets, 0, &quota, 1), None, "no name is that of a free place");
    assert_eq!(set(&buckets, 0, &quota, 2), Some(1_000_000_000));
    assert_eq!(buckets.update(key(0), &quota, |_| Err::<((), u64), _>("no")), Err("no"));
    buckets.give_back(key(0), &quota);
    assert_eq!(set(&buckets, 0, &quota, 2), Some(1_000_000_000));
    assert_eq!((buckets.in_use(), buckets.capacity()), (1, WAYS));
}

#[test]
fn what_is_full_again_gives_way_without_a_trace() {
    let (buckets, clock) = one_set();
    let quota = quota(10);
    for name in 1..=16 {
        set(&buckets, name, &quota, if name == 5 { 1 } else { 9 });
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(set(&buckets, 17, &quota, 1), None);
    assert_eq!(buckets.displaced.get(), 0);
    for name in (1..=16).filter(|&name| name != 5) {
        assert!(set(&buckets, name, &quota, 9).is_some(), "{name} was still in use");
    }
}

#[test]
fn the_least_used_gives_way_and_its_debt_stays() {
    let (buckets, _) = one_set();
    let quota = quota(100);
    // The used part counts, not the time: a slow limit does not push a fast one out.
    for name in 1..=16 {
        set(&buckets, name, &quota, if name == 7 { 20 } else { 90 });
    }
    let fast = Quota { interval: Duration::from_millis(1), burst: NonZeroU32::new(1_000).unwrap() };
    let inherited = set(&buckets, 17, &fast, 1).unwrap();
    assert_eq!(inherited, 200_000_000, "a fifth of the burst");
    assert_eq!(buckets.displaced.get(), 1);
    assert!(set(&buckets, 8, &quota, 90).is_some());
    assert!(set(&buckets, 17, &fast, 1).is_some());
}

#[test]
fn a_newcomer_has_half_of_its_burst_and_one_request_at_least() {
    let (buckets, _) = one_set();
    let used_up = quota(100);
    for name in 1..=16 {
        set(&buckets, name, &used_up, 100);
    }
    assert_eq!(set(&buckets, 17, &quota(10), 10), Some(5_000_000_000));
    assert_eq!(set(&buckets, 18, &quota(1), 1), Some(0), "its only request");
}

#[test]
fn a_flood_of_keys_cannot_refill_an_empty_bucket() {
    let clock = FakeRelativeClock::default();
    let buckets = Buckets::new(64 * WAYS, clock, Counter::default());
    let quota = quota(10);
    let victim = BucketKey([0xff; 16]);
    buckets.update::<_, ()>(victim, &quota, |_| Ok(((), 10_000_000_000))).unwrap();
    for n in 0..100_000_u128 {
        let flood = BucketKey(n.to_le_bytes());
        let take = |before: Option<u64>| Ok::<_, ()>(((), before.unwrap_or(0) + 1_000_000_000));
        buckets.update(flood, &quota, take).unwrap();
    }
    let before = buckets.update::<_, ()>(victim, &quota, |before| Ok((before, 0))).unwrap();
    assert_eq!(before, Some(10_000_000_000));
    assert_eq!(buckets.capacity(), 64 * WAYS);
    assert!(buckets.displaced.get() > 90_000);
}
