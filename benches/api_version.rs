//! What finding the version of a request costs. At most 150 ns.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use nilegate::api_version::Versions;

fn versions() -> Versions {
    let config = serde_json::json!({
        "versions": { "v1": {}, "v2": {}, "v3": {}, "v4": {} },
        "default": "v1",
        "sources": ["path", "header", "accept", "query"],
        "vendor": "nilecare",
    });
    let config = serde_json::from_value(config).expect("the section is right");
    Versions::compile(&config).expect("the section is sound")
}

/// Fields of an ordinary request, and one that matters.
fn headers(own: Option<(&'static str, &str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let ordinary = [("user-agent", "bench"), ("accept-encoding", "gzip, br"), ("authorization", "Bearer x")];
    for (name, value) in ordinary.into_iter().chain(own) {
        headers.insert(name, value.parse().expect("a field value"));
    }
    headers
}

fn find(c: &mut Criterion) {
    let versions = versions();
    let accept = "text/html;q=0.5, application/vnd.nilecare.v3+json, application/json;q=0.9";
    for (name, path, fields, query) in [
        ("path", "/api/v2/patients/17", headers(None), None),
        ("header", "/api/patients/17", headers(Some(("x-api-version", "v3"))), None),
        ("accept", "/api/patients/17", headers(Some(("accept", accept))), None),
        ("query", "/api/patients/17", headers(None), Some("limit=20&api-version=v2")),
        ("default", "/api/patients/17", headers(Some(("accept", "application/json"))), None),
    ] {
        c.bench_function(&format!("api_version/{name}"), |b| {
            b.iter(|| {
                let split = versions.split(black_box(path));
                let stated = split.as_ref().map(|split| split.stated);
                black_box(versions.find(stated, black_box(&fields), query))
            });
        });
    }
}

criterion_group!(benches, find);
criterion_main!(benches);
