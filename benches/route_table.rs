//! What finding a route costs in a table of 1,000. To stay well below 1 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use nilegate::{
    config::{
        route::{ConditionConfig, MatchConfig},
        values::OneOrMany,
    },
    routing::{Entry, RequestParts, RouteTable},
};

/// 200 services with five routes each; every second service has a host of its own.
fn routes() -> Vec<MatchConfig> {
    let mut routes = Vec::with_capacity(1000);
    for service in 0..200 {
        let host = (service % 2 == 0).then(|| OneOrMany::One(format!("service-{service}.example.com")));
        let route = |path: &str| MatchConfig {
            host: host.clone(),
            path: Some(OneOrMany::One(path.replace("NAME", &format!("service-{service}")))),
            ..MatchConfig::default()
        };
        let canary = ConditionConfig::Exact("canary".to_owned());
        let method = Some(OneOrMany::Many(vec!["PUT".to_owned(), "DELETE".to_owned()]));
        routes.push(route("/NAME/**"));
        routes.push(route("/NAME/health"));
        routes.push(route("/NAME/api/{version}/patients/{id}"));
        routes.push(MatchConfig { method, ..route("/NAME/api/{version}/patients/{id}") });
        routes.push(MatchConfig {
            headers: [("x-track".to_owned(), canary)].into(),
            ..route("/NAME/api/{version}/**")
        });
    }
    let wildcard = OneOrMany::One("*.example.com".to_owned());
    routes[0] = MatchConfig { host: Some(wildcard), ..MatchConfig::default() };
    routes[999] = MatchConfig::default();
    routes
}

fn find(criterion: &mut Criterion) {
    let routes = routes();
    let entries = routes.iter().enumerate().map(|(value, matches)| Entry { name: "route", matches, value });
    let table = RouteTable::build(entries).expect("the routes do not overlap");
    let headers: HeaderMap = [
        ("accept", "application/json"),
        ("user-agent", "bench"),
        ("accept-encoding", "gzip"),
        ("authorization", "Bearer x"),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
    .into_iter()
    .collect();
    let mut group = criterion.benchmark_group("find_1000");
    for (name, host, path, expected) in [
        ("exact", "service-100.example.com", "/service-100/health", 501),
        ("template", "service-100.example.com", "/service-100/api/v1/patients/4711", 502),
        ("template_any_host", "gateway.internal:8080", "/service-101/api/v1/patients/4711", 507),
        ("prefix_after_refusals", "Service-100.Example.com", "/service-100/api/v1/patients/1/notes/2", 500),
        ("wildcard_host", "a.b.c.example.com", "/x/y/z", 0),
        ("fallback", "other.test", "/service-101x/y/z", 999),
    ] {
        let request = RequestParts { host, path, query: None, method: &Method::GET, headers: &headers };
        assert_eq!(table.find(&request).map(|matched| *matched.value), Some(expected), "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| table.find(black_box(&request))));
    }
    group.finish();
}

criterion_group!(benches, find);
criterion_main!(benches);
