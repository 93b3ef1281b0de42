//! What it costs to bring a JSON body from one version to another, in microseconds.
//!
//! `cargo bench --bench mapping`. The goal: 10 KB with ten rules within 60 µs. For
//! comparison, what `serde_json` takes to read and write the same body into a tree of its
//! own, without any rule: it would also rewrite numbers and escapes, keep nothing of the
//! layout, and let repeated members pass.

use std::{fmt::Write, hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nilegate::mapping::{Mapping, Transform};
use serde_json::Value;

const RULES: &str = r#"
from: v1
to: v2
request:
  - rename: { first_name: firstName, last_name: lastName }
  - move: { from: /contact/email, to: /email }
  - drop: [/internal, "/visits/*/debug"]
  - default: { /status: active }
  - set: { /apiVersion: v2 }
  - enum: { at: /sex, map: { M: MALE, F: FEMALE }, otherwise: { value: UNKNOWN } }
  - wrap: { fields: [street, city, zip], into: address }
  - split: { from: /insurer, by: "/", into: [/insurance/name, /insurance/plan] }
  - date: { at: /dob, from: "%d/%m/%Y", to: date }
  - each: { at: /visits, do: [{ rename: { when: date } }, { convert: { at: cost, to: string } }] }
"#;

/// A patient with visits, 10 KB.
fn body() -> String {
    let mut body = String::from(
        r#"{"id": 4711, "first_name": "Ada", "last_name": "Lovelace", "sex": "F", "dob": "10/12/1815",
 "contact": {"email": "ada@example.org", "phone": "+44 1"}, "street": "St James's Square 12",
 "city": "London", "zip": "SW1Y", "insurer": "Analytical/Gold", "internal": {"shard": 7}, "visits": ["#,
    );
    for number in 0.. {
        write!(
            body,
            "{}{{\"id\": {number}, \"when\": \"2026-01-{:02}T10:00:00Z\", \"cost\": {number}.50, \"ward\": \"A\\u00e9{number}\", \
             \"notes\": [\"stable\", \"no fever\", \"discharged in the afternoon\"], \"debug\": null}}",
            if number == 0 { "" } else { ", " },
            number % 28 + 1,
        )
        .expect("writing to a string");
        if body.len() > 10_000 {
            break;
        }
    }
    body.push_str("]}");
    body
}

fn transform(rules: &str) -> Transform {
    let config = serde_yaml::from_str(rules).expect("rules that can be read");
    let mapping = Mapping::compile(&config).expect("rules that compile");
    Transform::chain([Arc::clone(&mapping.up)]).expect("a transform")
}

fn mapping(c: &mut Criterion) {
    let body = body();
    let ten = transform(RULES);
    let shallow = transform("{ from: v1, to: v2, request: [{ rename: { first_name: firstName } }] }");
    let mut group = c.benchmark_group("mapping of 10 KB");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("ten rules", |b| b.iter(|| ten.apply(black_box(body.as_bytes()))));
    group.bench_function("one rule at the top", |b| b.iter(|| shallow.apply(black_box(body.as_bytes()))));
    group.bench_function("ten rules, three versions", |b| {
        let back =
            "{ from: v2, to: v3, request: [{ rename: { firstName: given } }, { drop: /address/zip }] }";
        let mapping =
            |rules| Mapping::compile(&serde_yaml::from_str(rules).expect("rules")).expect("a mapping");
        let chain = Transform::chain([mapping(RULES).up, mapping(back).up]).expect("a chain");
        b.iter(|| chain.apply(black_box(body.as_bytes())));
    });
    group.bench_function("serde_json, no rule", |b| {
        b.iter_batched(
            || body.clone().into_bytes(),
            |body| {
                let value: Value = serde_json::from_slice(&body).expect("JSON");
                serde_json::to_vec(&value)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, mapping);
criterion_main!(benches);
