//! Charging a request to the limits of its route; the aim is 100 ns for one limit of this node.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use nilegate::{
    config::rate_limit::RateLimitConfig,
    rate_limit::{Buckets, Caller, Limit, LimitSecret, RouteLimits, Scope, Stock},
    telemetry::metrics::Metrics,
};

/// The limits of a route, over a table of the default size.
fn limits(written: &[&str]) -> RouteLimits {
    let metrics = Metrics::new("0", "0").expect("metrics");
    let families = metrics.rate_limits();
    let buckets = Arc::new(Buckets::new(100_000, Default::default(), families.displaced().clone()));
    let stock = Stock { buckets, shared: None, secret: LimitSecret::new(Some("secret")) };
    let limits = written.iter().enumerate().map(|(index, text)| {
        let config: RateLimitConfig = serde_yaml::from_str(text).expect("a limit");
        let name = format!("limit-{index}");
        let scope = Scope { name: &name, route: "bench", is_named: true };
        Limit::compile(scope, &config, &stock, families.limit(&name)).expect("it compiles")
    });
    RouteLimits::new(limits.collect())
}

fn caller(address: u32) -> Caller<'static> {
    let address = Some(IpAddr::V4(Ipv4Addr::from(address)));
    Caller { address, subject: None, api_key: None, claim: &|_| None }
}

fn charge(c: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("a-tenant-of-usual-length"));
    let mut group = c.benchmark_group("charge");
    for (name, written, clients) in [
        ("route", &["{ rate: 1000000/s, by: route }"][..], 1),
        ("address", &["{ rate: 1000000/s, by: address }"], 1),
        ("10k addresses", &["{ rate: 1000000/s, by: address }"], 10_000),
        ("header", &["{ rate: 1000000/s, by: 'header:x-tenant' }"], 1),
        ("refused", &["{ rate: 1/d, by: address }"], 1),
        ("a flood of keys", &["{ rate: 1/d, burst: 9, by: address }"], u32::MAX),
        (
            "three limits",
            &[
                "{ rate: 1000000/s, by: address }",
                "{ rate: 1000000/s, by: route }",
                "{ rate: 1000000/s, by: 'header:x-tenant' }",
            ],
            10_000,
        ),
    ] {
        let limits = limits(written);
        let mut client = 0_u32;
        group.bench_function(name, |b| {
            b.iter(|| {
                client = client.wrapping_add(0x9e37_79b9);
                black_box(limits.charge(&Method::GET, &headers, &caller(client % clients)).is_ok())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, charge);
criterion_main!(benches);
