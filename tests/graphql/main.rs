//! The GraphQL engine beside graphql-js 16: the same documents over the same schema and the
//! same REST services. Data, the order of keys and the positions of errors must not differ.

mod cases;
mod generate;
mod reference;
mod rest;

use std::path::{Path, PathBuf};

use cases::Case;
use generate::Generator;
use nilegate::{
    config::graphql::{GraphqlConfig, GraphqlLimitsConfig},
    graphql::{Ask, Caller, Engine, Prepared},
};
use rest::Rest;
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant};

/// How many documents are made up.
const GENERATED: usize = 2_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphql")
}

fn data() -> Value {
    let text = std::fs::read_to_string(directory().join("data.json")).expect("the data");
    serde_json::from_str(&text).expect("the data are JSON")
}

/// The engine with limits that no case reaches: the reference has none.
fn engine() -> Engine {
    let sdl = std::fs::read_to_string(directory().join("schema.graphql")).expect("the schema");
    let mut config = GraphqlConfig::with_schema("schema.graphql", sdl.clone());
    config.limits = GraphqlLimitsConfig {
        tokens: 100_000,
        selections: 100_000,
        depth: 50,
        introspection_depth: 50,
        aliases: 10_000,
        root_fields: 10_000,
        directives: 10_000,
        cost: u64::MAX,
        list: 1_000_000,
        calls: 100_000,
        errors: 10_000,
        ..GraphqlLimitsConfig::default()
    };
    Engine::build(&sdl, &config, 1).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

async fn run(engine: &Engine, data: &Value, case: &Case) -> Value {
    let claims = Map::new();
    let caller = Caller { is_authenticated: false, scopes: &[], roles: &[], claims: &claims };
    let plan = match engine.prepare(&case.query, case.operation.as_deref()) {
        Prepared::Plan(plan) => plan,
        Prepared::Refused(errors) => {
            return serde_json::json!({"errors": errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>()});
        }
    };
    let ask = Ask {
        variables: case.variables.as_ref(),
        caller,
        deadline: Instant::now() + Duration::from_secs(10),
        introspection: true,
        trace: false,
    };
    let outcome = engine.execute(&plan, &ask, &Rest::new(data)).await;
    serde_json::from_slice(&outcome.body).expect("a response is JSON")
}

/// Runs cases on both sides. What differs, in words.
async fn differences(engine: &Engine, cases: &[Case]) -> Vec<String> {
    let data = data();
    let inputs: Vec<Value> = cases.iter().map(Case::to_json).collect();
    let theirs = reference::results(&directory(), &inputs);
    let executed = theirs.iter().filter(|result| result.get("data").is_some()).count();
    assert!(executed * 2 > cases.len(), "most cases are to be executed, not refused: {executed}");
    let mut differences = Vec::new();
    for (case, theirs) in cases.iter().zip(&theirs) {
        let ours = run(engine, &data, case).await;
        if let Some(difference) = reference::difference(theirs, &ours) {
            let variables = case.variables.as_ref().map(|given| Value::from(given.clone()).to_string());
            let variables = variables.unwrap_or_default();
            differences.push(format!("=== {}\n{}\n{variables}\n{difference}", case.name, case.query.trim()));
        }
    }
    differences
}

async fn compare(engine: &Engine, cases: &[Case]) {
    let differences = differences(engine, cases).await;
    let (count, of) = (differences.len(), cases.len());
    assert_eq!(count, 0, "{count} of {of} cases differ\n{}", differences.join("\n"));
}

#[tokio::test]
async fn curated_cases_are_answered_like_graphql_js() {
    let cases = cases::read(&directory().join("cases"));
    assert!(cases.len() >= 150);
    compare(&engine(), &cases).await;
}

#[tokio::test]
async fn made_up_documents_are_answered_like_graphql_js() {
    let engine = engine();
    let mut generator = Generator::new(engine.schema(), 6);
    let cases: Vec<Case> = (0..GENERATED).map(|number| generator.case(number)).collect();
    compare(&engine, &cases).await;
}

/// Two faults of the library that parses and introspects: an escaped `"""` in a block text, and
/// the interfaces of an interface. Once they are gone, their cases belong to the others.
#[tokio::test]
async fn faults_of_the_library_are_known() {
    let cases = cases::read(&directory().join("faults"));
    assert_eq!(differences(&engine(), &cases).await.len(), cases.len());
}
