use std::{num::NonZeroU32, time::Duration};

use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use super::*;
use crate::telemetry::metrics::Counter;

const KEY: BucketKey = BucketKey([7; 16]);

fn quota(millis: u64, burst: u32) -> Quota {
    Quota { interval: Duration::from_millis(millis), burst: NonZeroU32::new(burst).unwrap() }
}

fn limit(quota: Quota) -> (Local<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    // A limiter that was made later counts the same moments.
    let buckets = Arc::new(Buckets::new(1_024, clock.clone(), Counter::default()));
    clock.advance(Duration::from_millis(1_234));
    (Local::new(&buckets, quota).unwrap(), clock)
}

fn passed(left: u32, millis: u64) -> Decision {
    Decision::Passed { left, full_in: Duration::from_millis(millis) }
}

fn refused(millis: u64) -> Decision {
    Decision::Refused { wait: Duration::from_millis(millis) }
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let (limit, clock) = limit(quota(100, 3));
    assert_eq!(
        [(); 4].map(|()| limit.take(KEY)),
        [passed(2, 100), passed(1, 200), passed(0, 300), refused(100)]
    );
    clock.advance(Duration::from_millis(99));
    assert_eq!(limit.take(KEY), refused(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(limit.take(KEY), passed(0, 300));
    clock.advance(Duration::from_secs(9));
    assert_eq!(limit.take(KEY), passed(2, 100), "never more than the burst");
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (limit, _) = limit(quota(100, 2));
    limit.take(KEY);
    limit.take(KEY);
    limit.give_back(KEY);
    assert_eq!(limit.take(KEY), passed(0, 200));
    assert_eq!(limit.take(KEY), refused(100));
}

#[test]
fn limiters_of_one_table_share_its_buckets() {
    let clock = FakeRelativeClock::default();
    let buckets = Arc::new(Buckets::new(1_024, clock.clone(), Counter::default()));
    let first = Local::new(&buckets, quota(100, 2)).unwrap();
    assert_eq!(first.take(KEY), passed(1, 100));
    clock.advance(Duration::from_millis(10));
    // As after a reload.
    let second = Local::new(&buckets, quota(100, 2)).unwrap();
    assert_eq!(second.take(KEY), passed(0, 200));
    assert_eq!(second.take(KEY), refused(90));
    assert_eq!(first.take(KEY), refused(90));
}

/// A bucket of tokens, counted in nanoseconds: the same rule told another way.
struct Model {
    quota: Quota,
    tokens: u64,
    then: u64,
}

impl Model {
    fn take(&mut self, now: u64) -> bool {
        let interval = self.quota.interval_nanos();
        self.tokens = (self.tokens + now - self.then).min(self.quota.span_nanos());
        self.then = now;
        let passes = self.tokens >= interval;
        if passes {
            self.tokens -= interval;
        }
        passes
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Take,
    /// Takes one and gives it back.
    Try,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u64..3_000_000_000).prop_map(Step::Wait),
        1 => (0_u64..1_000).prop_map(Step::Wait),
        6 => Just(Step::Take),
        1 => Just(Step::Try),
    ]
}

proptest! {
    #[test]
    fn it_does_what_a_bucket_of_tokens_does(
        nanos in 1_u64..2_000_000_000,
        burst in 1_u32..20,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let quota = Quota { interval: Duration::from_nanos(nanos), burst: NonZeroU32::new(burst).unwrap() };
        let (limit, clock) = limit(quota);
        let mut model = Model { quota, tokens: quota.span_nanos(), then: 0 };
        let mut now = 0;
        for step in steps {
            match step {
                Step::Wait(nanos) => {
                    now += nanos;
                    clock.advance(Duration::from_nanos(nanos));
                }
                Step::Take => {
                    let passes = model.take(now);
                    let left = u32::try_from(model.tokens / quota.interval_nanos()).unwrap();
                    match limit.take(KEY) {
                        Decision::Passed { left: told, .. } => prop_assert_eq!((true, left), (passes, told)),
                        Decision::Refused { wait } => {
                            prop_assert!(!passes);
                            let missing = quota.interval_nanos() - model.tokens;
                            prop_assert_eq!(wait, Duration::from_nanos(missing));
                        }
                    }
                }
                Step::Try => {
                    let passes = model.take(now);
                    let decision = limit.take(KEY);
                    prop_assert_eq!(matches!(decision, Decision::Passed { .. }), passes);
                    if passes {
                        limit.give_back(KEY);
                        model.tokens += quota.interval_nanos();
                    }
                }
            }
        }
    }
}
