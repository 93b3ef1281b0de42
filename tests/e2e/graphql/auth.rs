//! Who may ask for what, and that nobody gets another's answer.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{SECRET, clinic, codes, graph, target};
use crate::harness::{
    Client, Response,
    tokens::{Signer, claims},
};

const FORWARD: &str = ", auth: { with: staff, mode: optional, forward: { X-User-Id: subject } }";

fn token(subject: &str, scope: &str, roles: &[&str]) -> String {
    let mut facts = claims(subject);
    facts["scope"] = json!(scope);
    facts["roles"] = json!(roles);
    format!("Bearer {}", Signer::hs256(SECRET).token(&facts))
}

async fn ask_as(client: &Client, token: &str, query: &str) -> Response {
    let body = json!({ "query": query }).to_string();
    let request = client.post("/graphql", body).header("Content-Type", "application/json");
    let request = request.header("Accept", "application/graphql-response+json");
    if token.is_empty() { request.send().await } else { request.header("Authorization", token).send().await }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_demands_a_caller_refuses_in_the_words_of_graphql() {
    let origin = clinic().await;
    let gateway =
        graph(&origin, "", "", ", auth: { with: staff, require: { all: ['scope:graph'] } }").start().await;
    let client = gateway.client();
    let missing = ask_as(&client, "", "{ __typename }").await;
    assert_eq!((missing.status, codes(&missing)), (401, vec!["UNAUTHENTICATED".to_owned()]));
    assert!(missing.header("www-authenticate").unwrap().starts_with("Bearer"), "{missing:?}");
    assert_eq!(missing.header("content-type"), Some("application/graphql-response+json; charset=utf-8"));
    let wrong = ask_as(&client, "Bearer nonsense", "{ __typename }").await;
    assert_eq!((wrong.status, codes(&wrong)), (401, vec!["UNAUTHENTICATED".to_owned()]));
    let weak = ask_as(&client, &token("ann", "other", &[]), "{ __typename }").await;
    assert_eq!((weak.status, codes(&weak)), (403, vec!["FORBIDDEN".to_owned()]));
    let good = ask_as(&client, &token("ann", "graph", &[]), "{ __typename }").await;
    assert_eq!((good.status, good.text()), (200, r#"{"data":{"__typename":"Query"}}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_denied_makes_no_call() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", ", auth: { with: staff, mode: optional }").start().await;
    let client = gateway.client();
    let query = "{ staff }";
    let anonymous = ask_as(&client, "", query).await;
    assert_eq!(codes(&anonymous), ["UNAUTHENTICATED"]);
    let weak = ask_as(&client, &token("ann", "other", &[]), query).await;
    assert_eq!(codes(&weak), ["FORBIDDEN"]);
    assert!(origin.requests().is_empty());
    let staff = ask_as(&client, &token("ann", "staff", &[]), query).await;
    assert_eq!(staff.json()["data"], json!({ "staff": "Dr. Okoro" }));
    let note = "{ patient(id: 1) { name note } }";
    let nurse = ask_as(&client, &token("ann", "", &["nurse"]), note).await;
    assert_eq!(nurse.json()["data"], json!({ "patient": { "name": "Patient 1", "note": null } }));
    assert_eq!(codes(&nurse), ["FORBIDDEN"]);
    let doctor = ask_as(&client, &token("eve", "", &["doctor"]), note).await;
    assert_eq!(doctor.json()["data"]["patient"]["note"], "allergic");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_at_the_schema_is_said_by_roles() {
    let origin = clinic().await;
    let graphql = ", introspection: { roles: [developer] }";
    let gateway = graph(&origin, graphql, "", ", auth: { with: staff, mode: optional }").start().await;
    let client = gateway.client();
    let query = "{ __schema { queryType { name } } }";
    let refused = ask_as(&client, &token("ann", "", &["nurse"]), query).await;
    assert_eq!(codes(&refused), ["INTROSPECTION_DISABLED"]);
    let allowed = ask_as(&client, &token("eve", "", &["developer"]), query).await;
    assert_eq!(allowed.json()["data"]["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_of_the_route_that_is_called_holds_too() {
    let origin = clinic().await;
    let gateway =
        graph(&origin, "", ", auth: { with: staff, require: { all: ['scope:rest'] } }", "").start().await;
    let client = gateway.client();
    let query = "{ patient(id: 1) { name } }";
    assert_eq!(codes(&ask_as(&client, "", query).await), ["UNAUTHENTICATED"]);
    assert_eq!(codes(&ask_as(&client, &token("ann", "graph", &[]), query).await), ["FORBIDDEN"]);
    assert!(origin.requests().is_empty());
    let good = ask_as(&client, &token("ann", "rest", &[]), query).await;
    assert_eq!(good.json()["data"]["patient"]["name"], "Patient 1");
    assert_eq!(good.header("cache-control"), Some("private, no-store"), "the schema says nothing of POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_of_two_callers_never_meet() {
    let origin = clinic().await;
    let cached = ", cache: { partition: 'claim:sub', x_cache: true }";
    let gateway =
        graph(&origin, "", &format!("{FORWARD}{cached}"), &format!("{FORWARD}{cached}")).start().await;
    let client = Arc::new(gateway.client());
    let url = target(&[("query", "{ me { subject } }")]);
    let callers = [("ann", token("ann", "", &[])), ("bob", token("bob", "", &[]))];
    let asked = stream::iter(0..10_000).map(|turn| {
        let (subject, token) = callers[turn % 2].clone();
        let (client, url) = (Arc::clone(&client), url.clone());
        async move {
            // Some by GET, which is kept, some by POST, whose calls are.
            let answer = if turn % 3 == 0 {
                ask_as(&client, &token, "{ me { subject } }").await
            } else {
                client.get(&url).header("Authorization", &token).send().await
            };
            assert_eq!(answer.json()["data"]["me"]["subject"], subject, "{answer:?}");
        }
    });
    asked.buffer_unordered(32).collect::<Vec<()>>().await;
    let calls = origin.requests().len();
    assert!(calls <= 4, "{calls} calls for two callers");
    let mine = client.get(&url).header("Authorization", &callers[0].1).send().await;
    assert_eq!(mine.header("x-cache"), Some("HIT"));
    assert_eq!(mine.header("cache-control"), Some("private, max-age=30"), "others' caches keep out");
}
