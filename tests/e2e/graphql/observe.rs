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
    gateway.wait_metric("http_requests_total", &[("route", "rest")], 5.0).await;
    gateway.wait_metric("http_requests_total", &[("route", "graphql")], 4.0).await;
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
    let spans = collector.wait_spans(5).await;
    let operation = spans.iter().find(|span| span.get("graphql.operation.name") == Some("Ward")).unwrap();
    assert_eq!((operation.kind, operation.get("graphql.operation.type")), (2, Some("query")));
    let calls: Vec<_> = spans.iter().filter(|span| span.parent == operation.id).collect();
    assert_eq!(calls.len(), 2, "{spans:#?}");
    assert!(calls.iter().all(|call| call.kind == 1 && call.trace == operation.trace));
    let attempts = spans.iter().filter(|span| calls.iter().any(|call| call.id == span.parent));
    assert!(attempts.clone().count() == 2 && attempts.clone().all(|attempt| attempt.kind == 3));
    let call = &origin.requests()[0];
    assert!(call.header("traceparent").unwrap().contains(&operation.trace));
}
