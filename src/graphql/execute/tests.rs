//! Tests of executing plans.

mod access;
mod failures;
mod world;

use serde_json::{Value, json};
use world::{CLINIC, World, clinic, clinic_world, errors};

const BATCHED: &str = "{ id appointments { id } medications { id } labOrders { id } }";
const UNBATCHED: &str = "{ id slowAppointments { id } slowMedications { id } slowLabs { id } }";

/// Calls without their order.
fn sorted(mut calls: Vec<String>) -> Vec<String> {
    calls.sort();
    calls
}

#[tokio::test]
async fn three_batched_fields_of_many_parents_are_four_calls() {
    for limit in [20, 100] {
        let world = clinic_world();
        let response = world.respond(&format!("{{ patients(limit: {limit}) {BATCHED} }}")).await;
        assert_eq!(response["errors"], Value::Null);
        assert_eq!(world.calls().len(), 4, "{:?}", world.calls());
        let patients = response["data"]["patients"].as_array().unwrap();
        assert_eq!(patients.len(), limit);
        for (number, patient) in patients.iter().enumerate() {
            let own = json!([{"id": format!("{number}.0")}, {"id": format!("{number}.1")}]);
            assert_eq!([&patient["appointments"], &patient["medications"], &patient["labOrders"]], [&own; 3]);
        }
    }
}

#[tokio::test]
async fn keys_are_written_as_the_batch_says() {
    let world = clinic_world();
    world.respond(&format!("{{ patients(limit: 3) {BATCHED} }}")).await;
    let expected = [
        "GET /api/appointments?ids=0,1,2",
        "GET /api/medications?ids=0&ids=1&ids=2",
        "GET /api/patients?limit=3",
        "POST /api/labs/search",
    ];
    assert_eq!(sorted(world.calls()), expected);
    assert_eq!(world.bodies(), [json!({"ids": ["0", "1", "2"]})]);
}

#[tokio::test]
async fn a_batch_is_split_at_its_maximum() {
    let world = World::new(&CLINIC.replace("max: 100 })", "max: 8 })"), clinic);
    let response = world.respond("{ patients(limit: 20) { appointments { id } } }").await;
    assert_eq!(world.calls().len(), 4);
    assert_eq!(response["data"]["patients"][19]["appointments"][1]["id"], "19.1");
}

#[tokio::test]
async fn without_batches_no_call_is_made_twice_and_only_so_many_at_once() {
    let world = clinic_world();
    world
        .respond(&format!("{{ patients(limit: 20) {UNBATCHED} again: patients(limit: 20) {UNBATCHED} }}"))
        .await;
    let calls = sorted(world.calls());
    let mut distinct = calls.clone();
    distinct.dedup();
    assert_eq!(calls, distinct);
    assert_eq!(calls.len(), 61);
    assert_eq!(world.most_at_once(), 16);
}

#[tokio::test]
async fn a_source_may_allow_fewer_calls_at_once() {
    let world = World::new(&CLINIC.replace("route: \"/api\"", "route: \"/api\", maxConcurrent: 3"), clinic);
    world.respond(&format!("{{ patients(limit: 20) {UNBATCHED} }}")).await;
    assert_eq!(world.most_at_once(), 3);
}

#[tokio::test]
async fn identical_calls_of_different_levels_are_one() {
    let world = clinic_world();
    let query = "{ patient(id: 1) { clinic { name } appointments { patient { id name clinic { name } } } } }";
    let response = world.respond(query).await;
    assert_eq!(response["data"]["patient"]["appointments"][0]["patient"]["clinic"]["name"], "Nile");
    let expected = ["GET /api/appointments?ids=1", "GET /api/clinic", "GET /api/patients/1"];
    assert_eq!(sorted(world.calls()), expected);
}

#[tokio::test]
async fn mutations_run_one_after_the_other_and_are_never_merged() {
    let world = clinic_world();
    let query = r#"mutation {
        b: createPatient(input: { name: "B", ssn: 1 }) { id clinic { name } }
        a: createPatient(input: { name: "B", ssn: 1 }) { clinic { name } }
    }"#;
    let outcome = world.outcome(query, json!({})).await;
    let body: Value = serde_json::from_slice(&outcome.body).unwrap();
    assert_eq!(body["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["b", "a"]);
    let expected = ["POST /api/patients", "GET /api/clinic", "POST /api/patients", "GET /api/clinic"];
    assert_eq!(world.calls(), expected);
    assert_eq!(outcome.invalidated, ["/api/patients", "/api/patients/1", "/api/patients", "/api/patients/1"]);
    assert!(outcome.cache.no_store);
}

#[tokio::test]
async fn the_body_of_a_mutation_is_its_coerced_input() {
    let world = clinic_world();
    let query = "mutation ($in: NewPatient!) { createPatient(input: $in) { id name } }";
    let outcome = world.outcome(query, json!({"in": {"name": "N", "ssn": 12, "age": 4.0}})).await;
    assert!(outcome.errors.is_empty());
    assert_eq!(world.bodies(), [json!({"name": "N", "ssn": "12", "age": 4, "tags": []})]);
}

#[tokio::test]
async fn an_operation_that_costs_too_much_makes_no_call() {
    let mut world = clinic_world();
    // The list, and 20 times an object with three lists of five things.
    let query = format!("{{ patients {BATCHED} }}");
    world.limits.cost = 60;
    let outcome = world.outcome(&query, json!({})).await;
    assert_eq!((outcome.started, outcome.cost), (false, 61));
    assert!(world.calls().is_empty());
    world.limits.cost = 61;
    assert!(world.outcome(&query, json!({})).await.started);
}

#[tokio::test]
async fn a_list_that_is_asked_to_be_too_long_makes_no_call() {
    let world = clinic_world();
    let outcome = world.outcome("query ($n: Int) { patients(limit: $n) { id } }", json!({"n": 101})).await;
    let body: Value = serde_json::from_slice(&outcome.body).unwrap();
    assert_eq!(errors(&body)[0].1, "BAD_USER_INPUT");
    assert!(!outcome.started && world.calls().is_empty());
}

#[tokio::test]
async fn the_trace_names_each_call_once() {
    let mut world = clinic_world();
    world.trace = true;
    let response = world.respond("{ patients(limit: 3) { id appointments { id } } }").await;
    let calls = response["extensions"]["trace"]["calls"].as_array().unwrap();
    let told: Vec<_> = calls.iter().map(|call| (&call["field"], &call["parents"], &call["status"])).collect();
    assert_eq!(
        told,
        [
            (&json!("patients"), &json!(1), &json!(200)),
            (&json!("patients.appointments"), &json!(3), &json!(200))
        ]
    );
    assert_eq!(response["extensions"]["cost"]["requested"], 4);
}
