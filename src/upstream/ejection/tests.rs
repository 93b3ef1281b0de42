use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{config::values::Period, upstream::backend::tests::backend};

fn ejection(max_share: f64) -> Ejection {
    Ejection::new(EjectionConfig { consecutive_failures: 3, period: Period::secs(10), max_share })
}

fn set(count: u16) -> Vec<Arc<Backend>> {
    (1..=count).map(|port| backend(port, 1)).collect()
}

/// Fails so often in a row; says whether the last failure ejected it.
fn fail(ejection: &Ejection, set: &[Arc<Backend>], which: usize, times: u32, now: Instant) -> bool {
    (0..times).map(|_| ejection.failed(&set[which], set, now)).last().unwrap_or(false)
}

#[test]
fn failures_in_a_row_eject_and_a_success_in_between_saves() {
    let (ejection, set, now) = (ejection(0.5), set(2), Instant::now());
    assert!(!fail(&ejection, &set, 0, 2, now));
    set[0].ejection().succeeded();
    assert!(!fail(&ejection, &set, 0, 2, now));
    assert!(fail(&ejection, &set, 0, 1, now));
    assert!(set[0].is_ejected(now + Duration::from_millis(9_999)));
    assert!(!set[0].is_ejected(now + Duration::from_secs(10)));
    assert_eq!(set[0].ejections(), 1);
}

#[test]
fn ejections_grow_to_ten_periods_and_calm_shrinks_them() {
    let (ejection, set) = (ejection(0.5), set(2));
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..12 {
        assert!(fail(&ejection, &set, 0, 3, now));
        let length = (1..=120).find(|s| !set[0].is_ejected(now + Duration::from_secs(*s))).unwrap();
        lengths.push(length);
        now += Duration::from_secs(length);
    }
    assert_eq!(lengths, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100]);
    now += Duration::from_secs(80);
    assert!(fail(&ejection, &set, 0, 3, now));
    assert!(!set[0].is_ejected(now + Duration::from_secs(30)), "8 of 10 periods forgiven, one added");
    assert!(set[0].is_ejected(now + Duration::from_secs(29)));
}

#[test]
fn one_backend_is_always_left_and_zero_turns_it_off() {
    let now = Instant::now();
    let alone = set(1);
    assert!(!fail(&ejection(1.0), &alone, 0, 50, now));
    let pair = set(2);
    let all = ejection(1.0);
    assert!(fail(&all, &pair, 0, 3, now));
    assert!(!fail(&all, &pair, 1, 50, now));
    let off = Ejection::new(EjectionConfig { consecutive_failures: 0, ..EjectionConfig::default() });
    assert!(!fail(&off, &set(2), 0, 50, now));
}

#[test]
fn a_share_is_exact_in_spite_of_binary_fractions() {
    assert_eq!(ejection(0.1).most(10), 1);
    assert_eq!(ejection(0.3).most(10), 3);
    assert_eq!(ejection(0.29).most(100), 29);
    assert_eq!(ejection(0.5).most(3), 1);
}

proptest! {
    #[test]
    fn the_share_is_never_exceeded(
        count in 1u16..12,
        max_share in 0.0f64..=1.0,
        failures in prop::collection::vec((any::<prop::sample::Index>(), 0u64..5_000), 1..200),
    ) {
        let (ejection, set) = (ejection(max_share), set(count));
        let mut now = Instant::now();
        for (which, millis) in failures {
            now += Duration::from_millis(millis);
            fail(&ejection, &set, which.index(set.len()), 3, now);
            let ejected = set.iter().filter(|b| b.is_ejected(now)).count();
            prop_assert!(ejected < set.len());
            prop_assert!(ejected as f64 <= max_share * set.len() as f64 + 1e-6);
        }
    }
}
