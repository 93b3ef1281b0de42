//! Which backend takes the next attempt.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use pingora_ketama::{Bucket, Continuum};
use rand::Rng;

use super::{attempt::Tried, backend::Backend, clock, health::Health};
use crate::config::upstream::BalanceConfig;

/// Length of a turn of a backend of weight 1, in virtual time.
const TURN: u64 = 1 << 20;
/// Random draws before every backend is looked at.
const DRAWS: usize = 4;
/// Points on a hash ring, 160 for each unit of weight: larger weights are scaled down to this.
const MAX_RING_WEIGHT: u32 = 1024;

/// The backends of an upstream at one moment, with what selection needs precomputed.
pub(super) struct BackendSet {
    pub(super) backends: Vec<Arc<Backend>>,
    /// Running sums of the weights, for draws by weight.
    sums: Vec<u64>,
    ring: Option<Ring>,
}

/// Points of the backends on a circle; the next one after a key's hash serves it.
struct Ring {
    continuum: Continuum,
    index: HashMap<SocketAddr, usize, ahash::RandomState>,
    points: usize,
}

/// Why a backend is the second choice or worse; less is better, none is never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Fresh,
    Tried,
    Ejected,
    EjectedAndTried,
}

impl BackendSet {
    pub(super) fn new(backends: Vec<Arc<Backend>>, balance: &BalanceConfig) -> Self {
        let mut sum = 0;
        let sums = backends
            .iter()
            .map(|b| {
                sum += u64::from(b.weight());
                sum
            })
            .collect();
        let ring = matches!(balance, BalanceConfig::ConsistentHash(_)).then(|| Ring::new(&backends));
        Self { backends, sums, ring }
    }

    /// The first backend that fits a draw by weight.
    fn drawn(&self, rng: &mut impl Rng) -> Option<&Arc<Backend>> {
        let point = rng.random_range(0..*self.sums.last()?);
        self.backends.get(self.sums.partition_point(|sum| *sum <= point))
    }
}

impl Ring {
    fn new(backends: &[Arc<Backend>]) -> Self {
        let divisor = backends.iter().fold(0, |d, b| gcd(d, b.weight())).max(1);
        let total: u64 = backends.iter().map(|b| u64::from(b.weight() / divisor)).sum();
        let scaled = |weight: u32| match total <= u64::from(MAX_RING_WEIGHT) {
            true => weight / divisor,
            false => ((u64::from(weight / divisor) * u64::from(MAX_RING_WEIGHT) / total) as u32).max(1),
        };
        let buckets: Vec<_> = backends.iter().map(|b| Bucket::new(b.address(), scaled(b.weight()))).collect();
        let weights: u32 = backends.iter().map(|b| scaled(b.weight())).sum();
        Self {
            continuum: Continuum::new(&buckets),
            index: backends.iter().enumerate().map(|(i, b)| (b.address(), i)).collect(),
            points: weights as usize * pingora_ketama::DEFAULT_POINT_MULTIPLE as usize,
        }
    }

    /// The backends in the order of the circle, starting at the key; repeats included.
    fn walk<'a>(&'a self, key: u64, set: &'a BackendSet) -> impl Iterator<Item = &'a Arc<Backend>> {
        self.continuum
            .node_iter(&key.to_be_bytes())
            .take(self.points)
            .filter_map(|address| set.backends.get(*self.index.get(address)?))
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The compiled `balance:` of an upstream.
pub(super) struct Balancer {
    balance: BalanceConfig,
    /// Whether probes have a say.
    probed: bool,
    /// Virtual time: the start of the latest turn taken.
    time: AtomicU64,
}

/// One selection: what it must know about the request and the moment.
pub(super) struct Selection<'s, 'r> {
    pub(super) set: &'s BackendSet,
    pub(super) key: Option<u64>,
    pub(super) tried: &'r Tried,
    pub(super) now: Instant,
}

impl Balancer {
    /// A balancer that goes on where the previous one stopped: the backends
    /// carry their turns over, and time must not begin before them.
    pub(super) fn new(balance: BalanceConfig, probed: bool, previous: Option<&Self>) -> Self {
        let time = previous.map_or(0, |old| old.time.load(Relaxed));
        Self { balance, probed, time: AtomicU64::new(time) }
    }

    /// Chooses a backend: among those neither ejected nor tried for this
    /// request, else among those tried, else among those ejected. One that
    /// probes found unhealthy is never chosen.
    pub(super) fn select<'s>(&self, ask: &Selection<'s, '_>, rng: &mut impl Rng) -> Option<&'s Arc<Backend>> {
        let set = ask.set;
        let now = clock::nanos(ask.now);
        let rank = |b: &Arc<Backend>| self.rank(b, ask.tried, now);
        if let Some(backend) = self.first_try(ask, rng, |b| rank(b) == Some(Rank::Fresh)) {
            return Some(backend);
        }
        let best = set.backends.iter().filter_map(rank).min()?;
        let candidates = || set.backends.iter().filter(|b| rank(b) == Some(best));
        match (&self.balance, ask.key, &set.ring) {
            // A further attempt takes nobody's turn: two backends could otherwise
            // fall in step, so that the failing one gets every first attempt.
            (BalanceConfig::RoundRobin, ..) if !ask.tried.is_empty() => by_weight(candidates, rng),
            (BalanceConfig::RoundRobin, ..) => self.in_turn(candidates, |_| 0),
            (BalanceConfig::LeastRequests, ..) => self.in_turn(candidates, |b| u64::from(b.in_flight())),
            (BalanceConfig::PeakEwma, ..) => cheaper_of_two(candidates, ask.now, rng),
            (BalanceConfig::ConsistentHash(_), Some(key), Some(ring)) => {
                ring.walk(key, set).find(|b| rank(b) == Some(best))
            }
            (BalanceConfig::Random | BalanceConfig::ConsistentHash(_), ..) => by_weight(candidates, rng),
        }
    }

    /// Where chance or a hash chooses, the first few almost always include a
    /// fresh backend: found without looking at all of them, and as fairly.
    fn first_try<'s>(
        &self,
        ask: &Selection<'s, '_>,
        rng: &mut impl Rng,
        is_fresh: impl Fn(&Arc<Backend>) -> bool,
    ) -> Option<&'s Arc<Backend>> {
        let set = ask.set;
        match (&self.balance, ask.key, &set.ring) {
            (BalanceConfig::ConsistentHash(_), Some(key), Some(ring)) => {
                ring.walk(key, set).next().filter(|b| is_fresh(b))
            }
            (BalanceConfig::Random | BalanceConfig::ConsistentHash(_), ..) => {
                (0..DRAWS).filter_map(|_| set.drawn(rng)).find(|b| is_fresh(b))
            }
            (BalanceConfig::PeakEwma, ..) if set.backends.len() > 1 => {
                let (first, second) = two_of(set.backends.len(), rng);
                let (a, b) = (&set.backends[first], &set.backends[second]);
                (is_fresh(a) && is_fresh(b)).then(|| cheaper(a, b, ask.now))
            }
            _ => None,
        }
    }

    fn rank(&self, backend: &Backend, tried: &Tried, now: u64) -> Option<Rank> {
        if self.probed && backend.health() == Health::Unhealthy {
            return None;
        }
        Some(match (backend.ejection().is_ejected(now), tried.contains(backend.address())) {
            (false, false) => Rank::Fresh,
            (false, true) => Rank::Tried,
            (true, false) => Rank::Ejected,
            (true, true) => Rank::EjectedAndTried,
        })
    }

    /// The least loaded for its weight; among equals, the one whose turn begins first.
    ///
    /// Turns are start-time fair queueing: a backend's next turn begins where
    /// its last one ended, but not in the past, and lasts the shorter the
    /// heavier it is. That spreads smoothly by weight, needs no lock, and one
    /// that was away does not catch up in a burst.
    fn in_turn<'a, I>(
        &self,
        candidates: impl Fn() -> I,
        load: impl Fn(&Backend) -> u64,
    ) -> Option<&'a Arc<Backend>>
    where
        I: Iterator<Item = &'a Arc<Backend>>,
    {
        loop {
            let time = self.time.load(Relaxed);
            let chosen = candidates()
                .map(|b| {
                    let mark = b.vitals().turn.load(Relaxed);
                    (b, load(b), mark, mark.max(time))
                })
                .reduce(|a, b| {
                    let (load_a, load_b) = (a.1 * u64::from(b.0.weight()), b.1 * u64::from(a.0.weight()));
                    if (load_b, b.3) < (load_a, a.3) { b } else { a }
                });
            let (backend, _, mark, start) = chosen?;
            let end = start + TURN / u64::from(backend.weight());
            // Lost only to another selection of the same backend: that one made progress.
            if backend.vitals().turn.compare_exchange_weak(mark, end, Relaxed, Relaxed).is_ok() {
                self.time.fetch_max(start, Relaxed);
                return Some(backend);
            }
        }
    }
}

/// The cheaper of two drawn at random (power of two choices).
fn cheaper_of_two<'a, I>(
    candidates: impl Fn() -> I,
    now: Instant,
    rng: &mut impl Rng,
) -> Option<&'a Arc<Backend>>
where
    I: Iterator<Item = &'a Arc<Backend>>,
{
    let count = candidates().count();
    if count < 2 {
        return candidates().next();
    }
    let (first, second) = two_of(count, rng);
    // Health may change while we look: whoever is left then is taken.
    match (candidates().nth(first), candidates().nth(second)) {
        (Some(a), Some(b)) => Some(cheaper(a, b, now)),
        (a, b) => a.or(b).or_else(|| candidates().next()),
    }
}

fn cheaper<'a>(a: &'a Arc<Backend>, b: &'a Arc<Backend>, now: Instant) -> &'a Arc<Backend> {
    if b.cost(now) < a.cost(now) { b } else { a }
}

/// Two different numbers below `count`, which is at least 2.
fn two_of(count: usize, rng: &mut impl Rng) -> (usize, usize) {
    let first = rng.random_range(0..count);
    (first, (first + rng.random_range(1..count)) % count)
}

/// A draw by weight among the candidates.
fn by_weight<'a, I>(candidates: impl Fn() -> I, rng: &mut impl Rng) -> Option<&'a Arc<Backend>>
where
    I: Iterator<Item = &'a Arc<Backend>>,
{
    let total: u64 = candidates().map(|b| u64::from(b.weight())).sum();
    let mut point = rng.random_range(0..total.max(1));
    let drawn = candidates().find(|b| {
        let weight = u64::from(b.weight());
        let found = point < weight;
        point = point.saturating_sub(weight);
        found
    });
    drawn.or_else(|| candidates().next())
}

#[cfg(test)]
mod tests;
