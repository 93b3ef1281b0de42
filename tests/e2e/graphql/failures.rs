//! A service that fails takes no more with it than its own fields.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{SCHEMA, ask, clinic, codes, data, post};
use crate::harness::{Answer, Gate, Gateway, Origin, gateway::Builder};

/// Patients from one service, all else from another.
fn split(patients: &Origin, others: &str, keys: &str, graphql: &str) -> Builder {
    let builder = Gateway::new().set("patients", patients).set("others", others).traffic(&format!(
        "upstreams:
  patients: {{ backends: ['@patients@'] }}
  others: {{ backends: ['@others@'], timeouts: {{ connect: 1s, first_byte: 1s }}{keys} }}
graphql: {{ schema: schema.graphql{graphql} }}
routes:
  - {{ name: patients, match: {{ path: '/rest/patients/**' }}, upstream: patients }}
  - {{ name: others, match: {{ path: '/rest/**' }}, upstream: others }}
  - {{ name: graphql, match: {{ path: /graphql }}, graphql: {{}} }}"
    ));
    std::fs::write(builder.directory().join("schema.graphql"), SCHEMA).unwrap();
    builder
}

const BOTH: &str = "{ patients(limit: 2) { name appointments { id } } }";

fn expected() -> Value {
    json!({ "patients": [
        { "name": "Patient 1", "appointments": null },
        { "name": "Patient 2", "appointments": null },
    ] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_leaves_the_others_alone() {
    let patients = clinic().await;
    let gone = crate::harness::ports::Port::free();
    let gateway = split(&patients, &gone.to_string(), "", "").start().await;
    let answer = ask(&gateway.client(), BOTH).await;
    assert_eq!((answer.status, answer.json()["data"].clone()), (200, expected()));
    assert_eq!(codes(&answer), ["UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"]);
    assert_eq!(answer.json()["errors"][1]["path"], json!(["patients", 1, "appointments"]));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_answers_without_asking() {
    let (patients, others) = (clinic().await, Origin::start(|_| Answer::status(503)).await);
    let breaker = ", circuit_breaker: { min_requests: 1, open_for: 60s }";
    let gateway = split(&patients, &others.to_string(), breaker, "").start().await;
    ask(&gateway.client(), BOTH).await;
    let asked = others.requests().len();
    let answer = ask(&gateway.client(), BOTH).await;
    assert_eq!(codes(&answer)[0], "UPSTREAM_UNAVAILABLE");
    assert_eq!(others.requests().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_has_so_much_time() {
    let gate = Gate::closed();
    let held = gate.clone();
    let (patients, others) = (clinic().await, Origin::start(move |_| Answer::ok("[]").hold(&held)).await);
    let gateway = split(&patients, &others.to_string(), "", ", deadline: 200ms").start().await;
    let begun = Instant::now();
    let answer = ask(&gateway.client(), BOTH).await;
    assert_eq!((answer.status, answer.json()["data"].clone()), (200, expected()));
    assert!(begun.elapsed() < Duration::from_secs(10), "it did not wait for the service");
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_null_without_an_error() {
    let origin = clinic().await;
    let gateway = super::graph(&origin, "", "", "").start().await;
    let answer = ask(&gateway.client(), "{ patient(id: 100) { name } }").await;
    assert_eq!(data(&answer), json!({ "patient": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_refuses_is_bad_input() {
    let origin = Origin::start(|_| {
        Answer::status(422).header("Content-Type", "application/problem+json").body(
            r#"{"title":"Unprocessable Content","errors":[{"field":"name","message":"must not be empty"}]}"#,
        )
    })
    .await;
    let gateway = super::graph(&origin, "", "", "").start().await;
    let mutation = "mutation R($name: String!) { rename(id: 1, name: $name) { id } }";
    let answer = post(&gateway.client(), &json!({ "query": mutation, "variables": { "name": "" } })).await;
    assert_eq!(codes(&answer), ["BAD_USER_INPUT"]);
    let call = origin.only_request();
    assert_eq!((call.method.as_str(), &*call.body), ("PUT", &br#"{"name":""}"#[..]));
    assert_eq!(call.header("content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_calls_made_for_it() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |_| Answer::ok("[]").hold(&held)).await;
    let gateway = super::graph(&origin, "", "", "").start().await;
    let client = gateway.client();
    let asking = tokio::spawn(async move { ask(&client, "{ patients { name } }").await });
    origin.wait_begun(1).await;
    asking.abort();
    gateway.wait_metric("proxy_requests_in_flight", &[], 0.0).await;
    gateway.wait_for_log("the operation", |line| line["error"] == "client_abort").await;
    gate.open();
}
