//! Documents that are named by their hash.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{PATIENT, ask, clinic, codes, data, graph, post, target};

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_sent_once_and_named_from_then_on() {
    let origin = clinic().await;
    let cached = ", cache: { x_cache: true }";
    let gateway = graph(&origin, ", persisted: { mode: automatic }", "", cached).start().await;
    let client = gateway.client();
    let hash = sha256(PATIENT);
    let by_hash = json!({ "extensions": named(&hash) });
    let unknown = post(&client, &by_hash).await;
    assert_eq!((unknown.status, codes(&unknown)), (400, vec!["PERSISTED_QUERY_NOT_FOUND".to_owned()]));
    assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound");
    data(&post(&client, &json!({ "query": PATIENT, "extensions": named(&hash) })).await);
    assert_eq!(data(&post(&client, &by_hash).await)["patient"]["name"], "Patient 1");

    let url = target(&[("extensions", &named(&hash).to_string())]);
    let first = client.get(&url).send().await;
    assert_eq!((first.status, first.header("x-cache")), (200, Some("MISS")));
    let second = client.get(&url).send().await;
    assert_eq!((second.header("x-cache"), second.text()), (Some("HIT"), first.text()));
    assert!(second.header("age").is_some());
    let written_out = client.get(&target(&[("query", PATIENT)])).send().await;
    assert_eq!(written_out.header("x-cache"), Some("HIT"), "it is the same document");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_under_a_wrong_hash_or_that_the_schema_refuses() {
    let origin = clinic().await;
    let gateway = graph(&origin, ", persisted: { mode: automatic }", "", "").start().await;
    let client = gateway.client();
    let wrong = json!({ "query": PATIENT, "extensions": named(&sha256("{ __typename }")) });
    let answer = post(&client, &wrong).await;
    assert_eq!((answer.status, codes(&answer)), (400, vec!["BAD_REQUEST".to_owned()]));
    let bad = "{ nothing }";
    post(&client, &json!({ "query": bad, "extensions": named(&sha256(bad)) })).await;
    for hash in [sha256("{ __typename }"), sha256(bad)] {
        let answer = post(&client, &json!({ "extensions": named(&hash) })).await;
        assert_eq!(codes(&answer), ["PERSISTED_QUERY_NOT_FOUND"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_documents_have_no_names_that_is_said() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let answer = post(&gateway.client(), &json!({ "extensions": named(&sha256(PATIENT)) })).await;
    assert_eq!(codes(&answer), ["PERSISTED_QUERY_NOT_SUPPORTED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_manifest_there_are_no_other_documents() {
    let origin = clinic().await;
    let builder = graph(&origin, ", persisted: { mode: manifest, file: '@dir@/manifest.json' }", "", "");
    let hash = sha256(PATIENT);
    let manifest = json!({ hash.as_str(): PATIENT }).to_string();
    std::fs::write(builder.directory().join("manifest.json"), manifest).unwrap();
    let gateway = builder.start().await;
    let client = gateway.client();
    assert_eq!(data(&post(&client, &json!({ "extensions": named(&hash) })).await)["patient"]["id"], "1");
    assert_eq!(data(&ask(&client, PATIENT).await)["patient"]["id"], "1");
    assert_eq!(codes(&ask(&client, "{ __typename }").await), ["PERSISTED_QUERY_REQUIRED"]);
    let other = json!({ "extensions": named(&sha256("{ __typename }")) });
    assert_eq!(codes(&post(&client, &other).await), ["PERSISTED_QUERY_NOT_FOUND"]);
}
