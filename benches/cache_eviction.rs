//! Hit ratios of every strategy of the memory tier, of other engines and of the best possible
//! choice (Belady's MIN, which knows the future), on generated traffic. Entries are of one
//! size, because the other engines are compared by number. Prints a Markdown table.
#![allow(clippy::print_stdout, reason = "a bench reports to the terminal")]

use std::{collections::BinaryHeap, thread};

use cache::{Engine, OTHERS, Random, STRATEGIES, Zipf, entry, key, tier};
use nilegate::{
    cache::{entry::StoredEntry, key::EntryKey},
    config::cache::Eviction,
};

mod cache;

const UNIVERSE: usize = 100_000;
const REQUESTS: usize = 1_000_000;
/// Requests that warm up and are not counted.
const WARM_UP: usize = REQUESTS / 5;
/// Objects that only scans ask for come after the universe.
const SCANNED: usize = 1_000_000;
/// Lifetimes that objects have, in requests; there are 100 a second.
const LIFETIMES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

fn main() {
    println!("| traffic | cache | optimal | {} |", names().join(" | "));
    println!("|---|---|---|{}", "---|".repeat(names().len()));
    let rows: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = WORKLOADS.iter().map(|load| scope.spawn(|| rows(*load))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    for row in rows.into_iter().flatten() {
        println!("{row}");
    }
}

type Workload = (&'static str, fn(&mut Random) -> Vec<usize>);

const WORKLOADS: [Workload; 4] = [
    ("Zipf 0.8", |random| zipf(random, 0.8)),
    ("Zipf 1.0", |random| zipf(random, 1.0)),
    ("Zipf 1.0 with scans", scan_mixed),
    ("Zipf 1.0, popularity shifting", shifting),
];

fn names() -> Vec<&'static str> {
    STRATEGIES.iter().map(|(name, _)| *name).chain(OTHERS.iter().map(|(name, _)| *name)).collect()
}

fn zipf(random: &mut Random, exponent: f64) -> Vec<usize> {
    let zipf = Zipf::new(UNIVERSE, exponent);
    (0..REQUESTS).map(|_| zipf.draw(random)).collect()
}

/// A fifth of the requests walk through objects that nobody else asks for, 10,000 in a row.
fn scan_mixed(random: &mut Random) -> Vec<usize> {
    let zipf = Zipf::new(UNIVERSE, 1.0);
    let mut scanned = 0;
    let request = |turn: usize| {
        if turn % 50_000 >= 40_000 {
            scanned += 1;
            UNIVERSE + scanned % SCANNED
        } else {
            zipf.draw(random)
        }
    };
    (0..REQUESTS).map(request).collect()
}

/// Every 100,000 requests each object takes the rank of one 5,000 places away.
fn shifting(random: &mut Random) -> Vec<usize> {
    let zipf = Zipf::new(UNIVERSE, 1.0);
    (0..REQUESTS).map(|turn| (zipf.draw(random) + turn / 100_000 * 5_000) % UNIVERSE).collect()
}

fn rows((name, generate): Workload) -> Vec<String> {
    let requests = generate(&mut Random(42));
    let row = |percent: usize| {
        let entries = UNIVERSE * percent / 100;
        let mut ratios = vec![optimal(&requests, entries)];
        for (_, eviction) in STRATEGIES {
            ratios.push(replay(&tier(eviction, capacity(eviction, entries)), &requests));
        }
        for (_, engine) in OTHERS {
            ratios.push(replay(&*engine(entries), &requests));
        }
        let ratios: Vec<_> = ratios.iter().map(|ratio| format!("{:.1}", 100.0 * ratio)).collect();
        format!("| {name} | {percent} % | {} |", ratios.join(" | "))
    };
    vec![row(1), row(10)]
}

/// The ratio of hits among the requests after the warm-up.
fn replay(engine: &dyn Engine, requests: &[usize]) -> f64 {
    let mut hits = 0;
    for (turn, object) in requests.iter().enumerate() {
        let key = key(*object as u64);
        if engine.get(&key).is_some() {
            hits += usize::from(turn >= WARM_UP);
        } else {
            engine.put(key, stored(&key, turn));
        }
        if turn % 100 == 0 {
            engine.settle();
        }
    }
    ratio(hits)
}

fn stored(key: &EntryKey, turn: usize) -> std::sync::Arc<StoredEntry> {
    let EntryKey([byte, ..]) = key;
    entry(0, 0, "", 10 * (turn as u64 + LIFETIMES[usize::from(byte % 4)]))
}

fn ratio(hits: usize) -> f64 {
    hits as f64 / (REQUESTS - WARM_UP) as f64
}

/// The bytes in which just so many of our entries have room, upkeep after some churn included.
fn capacity(eviction: Eviction, entries: usize) -> u64 {
    let held = |capacity: u64| {
        let tier = tier(eviction, capacity);
        (0..8 * entries).for_each(|number| tier.put(key(number as u64), entry(0, 0, "", number as u64)));
        tier.stats().entries
    };
    let (mut low, mut high) = (0, 1000 * entries as u64);
    while high - low > 256 {
        let middle = u64::midpoint(low, high);
        if held(middle) > entries { high = middle } else { low = middle }
    }
    assert!(held(low) > entries * 95 / 100, "{eviction:?}: a fair number of entries");
    low
}

/// The ratio of one who evicts, or does not even admit, what is asked for furthest ahead.
fn optimal(requests: &[usize], entries: usize) -> f64 {
    const NEVER: usize = usize::MAX;
    let mut next = vec![NEVER; requests.len()];
    let mut seen = vec![NEVER; UNIVERSE + SCANNED];
    for (turn, object) in requests.iter().enumerate().rev() {
        next[turn] = std::mem::replace(&mut seen[*object], turn);
    }
    // What is in the cache, by its next use; what the heap holds beside that is outdated.
    let mut held = vec![None; UNIVERSE + SCANNED];
    let mut heap = BinaryHeap::new();
    let (mut count, mut hits) = (0, 0);
    for (turn, object) in requests.iter().enumerate() {
        if held[*object].is_some() {
            hits += usize::from(turn >= WARM_UP);
        } else {
            count += 1;
        }
        held[*object] = Some(next[turn]);
        heap.push((next[turn], *object));
        while count > entries {
            let Some((next, furthest)) = heap.pop() else { break };
            if held[furthest] == Some(next) {
                held[furthest] = None;
                count -= 1;
            }
        }
    }
    ratio(hits)
}
