//! Choosing a backend among 3, 10 and 100, in every way; the aim is 200 ns at 10.

use std::{hint::black_box, time::Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nilegate::{
    config::upstream::UpstreamConfig,
    upstream::{Tried, Upstream},
};

const WAYS: [(&str, &str); 5] = [
    ("round_robin", r#""round_robin""#),
    ("random", r#""random""#),
    ("least_requests", r#""least_requests""#),
    ("peak_ewma", r#""peak_ewma""#),
    ("consistent_hash", r#"{"consistent_hash": "client_address"}"#),
];

fn config(balance: &str, backends: usize) -> UpstreamConfig {
    let backends: Vec<_> = (1..=backends).map(|n| format!(r#""10.0.0.{n}:80""#)).collect();
    let json = format!(r#"{{"backends": [{}], "balance": {balance}}}"#, backends.join(","));
    serde_json::from_str(&json).expect("a valid configuration")
}

fn select(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    for (name, balance) in WAYS {
        for backends in [3, 10, 100] {
            let upstream = Upstream::build("origin", &config(balance, backends), None).expect("it builds");
            let (tried, now) = (Tried::default(), Instant::now());
            let mut key = 0u64;
            group.bench_function(BenchmarkId::new(name, backends), |b| {
                b.iter(|| {
                    key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    black_box(upstream.select(Some(key), &tried, now))
                });
            });
        }
    }
    group.finish();
}

fn attempt(c: &mut Criterion) {
    let upstream = Upstream::build("origin", &config(r#""round_robin""#, 10), None).expect("it builds");
    let timeouts = upstream.timeouts(None);
    let (tried, now) = (Tried::default(), Instant::now());
    c.bench_function("attempt_and_peer", |b| {
        b.iter(|| {
            let attempt = upstream.attempt(None, &tried, now).expect("a backend");
            black_box(attempt.backend().peer(&timeouts))
        });
    });
}

criterion_group!(benches, select, attempt);
criterion_main!(benches);
