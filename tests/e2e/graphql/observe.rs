//! What is told of operations and of the calls made for them.

use serde_json::json;

use super::{ask, clinic, graph, post};
use crate::{harness::Collector, tracing::exporting};

#[tokio::test(flavor = "multi_thread")]
async fn operations_and_their_calls_are_counted_and_logged() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", ", cache: {}", "").start().await;
    let client = gateway.client();
    let query = "query Ward { patients(limit: 2) { name appointments { id } } }";
    ask(&client, query).await;
    ask(&client, query).await;
    ask(&client, "{ nothing }").await;
    ask(
        &client,
        "{ patient(id: 1) { a: id b: id c: id d: id e: id f: id g: id h: id i: id j: id k: id l: id \
                  m: id n: id o: id p: id } }",
    )
    .await;
    let variables =
        json!({ "query": "query P($id: ID!) { patient(id: $id) { id } }", "variables": { "id": "77" } });
    post(&client, &variables).await;
    let ward = [("operation", "Ward"), ("operation_type", "query"), ("result", "ok")];
    gateway.wait_metric("graphql_operations_total", &ward, 2.0).await;
    gateway.wait_metric("graphql_operation_subrequests_sum", &[], 5.0).await;
    gateway.wait_metric("graphql_batch_size_count", &[], 5.0).await;
    gateway.wait_metric("graphql_subrequests_total", &[("upstream", "rest"), ("result", "hit")], 2.0).await;
    gateway.wait_metric("graphql_query_complexity_count", &[], 3.0).await;
    gateway.wait_metric("graphql_errors_total", &[("code", "GRAPHQL_VALIDATION_FAILED")], 1.0).await;
    gateway.wait_metric("graphql_rejected_total", &[("reason", "GRAPHQL_VALIDATION_FAILED")], 1.0).await;
    gateway.wait_metric("graphql_rejected_total", &[("reason", "aliases")], 1.0).await;
    gateway.wait_metric("graphql_plan_cache_lookups_total", &[("result", "hit")], 1.0).await;
    gateway.wait_metric("graphql_plan_cache_lookups_total", &[("result", "miss")], 4.0).await;
    gateway.wait_metric("graphql_plan_cache_entries", &[], 4.0).await;
    gateway.wait_metric("graphql_fields_total", &[("field", "Patient.name")], 2.0).await;
    let appointments = [("field", "Patient.appointments")];
    gateway.wait_metric("graphql_resolver_duration_seconds_count", &appointments, 2.0).await;
    gateway.wait_metric("http_requests_total", &[("route", "rest")], 5.0).await;
    gateway.wait_metric("http_requests_total", &[("route", "graphql")], 5.0).await;
    gateway.wait_for_log("the calls", |line| line["route"] == "rest" && line["internal"] == true).await;
    gateway
        .wait_for_log("the operation", |line| {
            line["graphql_operation"] == "Ward" && line["graphql"] == "query"
        })
        .await;
    let lines = gateway.access_log();
    let operation = lines.iter().find(|line| line["graphql_operation"] == "Ward").unwrap();
    let call = lines.iter().find(|line| line["internal"] == true).unwrap();
    assert_eq!(operation["request_id"], call["request_id"]);
    assert_eq!(operation.get("internal"), None);
    let text = format!("{lines:?}");
    assert!(!text.contains("\"77\""), "no variable is written down: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_spans_below_their_operation() {
    let (origin, collector) = (clinic().await, Collector::grpc().await);
    let gateway = exporting(graph(&origin, "", "", ""), &collector, "sampling: { ratio: 1 }").start().await;
    ask(&gateway.client(), "query Ward { patients(limit: 2) { name appointments { id } } }").await;
    let spans = collector.wait_spans(9).await;
    let operation = spans.iter().find(|span| span.get("graphql.operation.name") == Some("Ward")).unwrap();
    assert_eq!((operation.kind, operation.get("graphql.operation.type")), (2, Some("query")));
    let below: Vec<_> = spans.iter().filter(|span| span.parent == operation.id).collect();
    assert!(below.iter().all(|span| span.kind == 1 && span.trace == operation.trace));
    let (calls, steps): (Vec<_>, Vec<_>) =
        below.into_iter().partition(|span| span.get("graphql.field.path").is_some());
    let mut paths: Vec<_> = calls.iter().filter_map(|call| call.get("graphql.field.path")).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["patients", "patients.appointments"], "{spans:#?}");
    let mut names: Vec<_> = steps.iter().map(|step| &*step.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["graphql.execute", "graphql.parse", "graphql.plan", "graphql.validate"]);
    let attempts = spans.iter().filter(|span| calls.iter().any(|call| call.id == span.parent));
    assert!(attempts.clone().count() == 2 && attempts.clone().all(|attempt| attempt.kind == 3));
    let call = &origin.requests()[0];
    assert!(call.header("traceparent").unwrap().contains(&operation.trace));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_id_that_the_log_has() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let client = gateway.client();
    for (number, query) in
        ["{ nothing }", "{ staff }", "{ __schema { __typename } }", "{ patient(id: 1) { note } }"]
            .iter()
            .enumerate()
    {
        let answer = ask(&client, query).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        let body = answer.json();
        let errors = body["errors"].as_array().unwrap();
        assert!(
            !errors.is_empty() && errors.iter().all(|error| error["extensions"]["requestId"] == id),
            "{body}"
        );
        gateway.wait_for_log(&format!("request {number}"), |line| line["request_id"] == id).await;
    }
    let malformed = client.post("/graphql", "{").header("Content-Type", "application/json").send().await;
    let id = malformed.header("x-request-id").unwrap().to_owned();
    assert_eq!(malformed.json()["errors"][0]["extensions"]["requestId"], id);
}
