//! A schema, services that answer as told, and callers.

use std::{sync::Mutex, time::Duration};

use async_graphql::parser::parse_query;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    config::graphql::GraphqlLimitsConfig,
    graphql::{
        Answer, Ask, CacheResult, Call, CallFailure, Caller, Fetch, GraphqlError, Outcome, Reuse, Schema,
        execute::{self, Introspect},
        plan::{Introspection, Plan},
        read_before::ReadBefore,
        sdl,
    },
};

/// What a service answers.
pub type Said = Result<(u16, Value), CallFailure>;

/// Everything but the engine.
pub struct World {
    pub schema: Schema,
    pub limits: GraphqlLimitsConfig,
    pub trace: bool,
    pub deadline: Duration,
    pub scopes: Vec<Box<str>>,
    pub roles: Vec<Box<str>>,
    pub claims: Option<Map<String, Value>>,
    pub reuse: Reuse,
    answer: Box<dyn Fn(&Call) -> Said + Send + Sync>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    at_once: usize,
    most_at_once: usize,
}

impl World {
    pub fn new(sdl: &str, answer: impl Fn(&Call) -> Said + Send + Sync + 'static) -> Self {
        let read = sdl::read(sdl).unwrap_or_else(|problems| panic!("{problems:#?}"));
        Self {
            schema: read.schema,
            limits: GraphqlLimitsConfig::default(),
            trace: false,
            deadline: Duration::from_secs(60),
            scopes: Vec::new(),
            roles: Vec::new(),
            claims: None,
            reuse: Reuse::default(),
            answer: Box::new(answer),
            log: Mutex::default(),
        }
    }

    pub fn plan(&self, text: &str) -> Plan {
        let document = parse_query(text).unwrap();
        let (name, operation) = document.operations.iter().next().unwrap();
        Plan::compile(&self.schema, &document, name.map(|name| name.as_str()), &operation.node).unwrap()
    }

    pub fn ask<'a>(
        &'a self,
        variables: Option<&'a Map<String, Value>>,
        none: &'a Map<String, Value>,
    ) -> Ask<'a> {
        Ask {
            variables,
            caller: Caller {
                is_authenticated: self.claims.is_some(),
                scopes: &self.scopes,
                roles: &self.roles,
                claims: self.claims.as_ref().unwrap_or(none),
            },
            deadline: Instant::now() + self.deadline,
            introspection: true,
            trace: self.trace,
        }
    }

    pub async fn outcome(&self, text: &str, variables: Value) -> Outcome {
        let plan = self.plan(text);
        let none = Map::new();
        let ask = self.ask(variables.as_object(), &none);
        execute::execute(&self.schema, &self.limits, &plan, &ask, self, self, &ReadBefore::new()).await
    }

    /// The response to a document without variables.
    pub async fn respond(&self, text: &str) -> Value {
        serde_json::from_slice(&self.outcome(text, json!({})).await.body).unwrap()
    }

    /// Method and target of each call so far, in their order.
    pub fn calls(&self) -> Vec<String> {
        self.log.lock().unwrap().calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect()
    }

    /// The JSON bodies of the calls so far.
    pub fn bodies(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        log.calls.iter().filter_map(|call| serde_json::from_slice(call.body.as_ref()?).ok()).collect()
    }

    pub fn most_at_once(&self) -> usize {
        self.log.lock().unwrap().most_at_once
    }
}

#[async_trait::async_trait]
impl Fetch for World {
    async fn fetch(&self, call: Call) -> Result<Answer, CallFailure> {
        {
            let mut log = self.log.lock().unwrap();
            log.calls.push(call.clone());
            log.at_once += 1;
            log.most_at_once = log.most_at_once.max(log.at_once);
        }
        // The others of the level begin before this one ends.
        tokio::task::yield_now().await;
        self.log.lock().unwrap().at_once -= 1;
        if call.target.ends_with("/never") {
            std::future::pending::<()>().await;
        }
        let (status, body) = (self.answer)(&call)?;
        let body = match body {
            Value::String(text) => Bytes::from(text),
            body => Bytes::from(body.to_string()),
        };
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body,
            reuse: self.reuse,
            cache: CacheResult::Miss,
            retry_after: (status == 429).then_some(Duration::from_secs(7)),
        })
    }
}

#[async_trait::async_trait]
impl Introspect for World {
    async fn introspect(
        &self,
        _: &Introspection,
        _: Option<&Map<String, Value>>,
    ) -> Result<Bytes, GraphqlError> {
        Ok(Bytes::from_static(b"{}"))
    }
}

/// The values of a query parameter.
pub fn parameter(call: &Call, name: &str) -> Vec<String> {
    let query = call.target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    values.flat_map(|(_, value)| value.split(',')).map(str::to_owned).collect()
}

/// The clinic of the shipped schema in small.
pub const CLINIC: &str = r#"
    schema @source(name: "clinic", route: "/api") { query: Query mutation: Mutation }
    type Query {
      patients(limit: Int = 20): [Patient!]! @rest(source: "clinic", get: "/patients", query: { limit: "{args.limit}" })
        @listSize(slicing: "limit", max: 100)
      patient(id: ID!): Patient @rest(source: "clinic", get: "/patients/{args.id}")
      record(id: ID!): Patient @rest(source: "clinic", get: "/records/{args.id}")
        @auth(scopes: ["records:read"], roles: ["doctor", "nurse"], owner: { claim: "patient.id", is: "{args.id}" })
      audit: [String!] @rest(source: "clinic", get: "/audit") @auth(roles: ["auditor"])
      strictAudit: [String!]! @rest(source: "clinic", get: "/audit") @auth(roles: ["auditor"])
      me: Patient @rest(source: "clinic", get: "/me") @auth
    }
    type Mutation {
      createPatient(input: NewPatient!): Patient!
        @rest(source: "clinic", post: "/patients", body: "{args.input}", invalidates: ["/patients", "/patients/{args.input.ssn}"])
      remove(id: ID!): Patient @rest(source: "clinic", delete: "/patients/{args.id}") @auth(roles: ["admin"])
    }
    input NewPatient { name: String! ssn: ID age: Int tags: [String!]! = [] }
    type Patient {
      id: ID!
      name: String!
      appointments: [Appointment!]! @rest(source: "clinic", get: "/appointments",
        batch: { param: "ids", value: "{parent.id}", key: "patientId", max: 100 }) @listSize(assumed: 5)
      medications: [Medication!] @rest(source: "clinic", get: "/medications",
        batch: { param: "ids", value: "{parent.id}", key: "patientId", style: REPEAT, max: 100 }) @listSize(assumed: 5)
      labOrders: [LabOrder!] @rest(source: "clinic", post: "/labs/search",
        batch: { param: "ids", value: "{parent.id}", key: "patientId", style: BODY, max: 100 }) @listSize(assumed: 5)
      slowAppointments: [Appointment!] @rest(source: "clinic", get: "/patients/{parent.id}/appointments")
      slowMedications: [Medication!] @rest(source: "clinic", get: "/patients/{parent.id}/medications")
      slowLabs: [LabOrder!] @rest(source: "clinic", get: "/patients/{parent.id}/labs")
      clinic: Clinic @rest(source: "clinic", get: "/clinic")
      secret: String @auth(roles: ["auditor"])
      never: Clinic @rest(source: "clinic", get: "/never")
    }
    type Appointment { id: ID! patientId: ID! patient: Patient @rest(source: "clinic", get: "/patients/{parent.patientId}") }
    type Medication { id: ID! patientId: ID! }
    type LabOrder { id: ID! patientId: ID! }
    type Clinic { name: String! }
"#;

/// What the clinic's services answer.
pub fn clinic(call: &Call) -> Said {
    let path = call.target.split('?').next().unwrap_or_default().strip_prefix("/api").unwrap_or_default();
    let patient = |id: &str| json!({"id": id, "name": format!("patient {id}"), "secret": "s"});
    let things = |ids: Vec<String>| -> Value {
        let of = |id: &String| {
            (0..2).map(move |n| json!({"id": format!("{id}.{n}"), "patientId": id})).collect::<Vec<_>>()
        };
        ids.iter().flat_map(of).collect()
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Ok((
        200,
        match (&call.method, &*segments) {
            (&Method::POST, ["patients"]) => {
                let mut body: Value = serde_json::from_slice(call.body.as_ref().unwrap()).unwrap();
                body["id"] = json!("new");
                return Ok((201, body));
            }
            (_, ["patients"]) => {
                let limit: usize = parameter(call, "limit")[0].parse().unwrap();
                (0..limit).map(|id| patient(&id.to_string())).collect()
            }
            (_, ["labs", "search"]) => {
                let body: Value = serde_json::from_slice(call.body.as_ref().unwrap()).unwrap();
                things(
                    body["ids"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|id| id.as_str().unwrap().to_owned())
                        .collect(),
                )
            }
            (_, ["patients" | "records", id]) => patient(id),
            (_, ["patients", id, _]) => things(vec![(*id).to_owned()]),
            (_, ["appointments" | "medications"]) => things(parameter(call, "ids")),
            (_, ["clinic"]) => json!({"name": "Nile"}),
            (_, ["me"]) => patient("me"),
            (_, ["audit"]) => json!(["entry"]),
            _ => return Ok((404, json!({}))),
        },
    ))
}

/// The clinic with all its services.
pub fn clinic_world() -> World {
    World::new(CLINIC, clinic)
}

/// A path and a code for each error of a response.
pub fn errors(response: &Value) -> Vec<(Value, String)> {
    let errors = response["errors"].as_array().cloned().unwrap_or_default();
    let code = |error: &Value| error["extensions"]["code"].as_str().unwrap_or_default().to_owned();
    errors.iter().map(|error| (error["path"].clone(), code(error))).collect()
}
