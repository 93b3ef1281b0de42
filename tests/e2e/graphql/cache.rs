//! What REST clients and queries share, and what is kept of queries themselves.

use futures::future::join_all;
use http::Method;
use serde_json::json;

use super::{PATIENT, ask, clinic, data, graph, target};
use crate::harness::{Answer, Gate, Response};

const CACHE: &str = ", cache: { x_cache: true }";

async fn get(gateway: &crate::harness::Gateway, parameters: &[(&str, &str)]) -> Response {
    let client = gateway.client();
    client.get(&target(parameters)).header("Accept", "application/graphql-response+json").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rest_client_has_fetched_is_there_for_queries_and_the_reverse() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", CACHE, "").start().await;
    gateway.get("/rest/patients/1").await;
    assert_eq!(data(&ask(&gateway.client(), PATIENT).await)["patient"]["name"], "Patient 1");
    assert_eq!(origin.requests().len(), 1);
    data(&ask(&gateway.client(), "{ patient(id: 2) { name } }").await);
    let rest = gateway.get("/rest/patients/2").await;
    assert_eq!((rest.json()["name"].as_str(), rest.header("x-cache")), (Some("Patient 2"), Some("HIT")));
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_takes_what_it_changes_out_of_the_cache() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", CACHE, CACHE).start().await;
    let list = "{ patients(limit: null) { name } }";
    for _ in 0..2 {
        gateway.get("/rest/patients/1").await;
        get(&gateway, &[("query", PATIENT)]).await;
        ask(&gateway.client(), list).await;
    }
    assert_eq!(origin.requests().len(), 2, "{:?}", origin.targets());
    let answer = ask(&gateway.client(), "mutation { rename(id: 1, name: \"Ada\") { name } }").await;
    assert_eq!(data(&answer)["rename"]["name"], "Ada");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    gateway.get("/rest/patients/1").await;
    ask(&gateway.client(), list).await;
    let answer = get(&gateway, &[("query", PATIENT)]).await;
    assert_eq!(answer.header("x-cache"), Some("MISS"), "made of what has changed");
    assert_eq!(origin.targets()[2..], ["/rest/patients/1", "/rest/patients/1", "/rest/patients"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_by_get_is_kept_however_it_is_written() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    let query =
        "query P($id: ID!, $more: Boolean = false) { patient(id: $id) { name id @include(if: $more) } }";
    let first = get(&gateway, &[("query", query), ("variables", r#"{"id":"1","more":true}"#)]).await;
    assert_eq!(first.header("x-cache"), Some("MISS"));
    assert_eq!(first.header("cache-control"), Some("max-age=30"), "the schema says less than the service");
    let again = get(&gateway, &[("variables", r#"{ "more": true, "id": "1" }"#), ("query", query)]).await;
    assert_eq!((again.header("x-cache"), again.text()), (Some("HIT"), first.text()));
    assert!(again.header("age").is_some());
    let other = get(&gateway, &[("query", query), ("variables", r#"{"id":"2","more":true}"#)]).await;
    assert_eq!(other.header("x-cache"), Some("MISS"));
    assert_eq!(data(&other)["patient"]["name"], "Patient 2");
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_posts_are_not_kept() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    let missing = "{ patient(id: 1) { name } staff }";
    for _ in 0..2 {
        let answer = get(&gateway, &[("query", missing)]).await;
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "it has a field with a rule");
        assert_ne!(answer.header("x-cache"), Some("HIT"));
        assert_ne!(ask(&gateway.client(), PATIENT).await.header("x-cache"), Some("HIT"));
    }
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_ask_the_same_at_once_cause_one_set_of_calls() {
    let origin = clinic().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.script(move |request| {
        let body = match &*request.target {
            "/rest/patients?limit=2" => json!([super::patient(1), super::patient(2)]),
            _ => json!([super::owned("1"), super::owned("2")]),
        };
        Answer::ok(body.to_string()).header("Cache-Control", "max-age=60").hold(&held)
    });
    let gateway = graph(&origin, "", CACHE, "").start().await;
    let client = gateway.client();
    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            let asking = (0..100)
                .map(|_| ask(&client, "{ patients(limit: 2) { appointments { id } labOrders { id } } }"));
            join_all(asking).await
        }
    });
    origin.wait_begun(1).await;
    gate.open();
    for answer in asking.await.unwrap() {
        assert_eq!(data(&answer)["patients"].as_array().unwrap().len(), 2);
    }
    assert_eq!(origin.requests().len(), 3, "{:?}", origin.targets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_client_that_changes_something_voids_queries_made_of_it() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    get(&gateway, &[("query", PATIENT)]).await;
    assert_eq!(get(&gateway, &[("query", PATIENT)]).await.header("x-cache"), Some("HIT"));
    let client = gateway.client();
    client.request(Method::PUT, "/rest/patients/1").body(r#"{"name":"Ada"}"#).send().await;
    assert_eq!(get(&gateway, &[("query", PATIENT)]).await.header("x-cache"), Some("MISS"));
}
