//! The mutations of the schema that is delivered: what services are sent, and what becomes of
//! their refusals.

use std::fs;

use serde_json::{Value, json};

use super::{ask, codes, data, graph, post};
use crate::harness::{Answer, Gate, Gateway, Origin, Response, gateway::Builder};

const NILECARE: &str = include_str!("../../../conf/graphql/nilecare.graphql");

const CREATE: &str = "mutation New($input: PatientInput!) { createPatient(input: $input) { id firstName } }";

/// A gateway with the delivered schema before one service.
async fn nilecare(origin: &Origin) -> Gateway {
    serving(Gateway::before(origin)).await
}

async fn serving(builder: Builder) -> Gateway {
    let builder = builder.also("graphql: { schema: schema.graphql }").routes(
        "- { name: rest, match: { path: '/api/v2/**' }, upstream: origin }\n\
             - { name: graphql, match: { path: /graphql }, graphql: {} }",
    );
    fs::write(builder.directory().join("schema.graphql"), NILECARE).unwrap();
    builder.start().await
}

async fn create(gateway: &Gateway, input: Value) -> Response {
    post(&gateway.client(), &json!({ "query": CREATE, "variables": { "input": input } })).await
}

/// A service that makes what it is asked for.
async fn willing() -> Origin {
    Origin::start(|request| {
        let mut made: Value = serde_json::from_slice(&request.body).unwrap();
        made["id"] = json!("7");
        if request.target.ends_with("appointments") {
            made["status"] = json!("SCHEDULED");
        }
        Answer::status(201).header("Content-Type", "application/json").body(made.to_string())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_call_is_the_coerced_input() {
    let origin = willing().await;
    let gateway = nilecare(&origin).await;
    let made = create(&gateway, json!({ "firstName": "Ada", "lastName": "Said", "phone": "12345" })).await;
    assert_eq!(data(&made)["createPatient"], json!({ "id": "7", "firstName": "Ada" }));
    let query = "mutation { createAppointment(input: { patientId: 7, date: \"2026-05-01\", time: \"09:30\" }) \
                 { id patientId status } }";
    let booked = post(&gateway.client(), &json!({ "query": query })).await;
    let expected = json!({ "id": "7", "patientId": "7", "status": "SCHEDULED" });
    assert_eq!(data(&booked)["createAppointment"], expected);
    let requests = origin.requests();
    let bodies: Vec<Value> =
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let patient = json!({ "name": { "given": "Ada", "family": "Said" }, "contact": { "phone": "12345" } });
    // A number for an ID is its text.
    let appointment = json!({ "patientId": "7", "date": "2026-05-01", "time": "09:30" });
    assert_eq!(bodies, [patient, appointment]);
    assert!(requests.iter().all(|request| request.method == "POST"));
    assert_eq!(origin.targets(), ["/api/v2/patients", "/api/v2/appointments"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_input_is_told_by_its_fields() {
    let origin = Origin::start(|_| {
        let problem = json!({
            "type": "about:blank", "title": "Unprocessable", "internal": "stack trace",
            "errors": [{ "field": "name.given", "message": "must not be empty", "value": "secret" }],
        });
        Answer::status(422).header("Content-Type", "application/problem+json").body(problem.to_string())
    })
    .await;
    let gateway = nilecare(&origin).await;
    let answer = create(&gateway, json!({ "firstName": "", "lastName": "Said" })).await;
    assert_eq!((answer.status, codes(&answer)), (200, vec!["BAD_USER_INPUT".to_owned()]));
    let error = &answer.json()["errors"][0];
    assert_eq!(error["path"], json!(["createPatient"]));
    assert_eq!(
        (&error["extensions"]["status"], &error["extensions"]["service"]),
        (&json!(422), &json!("patients"))
    );
    let told = &error["extensions"]["problem"];
    assert_eq!(told["errors"], json!([{ "field": "name.given", "message": "must not be empty" }]));
    assert!(!answer.text().contains("stack trace") && !answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(answer.json()["data"], json!(null), "createPatient is never null");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_not_tried_again() {
    let failing = || Origin::start(|_| Answer::status(503));
    let (one, other) = (failing().await, failing().await);
    let builder = Gateway::before_pair(&one, &other);
    let gateway =
        serving(builder.upstream("retry: { attempts: 2, on: [connect, reset, gateway_error] }")).await;
    let asked = || one.requests().len() + other.requests().len();
    let answer = create(&gateway, json!({ "firstName": "Ada", "lastName": "Said" })).await;
    assert_eq!(codes(&answer), ["UPSTREAM_ERROR"]);
    assert_eq!(asked(), 1);
    // What reads is: so it is not for lack of being asked to.
    post(&gateway.client(), &json!({ "query": "{ patient(id: 1) { id } }" })).await;
    assert_eq!(asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_not_tried_again_whatever_its_method_allows() {
    let failing = || Origin::start(|_| Answer::status(503));
    let (one, other) = (failing().await, failing().await);
    let builder = Gateway::before_pair(&one, &other)
        .upstream("retry: { attempts: 2, on: [connect, reset, gateway_error] }")
        .also(&format!(
            "auth: {{ providers: {{ staff: {{ jwt: {{ keys: {{ secret: '{}' }} }} }} }} }}",
            super::SECRET
        ))
        .also("graphql: { schema: schema.graphql }")
        .routes(
            "- { name: rest, match: { path: '/rest/**' }, upstream: origin }\n\
             - { name: graphql, match: { path: /graphql }, graphql: {} }",
        );
    fs::write(builder.directory().join("schema.graphql"), super::SCHEMA).unwrap();
    let gateway = builder.start().await;
    let asked = || one.requests().len() + other.requests().len();
    ask(&gateway.client(), "mutation { rename(id: 1, name: \"Ada\") { name } }").await;
    assert_eq!(asked(), 1, "by PUT");
    gateway.client().request(http::Method::PUT, "/rest/patients/1").body("{}").send().await;
    assert_eq!(asked(), 3, "a client's own PUT may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_seen_through_when_its_client_leaves() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |request| {
        let answer = Answer::ok("{\"id\":1,\"name\":\"Ada\"}").header("Cache-Control", "max-age=60");
        if request.target.ends_with("/2") { answer.hold(&held) } else { answer }
    })
    .await;
    let gateway = graph(&origin, "", ", cache: { x_cache: true }", "").start().await;
    gateway.get("/rest/patients").await;
    assert_eq!(gateway.get("/rest/patients").await.header("x-cache"), Some("HIT"));
    let client = gateway.client();
    let asking = tokio::spawn(async move {
        let both =
            "mutation { a: rename(id: 1, name: \"A\") { name } b: rename(id: 2, name: \"B\") { name } }";
        ask(&client, both).await
    });
    // The first has been done, the second is under way.
    origin.wait_begun(3).await;
    asking.abort();
    gate.open();
    gateway.wait_metric("proxy_requests_in_flight", &[], 0.0).await;
    assert_eq!(gateway.get("/rest/patients").await.header("x-cache"), Some("MISS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn root_fields_are_made_in_their_order() {
    let origin = willing().await;
    let gateway = nilecare(&origin).await;
    let names: Vec<String> = (0..8).map(|number| format!("P{number}")).collect();
    let fields: String = names
        .iter()
        .map(|name| {
            format!(
                "{name}: createPatient(input: {{ firstName: \"{name}\", lastName: \"x\" }}) {{ firstName }} "
            )
        })
        .collect();
    let answer = post(&gateway.client(), &json!({ "query": format!("mutation {{ {fields} }}") })).await;
    let answered = data(&answer);
    assert!(names.iter().all(|name| answered[name]["firstName"] == *name), "{answered}");
    let sent: Vec<String> = origin
        .requests()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["name"]["given"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(sent, names);
}
