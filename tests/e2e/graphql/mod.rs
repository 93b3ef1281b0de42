//! GraphQL over REST: one graph, calls through the gateway's own routes.

mod auth;
mod cache;
mod failures;
mod http;
mod lifecycle;
mod observe;
mod persisted;

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Gateway, Origin, Response, gateway::Builder};

/// The schema of these stories.
const SCHEMA: &str = include_str!("schema.graphql");

/// A secret long enough that nobody warns of it.
const SECRET: &str = "a shared secret of some thirty-two bytes";

/// What of a patient the stories look at.
const PATIENT: &str = "{ patient(id: 1) { id name } }";

/// REST services that know a few patients, and who is asking.
async fn clinic() -> Origin {
    Origin::start(|request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let answer = match (request.method.as_str(), path) {
            ("GET", "/rest/patients") => {
                let limit = query.strip_prefix("limit=").and_then(|text| text.parse().ok()).unwrap_or(20);
                json!((1..=limit).map(patient).collect::<Vec<_>>())
            }
            ("GET", "/rest/me") => json!({ "subject": request.header("x-user-id").unwrap_or("nobody") }),
            ("GET", "/rest/staff") => json!({ "name": "Dr. Okoro" }),
            ("GET", "/rest/appointments" | "/rest/lab-orders") => {
                let ids = query.strip_prefix("patientIds=").unwrap_or_default();
                let ids = ids.split("%2C").flat_map(|ids| ids.split(','));
                json!(ids.map(owned).collect::<Vec<_>>())
            }
            ("GET", path) => match path.strip_prefix("/rest/patients/").and_then(|id| id.parse().ok()) {
                Some(id) if id < 100 => patient(id),
                _ => return Answer::status(404).body("{}"),
            },
            ("PUT", path) => {
                let id = path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                json!({ "id": id, "name": body["name"], "note": null })
            }
            _ => return Answer::status(405),
        };
        Answer::ok(answer.to_string())
            .header("Content-Type", "application/json")
            .header("Cache-Control", "max-age=60")
    })
    .await
}

fn patient(id: u32) -> Value {
    json!({ "id": id, "name": format!("Patient {id}"), "note": "allergic" })
}

fn owned(patient: &str) -> Value {
    json!({ "id": format!("a{patient}"), "patientId": patient, "date": "2026-05-01", "test": "HbA1c" })
}

/// A gateway with GraphQL before a clinic. `graphql` are further keys of the section, `rest`
/// and `route` of the two routes.
fn graph(origin: &Origin, graphql: &str, rest: &str, route: &str) -> Builder {
    let builder = Gateway::before(origin)
        .also(&format!("graphql: {{ schema: schema.graphql{graphql} }}"))
        .also(&format!("auth: {{ providers: {{ staff: {{ jwt: {{ keys: {{ secret: '{SECRET}' }} }} }} }} }}"))
        .routes(&format!(
            "- {{ name: rest, match: {{ path: '/rest/**' }}, upstream: origin{rest} }}\n\
             - {{ name: graphql, match: {{ path: /graphql }}, graphql: {{}}{route} }}"
        ));
    fs::write(builder.directory().join("schema.graphql"), SCHEMA).unwrap();
    builder
}

/// A POST of a query.
async fn ask(client: &Client, query: &str) -> Response {
    post(client, &json!({ "query": query })).await
}

async fn post(client: &Client, body: &Value) -> Response {
    let request = client.post("/graphql", body.to_string()).header("Content-Type", "application/json");
    request.header("Accept", "application/graphql-response+json").send().await
}

/// The data of a response without errors.
#[track_caller]
fn data(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body.get("errors"), None, "{body}");
    body["data"].clone()
}

/// The codes of a response's errors.
fn codes(answer: &Response) -> Vec<String> {
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
    errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap().to_owned()).collect()
}

/// A query as a target for GET.
fn target(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("/graphql?{}", pairs.join("&"))
}
