use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    config::{
        upstream::{EjectionConfig, HashOn},
        values::Period,
    },
    upstream::{
        backend::{InFlight, tests::backend},
        ejection::Ejection,
        hash::fnv1a,
        health::tests::mark,
    },
};

struct Bench {
    balancer: Balancer,
    set: BackendSet,
    rng: StdRng,
    now: Instant,
}

fn bench(balance: BalanceConfig, weights: &[u32]) -> Bench {
    let backends = weights.iter().enumerate().map(|(i, w)| backend(i as u16 + 1, *w)).collect();
    Bench {
        set: BackendSet::new(backends, &balance),
        balancer: Balancer::new(balance, true, None),
        rng: StdRng::seed_from_u64(7),
        now: Instant::now(),
    }
}

impl Bench {
    fn select(&mut self, key: Option<u64>, tried: &Tried) -> Option<&Arc<Backend>> {
        let ask = Selection { set: &self.set, key, tried, now: self.now };
        self.balancer.select(&ask, &mut self.rng)
    }

    /// The port chosen, which tells the backends apart.
    fn port(&mut self, key: Option<u64>) -> Option<u16> {
        self.select(key, &Tried::default()).map(|b| b.address().port())
    }

    fn counts(&mut self, selections: usize) -> Vec<usize> {
        let mut counts = vec![0; self.set.backends.len()];
        for _ in 0..selections {
            counts[self.port(None).expect("a backend") as usize - 1] += 1;
        }
        counts
    }
}

fn hashed() -> BalanceConfig {
    BalanceConfig::ConsistentHash(HashOn::Path)
}

fn every_balance() -> [BalanceConfig; 5] {
    use BalanceConfig::{LeastRequests, PeakEwma, Random, RoundRobin};
    [RoundRobin, Random, LeastRequests, PeakEwma, hashed()]
}

fn key(n: u64) -> Option<u64> {
    Some(fnv1a(&n.to_be_bytes()))
}

#[test]
fn round_robin_is_smooth() {
    let mut bench = bench(BalanceConfig::RoundRobin, &[4, 2, 1]);
    let turns: Vec<_> = (0..7).map(|_| bench.port(None).unwrap()).collect();
    assert_eq!(bench.counts(700), [400, 200, 100]);
    assert!(turns.windows(3).all(|w| w != [1, 1, 1]), "{turns:?}");
}

/// Ten each, give or take the turn that was under way.
fn assert_even(counts: &[usize]) {
    assert!(counts.iter().all(|c| (9..=11).contains(c)), "{counts:?}");
}

#[test]
fn a_backend_that_was_away_does_not_catch_up() {
    let mut bench = bench(BalanceConfig::RoundRobin, &[1, 1, 1]);
    mark(&bench.set.backends[0], false);
    assert_eq!(bench.counts(300), [0, 150, 150]);
    mark(&bench.set.backends[0], true);
    assert_even(&bench.counts(30));
}

#[test]
fn a_new_balancer_goes_on_in_step_with_the_turns() {
    let mut bench = bench(BalanceConfig::RoundRobin, &[1, 1]);
    bench.counts(1_000);
    bench.balancer = Balancer::new(BalanceConfig::RoundRobin, true, Some(&bench.balancer));
    let mut backends = bench.set.backends.clone();
    backends.push(backend(3, 1));
    bench.set = BackendSet::new(backends, &BalanceConfig::RoundRobin);
    assert_even(&bench.counts(30));
}

#[test]
fn least_requests_prefers_the_idle_for_its_weight() {
    let mut bench = bench(BalanceConfig::LeastRequests, &[1, 1, 4]);
    let busy: Vec<_> = bench.set.backends.iter().map(|b| InFlight::begin(Arc::clone(b))).collect();
    assert_eq!(bench.counts(4), [0, 0, 4], "1 of 4 is less loaded than 1 of 1");
    drop(busy);
    let counts = bench.counts(600);
    assert!(
        (395..=405).contains(&counts[2]) && counts[0].abs_diff(counts[1]) <= 1,
        "in turn, by weight: {counts:?}"
    );
}

#[test]
fn peak_ewma_avoids_the_slow_and_the_busy() {
    let mut bench = bench(BalanceConfig::PeakEwma, &[1, 1, 1]);
    let now = bench.now;
    for (backend, millis) in bench.set.backends.iter().zip([200, 10, 10]) {
        backend.observe_success(Duration::from_millis(millis), now);
    }
    let counts = bench.counts(1_000);
    assert_eq!(counts[0], 0, "it loses every comparison: {counts:?}");
    let busy: Vec<_> = (0..50).map(|_| InFlight::begin(Arc::clone(&bench.set.backends[1]))).collect();
    let counts = bench.counts(1_000);
    assert!(counts[2] > 600 && counts[1] == 0, "{counts:?}");
    drop(busy);
}

#[test]
fn few_keys_move_when_a_backend_goes() {
    let mut before = bench(hashed(), &[1; 10]);
    let keys = 10_000;
    let owners: Vec<_> = (0..keys).map(|n| before.port(key(n)).unwrap()).collect();
    let mut after = bench(hashed(), &[1; 9]);
    let moved = (0..keys).filter(|n| after.port(key(*n)) != Some(owners[*n as usize])).count();
    let orphans = owners.iter().filter(|port| **port == 10).count();
    assert_eq!(moved, orphans, "only the keys of the one that went");
    assert!((500..1_500).contains(&orphans), "{orphans}");
    // Unhealthy is gone, for as long as it lasts.
    mark(&before.set.backends[9], false);
    let agree = (0..keys).filter(|n| before.port(key(*n)) == after.port(key(*n))).count() as u64;
    assert_eq!(agree, keys);
}

#[test]
fn a_request_without_the_hashed_value_is_spread() {
    let counts = bench(hashed(), &[1, 1]).counts(1_000);
    assert!(counts.iter().all(|c| *c > 400), "{counts:?}");
}

#[test]
fn heavy_weights_keep_the_ring_small() {
    let bench = bench(hashed(), &[1000, 1000, 999]);
    let ring = bench.set.ring.as_ref().unwrap();
    assert!(ring.points <= (MAX_RING_WEIGHT as usize + 3) * 160);
    let equal = super::tests::bench(hashed(), &[1000, 1000]);
    assert_eq!(equal.set.ring.as_ref().unwrap().points, 2 * 160, "equal weights are weights of 1");
}

#[test]
fn the_order_of_resort_is_tried_then_ejected_then_none() {
    for balance in every_balance() {
        let mut bench = bench(balance.clone(), &[1, 1]);
        let [a, b] = [0, 1].map(|i| Arc::clone(&bench.set.backends[i]));
        let ejection = Ejection::new(EjectionConfig {
            consecutive_failures: 1,
            period: Period::secs(60),
            max_share: 1.0,
        });
        assert!(ejection.failed(&b, &bench.set.backends, bench.now));
        let mut tried = Tried::default();
        for n in 0..50 {
            assert_eq!(
                bench.select(key(n), &tried).unwrap().address(),
                a.address(),
                "{balance:?}: b is ejected"
            );
        }
        tried.add(&a);
        assert_eq!(
            bench.select(key(1), &tried).unwrap().address(),
            a.address(),
            "{balance:?}: tried beats ejected"
        );
        mark(&a, false);
        assert_eq!(
            bench.select(key(1), &tried).unwrap().address(),
            b.address(),
            "{balance:?}: ejected beats unhealthy"
        );
        mark(&b, false);
        assert!(bench.select(key(1), &tried).is_none(), "{balance:?}: unhealthy is never used");
        assert!(bench.select(None, &tried).is_none(), "{balance:?}");
    }
}

#[test]
fn an_empty_set_has_no_backend() {
    for balance in every_balance() {
        let mut bench = bench(balance, &[]);
        assert_eq!((bench.port(key(1)), bench.port(None)), (None, None));
    }
}

proptest! {
    /// Over any number of selections, round robin is never more than a turn or two off.
    #[test]
    fn round_robin_respects_weights(
        weights in prop::collection::vec(1u32..50, 1..8), selections in 1usize..2_000,
    ) {
        let counts = bench(BalanceConfig::RoundRobin, &weights).counts(selections);
        let total: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let share = selections as f64 * f64::from(*weight) / f64::from(total);
            prop_assert!((*count as f64 - share).abs() <= weights.len() as f64 + 1.0, "{counts:?} for {weights:?}");
        }
    }

    #[test]
    fn random_respects_weights(weights in prop::collection::vec(1u32..10, 2..6), down in any::<prop::sample::Index>()) {
        let mut bench = bench(BalanceConfig::Random, &weights);
        let down = down.index(weights.len());
        mark(&bench.set.backends[down], false);
        let counts = bench.counts(10_000);
        let total: u32 = weights.iter().enumerate().filter(|(i, _)| *i != down).map(|(_, w)| w).sum();
        for (i, (count, weight)) in counts.iter().zip(&weights).enumerate() {
            let share = if i == down { 0.0 } else { 10_000.0 * f64::from(*weight) / f64::from(total) };
            prop_assert!((*count as f64 - share).abs() <= 300.0, "{counts:?} for {weights:?} without {down}");
        }
    }

    /// Consistent hashing spreads keys by weight, within what 160 points a unit give.
    #[test]
    fn the_ring_respects_weights(weights in prop::collection::vec(1u32..6, 2..6)) {
        let mut bench = bench(hashed(), &weights);
        let mut counts: HashMap<u16, f64> = HashMap::new();
        for n in 0..5_000 {
            *counts.entry(bench.port(key(n)).unwrap()).or_default() += 1.0;
        }
        let total: u32 = weights.iter().sum();
        for (i, weight) in weights.iter().enumerate() {
            let share = 5_000.0 * f64::from(*weight) / f64::from(total);
            let count = counts.get(&(i as u16 + 1)).copied().unwrap_or_default();
            prop_assert!((0.6..1.5).contains(&(count / share)), "{counts:?} for {weights:?}");
        }
    }

    /// No way of choosing ever takes an unhealthy backend, or none while one is usable.
    #[test]
    fn an_unhealthy_backend_is_never_selected(
        health in prop::collection::vec(any::<bool>(), 1..10), keys in prop::collection::vec(any::<Option<u64>>(), 1..50),
    ) {
        for balance in every_balance() {
            let mut bench = bench(balance, &vec![1; health.len()]);
            for (backend, healthy) in bench.set.backends.iter().zip(&health) {
                mark(backend, *healthy);
            }
            for key in &keys {
                let chosen = bench.select(*key, &Tried::default()).map(|b| b.health());
                prop_assert_eq!(chosen, health.contains(&true).then_some(Health::Healthy));
            }
        }
    }
}

#[test]
fn threads_together_keep_the_weights() {
    let bench = bench(BalanceConfig::RoundRobin, &[3, 1]);
    let (set, balancer, now) = (&bench.set, &bench.balancer, bench.now);
    let first: usize = std::thread::scope(|scope| {
        let work = |seed| {
            move || {
                let (tried, mut rng) = (Tried::default(), StdRng::seed_from_u64(seed));
                let mut pick =
                    || balancer.select(&Selection { set, key: None, tried: &tried, now }, &mut rng);
                (0..4_000).filter(|_| pick().unwrap().address().port() == 1).count()
            }
        };
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(work(seed))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert!((11_980..=12_020).contains(&first), "{first} of 16000");
}
