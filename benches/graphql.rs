//! The GraphQL engine by itself: preparing documents, and executing plans over services that
//! answer at once from memory.

use std::{collections::HashMap, hint::black_box};

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::StatusCode;
use nilegate::{
    config::graphql::GraphqlConfig,
    graphql::{Answer, Ask, CacheResult, Call, CallFailure, Caller, Engine, Fetch, Prepared, Reuse},
};
use serde_json::{Map, Value, json};
use tokio::{
    runtime::Runtime,
    time::{Duration, Instant},
};

const SDL: &str = r#"
    schema @source(name: "clinic", route: "/api") { query: Query }
    type Query {
      greet: String @rest(source: "clinic", get: "/greet")
      patient(id: ID!): Patient @rest(source: "clinic", get: "/patients/{args.id}")
      patients(limit: Int = 20): [Patient!]!
        @rest(source: "clinic", get: "/patients", query: { limit: "{args.limit}" }) @listSize(slicing: "limit", max: 100)
    }
    type Patient {
      id: ID!
      name: String!
      age: Int
      city: String
      active: Boolean
      self: Patient
      appointments: [Appointment!]! @rest(source: "clinic", get: "/appointments",
        batch: { param: "ids", value: "{parent.id}", key: "patientId", max: 100 }) @listSize(assumed: 5)
    }
    type Appointment { id: ID! patientId: ID! at: String! reason: String doctor: String status: Status }
    enum Status { SCHEDULED @wire(value: "scheduled") DONE @wire(value: "done") }
"#;

/// Answers that are there already.
struct Memory(HashMap<String, Bytes>);

#[async_trait]
impl Fetch for Memory {
    async fn fetch(&self, call: Call) -> Result<Answer, CallFailure> {
        Ok(Answer {
            status: StatusCode::OK,
            body: self.0[&call.target].clone(),
            reuse: Reuse::default(),
            cache: CacheResult::Hit,
            retry_after: None,
        })
    }
}

fn memory() -> Memory {
    let patient = |id: usize| {
        json!({"id": format!("p{id}"), "name": format!("Patient {id}"), "age": 20 + id % 60, "city": "Cairo", "active": true,
            "email": format!("p{id}@example.org"), "phone": "+20 100 000 0000"})
    };
    let patients = |count: usize| -> Value { (0..count).map(patient).collect() };
    let appointment = |id: usize, n: usize| {
        json!({"id": format!("a{id}.{n}"), "patientId": format!("p{id}"), "at": "2026-11-23T10:00:00Z", "reason": "a check",
            "doctor": "Dr Hana", "status": "scheduled"})
    };
    let appointments: Value = (0..20).flat_map(|id| (0..5).map(move |n| appointment(id, n))).collect();
    let ids: Vec<String> = (0..20).map(|id| format!("p{id}")).collect();
    let answers = [
        ("/api/greet".to_owned(), json!("hello")),
        ("/api/patients/p1".to_owned(), patient(1)),
        ("/api/patients?limit=20".to_owned(), patients(20)),
        ("/api/patients?limit=100".to_owned(), patients(100)),
        (format!("/api/appointments?ids={}", ids.join(",")), appointments),
    ];
    Memory(answers.into_iter().map(|(target, body)| (target, body.to_string().into())).collect())
}

fn engine() -> Engine {
    let config = GraphqlConfig::with_schema("bench.graphql", SDL);
    Engine::build(SDL, &config, 1).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn execute(c: &mut Criterion) {
    let (engine, memory, runtime) = (engine(), memory(), Runtime::new().expect("a runtime"));
    let none = Map::new();
    let variables = json!({"id": "p1"});
    let cases = [
        ("greet", "{ greet }", false),
        ("by id", "query ($id: ID!) { patient(id: $id) { id name age city active } }", true),
        ("100 x 5", "{ patients(limit: 100) { id name age city active } }", false),
        ("20 x 5", "{ patients(limit: 20) { id name appointments { id at reason doctor status } } }", false),
    ];
    let mut group = c.benchmark_group("execute a warm plan");
    for (name, text, with_variables) in cases {
        let Prepared::Plan(plan) = engine.prepare(text, None) else { panic!("{name} is refused") };
        let ask = Ask {
            variables: variables.as_object().filter(|_| with_variables),
            caller: Caller { is_authenticated: false, scopes: &[], roles: &[], claims: &none },
            deadline: Instant::now() + Duration::from_secs(3600),
            introspection: false,
            trace: false,
        };
        let outcome = runtime.block_on(engine.execute(&plan, &ask, &memory));
        assert!(outcome.errors.is_empty(), "{:?}", outcome.body);
        group.bench_function(name, |b| {
            b.iter(|| runtime.block_on(engine.execute(black_box(&plan), &ask, &memory)));
        });
    }
    group.finish();
}

fn prepare(c: &mut Criterion) {
    let engine = engine();
    let mut number = 0;
    let mut group = c.benchmark_group("prepare");
    let text = "query ($id: ID!) { patient(id: $id) { id name age city active } }";
    group.bench_function("a known document", |b| b.iter(|| engine.prepare(black_box(text), None)));
    group.bench_function("a new document", |b| {
        b.iter(|| {
            number += 1;
            engine.prepare(black_box(&format!("{text} # {number}")), None)
        });
    });
    for (name, text) in hostile() {
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                let prepared = engine.prepare(black_box(&format!("{text} # {number}")), None);
                assert!(matches!(prepared, Prepared::Refused(_)));
            });
        });
    }
    group.finish();
}

/// Documents that are small and mean ill.
fn hostile() -> Vec<(&'static str, String)> {
    let mut doubling = String::from("{ patient(id: 1) { ...F0 } } ");
    for level in 0..24 {
        doubling.push_str(&format!(
            "fragment F{level} on Patient {{ ...F{} ...F{} }} ",
            level + 1,
            level + 1
        ));
    }
    doubling.push_str("fragment F24 on Patient { id }");
    let cycle = "{ patient(id: 1) { ...A } } fragment A on Patient { self { ...B } } fragment B on Patient { self { ...A } }";
    vec![
        ("fragments that double", doubling),
        ("fragments in a circle", cycle.to_owned()),
        ("60 KiB of one field", format!("{{ {} }}", "greet ".repeat(10_000))),
        (
            "2,000 lists in lists",
            format!("{{ patient(id: {}{}) {{ id }} }}", "[".repeat(2_000), "]".repeat(2_000)),
        ),
        ("20,000 nested braces", format!("{}{}", "{a".repeat(20_000), "}".repeat(20_000))),
    ]
}

criterion_group!(benches, execute, prepare);
criterion_main!(benches);
