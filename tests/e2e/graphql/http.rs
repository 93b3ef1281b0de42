//! What a request must look like, and what its response is called.

use http::Method;
use serde_json::json;

use super::{PATIENT, ask, clinic, codes, data, graph, post, target};
use crate::harness::{Answer, Client, Origin};

const RESPONSE: &str = "application/graphql-response+json; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_from_rest() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let answer = ask(&gateway.client(), PATIENT).await;
    assert_eq!(data(&answer), json!({ "patient": { "id": "1", "name": "Patient 1" } }));
    assert_eq!(answer.header("content-type"), Some(RESPONSE));
    assert_eq!(answer.header("vary"), Some("Accept"));
    let call = origin.only_request();
    assert_eq!(call.target, "/rest/patients/1");
    assert_eq!(call.header("accept"), Some("application/json"));
    assert_eq!(call.header("x-request-id"), answer.header("x-request-id"), "it is the same request's");
    assert_eq!(call.header("x-forwarded-for"), Some("127.0.0.1"));
    let same = gateway.client().http2();
    assert_eq!(ask(&same, PATIENT).await.text(), answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_asked_for_at_once() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let query = "{ patients { id appointments { date } labOrders { test } } }";
    let answer = data(&ask(&gateway.client(), query).await);
    assert_eq!(answer["patients"].as_array().unwrap().len(), 20);
    assert_eq!(answer["patients"][19]["appointments"], json!([{ "date": "2026-05-01" }]));
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_has_the_media_type_that_is_wanted() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let client = gateway.client();
    let wanted = async |accept: &str, query: &str| {
        let body = json!({ "query": query }).to_string();
        let request = client.post("/graphql", body).header("Content-Type", "application/json");
        let answer = request.header("Accept", accept).send().await;
        (answer.status, answer.header("content-type").unwrap().to_owned())
    };
    for (accept, media) in [
        ("application/graphql-response+json", RESPONSE),
        ("application/json", JSON),
        ("*/*", JSON),
        ("application/json;q=0.5, application/graphql-response+json", RESPONSE),
        ("application/graphql-response+json;q=0.5, application/json", JSON),
    ] {
        assert_eq!(wanted(accept, "{ __typename }").await, (200, media.to_owned()), "{accept}");
    }
    // What is wrong with the document: the old media type has one status for all answers.
    assert_eq!(wanted("application/json", "{ nothing }").await, (200, JSON.to_owned()));
    assert_eq!(wanted("application/graphql-response+json", "{").await, (400, RESPONSE.to_owned()));
    assert_eq!(wanted("text/plain", "{ __typename }").await, (406, JSON.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_are_refused() {
    let origin = clinic().await;
    let gateway = graph(&origin, ", limits: { body: 1KiB, query: 1KiB }", "", "").start().await;
    let client = gateway.client();
    let sent = async |kind: &str, body: &str| {
        client.post("/graphql", body.to_owned()).header("Content-Type", kind).send().await
    };
    for (kind, body, status, code) in [
        ("application/json", "{ \"not", 400, "BAD_REQUEST"),
        ("application/json", "3", 400, "BAD_REQUEST"),
        ("application/json", r#"{"query":3}"#, 400, "BAD_REQUEST"),
        ("application/json", r#"{"query":"{a}","variables":[]}"#, 400, "BAD_REQUEST"),
        ("application/json", r#"[{"query":"{__typename}"}]"#, 400, "BAD_REQUEST"),
        ("text/plain", r#"{"query":"{__typename}"}"#, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("application/x-www-form-urlencoded", "query={__typename}", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ] {
        let answer = sent(kind, body).await;
        assert_eq!((answer.status, codes(&answer)), (status, vec![code.to_owned()]), "{body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let long = json!({ "query": format!("{{ a{} }}", "a".repeat(2000)) }).to_string();
    let answer = sent("application/json", &long).await;
    assert_eq!((answer.status, codes(&answer)), (413, vec!["PAYLOAD_TOO_LARGE".to_owned()]));
    for (method, allow) in [(Method::PUT, "GET, HEAD, POST"), (Method::DELETE, "GET, HEAD, POST")] {
        let answer = client.request(method, "/graphql").send().await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
    }
    let mutation = target(&[("query", "mutation { rename(id: 1, name: \"x\") { id } }")]);
    let answer = client.get(&mutation).send().await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_eq!(codes(&answer), ["METHOD_NOT_ALLOWED"]);
    assert!(origin.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_operations_come_in_a_list_where_that_is_allowed() {
    let origin = clinic().await;
    let gateway = graph(&origin, ", limits: { batch: 2 }", "", "").start().await;
    let client = gateway.client();
    let query = json!({ "query": PATIENT });
    let answer = post(&client, &json!([query, { "query": "{ nothing }" }])).await;
    assert_eq!(answer.status, 200);
    let items = answer.json();
    assert_eq!(items[0]["data"]["patient"]["id"], "1");
    assert_eq!(items[1]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    for list in [json!([]), json!([query, query, query])] {
        assert_eq!(post(&client, &list).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_a_listener_of_its_own() {
    let origin = clinic().await;
    let port = crate::harness::ports::Port::free();
    let gateway =
        graph(&origin, "", "", "").process("graphql", "{ address: '@own@' }").set("own", &port).start().await;
    let own = Client::new(port.address());
    let body = json!({ "query": PATIENT }).to_string();
    for path in ["/", "/graphql", "/any/thing"] {
        let answer = own.post(path, body.clone()).header("Content-Type", "application/json").send().await;
        assert_eq!(data(&answer)["patient"]["id"], "1");
    }
    let answer = own.get("/rest/patients/1").send().await;
    assert_eq!(answer.status, 400, "REST is not served there: {answer:?}");
    assert_eq!(gateway.get("/rest/patients/1").await.status, 200);
    gateway.wait_metric("http_requests_total", &[("route", "graphql")], 4.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_leads_to_another_ends() {
    let origin = clinic().await;
    let builder = graph(&origin, "", "", "");
    let schema = super::SCHEMA.replace("route: \"/rest\"", "route: \"/graphql\"");
    std::fs::write(builder.directory().join("schema.graphql"), schema).unwrap();
    let gateway =
        builder.routes("- { name: graphql, match: { path: '/graphql/**' }, graphql: {} }").start().await;
    let answer = ask(&gateway.client(), PATIENT).await;
    assert_eq!(codes(&answer), ["UPSTREAM_UNAVAILABLE"]);
    assert_eq!(answer.json()["data"], json!({ "patient": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_answer_under_many_names_is_bounded() {
    let name = "x".repeat(40_000);
    let origin = Origin::start(move |_| Answer::ok(format!("{{\"id\":1,\"name\":\"{name}\"}}"))).await;
    let gateway = graph(&origin, ", limits: { answer: 100KiB, answers: 100KiB }", "", "").start().await;
    let many: String = (0..10).map(|number| format!("p{number}: patient(id: 1) {{ name }} ")).collect();
    let answer = ask(&gateway.client(), &format!("{{ {many} }}")).await;
    assert!(answer.text().len() < 150_000, "{}", answer.text().len());
    assert!(codes(&answer).iter().all(|code| code == "QUERY_TOO_COMPLEX"), "{:?}", codes(&answer));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_less_than_nothing_is_not_asked_for() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", "").start().await;
    let answer = ask(&gateway.client(), "{ patients(limit: -1) { name } }").await;
    assert_eq!(codes(&answer), ["BAD_USER_INPUT"]);
    assert_eq!(origin.requests().len(), 0);
}
