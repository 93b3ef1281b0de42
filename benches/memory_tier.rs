//! Time of a lookup and of a store in the memory tier, by one thread and by two at once, beside
//! other engines. With two threads it is the time of a round in which each does one.

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use cache::{Engine, OTHERS, Random, STRATEGIES, Zipf, entry, key, tier};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nilegate::cache::key::EntryKey;

mod cache;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTRIES: usize = 100_000;
const KEYS: usize = 1 << 16;

fn engines(entries: usize) -> Vec<(&'static str, Box<dyn Engine>)> {
    let bytes = (entries * 1600) as u64;
    let ours = STRATEGIES.map(|(name, eviction)| (name, Box::new(tier(eviction, bytes)) as Box<dyn Engine>));
    let others = OTHERS.map(|(name, engine)| (name, engine(entries)));
    ours.into_iter().chain(others).filter(|(name, _)| *name != "moka").collect()
}

/// Runs `work(thread, iterations)` on so many threads at once.
fn timed(threads: u64, iterations: u64, work: impl Fn(u64, u64) + Sync) -> Duration {
    let barrier = Barrier::new(threads as usize);
    let run = |number: u64| {
        barrier.wait();
        let start = Instant::now();
        work(number, iterations);
        start.elapsed()
    };
    thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || run(number))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).max().unwrap_or_default()
    })
}

/// Every lookup is a hit; popular keys are common, as they are in traffic.
fn get(c: &mut Criterion) {
    let (zipf, mut random) = (Zipf::new(ENTRIES / 2, 1.0), Random(7));
    let keys: Vec<EntryKey> = (0..KEYS).map(|_| key(zipf.draw(&mut random) as u64)).collect();
    let mut group = c.benchmark_group("memory_tier/get");
    for (name, engine) in engines(ENTRIES) {
        for number in 0..ENTRIES as u64 / 2 {
            engine.put(key(number), entry(250, 1024, "api.example.org/patients/1", number));
        }
        let found = keys.iter().filter(|key| engine.get(key).is_some()).count();
        assert!(found > KEYS * 99 / 100, "{name} holds {found} of {KEYS}");
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter_custom(|iterations| {
                    timed(threads, iterations, |thread, iterations| {
                        for turn in 0..iterations {
                            let at = (turn + thread * 31_337) as usize % KEYS;
                            black_box(engine.get(&keys[at]));
                        }
                    })
                });
            });
        }
    }
    group.finish();
}

/// Every store is of a new key into a full cache, so that another entry has to go.
fn put(c: &mut Criterion) {
    let mut group = c.benchmark_group("memory_tier/put");
    for (name, engine) in engines(ENTRIES / 10) {
        let shared = entry(250, 1024, "api.example.org/patients/1", 1);
        for threads in [1, 2] {
            let mut round = 0;
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter_custom(|iterations| {
                    round += 1;
                    let first = round << 40;
                    timed(threads, iterations, |thread, iterations| {
                        for turn in 0..iterations {
                            engine.put(key(first + (thread << 36) + turn), Arc::clone(&shared));
                        }
                    })
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    targets = get, put
}
criterion_main!(benches);
