//! A schema that is changed, and one that is wrong.

use std::fs;

use super::{PATIENT, SCHEMA, ask, clinic, codes, data, graph};
use crate::commands::nilegate;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_is_served_after_a_reload_and_a_bad_one_never() {
    let origin = clinic().await;
    let builder = graph(&origin, "", "", "");
    let file = builder.directory().join("schema.graphql");
    let gateway = builder.start().await;
    let client = gateway.client();
    let renamed = "{ patient(id: 1) { fullName } }";
    assert_eq!(codes(&ask(&client, renamed).await), ["GRAPHQL_VALIDATION_FAILED"]);

    fs::write(&file, SCHEMA.replace("  name: String!\n", "  fullName: String! @from(path: \"name\")\n"))
        .unwrap();
    let applied = gateway.reload().await;
    assert_eq!((applied.status, &applied.json()["result"]), (200, &"applied".into()), "{applied:?}");
    assert_eq!(data(&ask(&client, renamed).await)["patient"]["fullName"], "Patient 1");
    assert_eq!(codes(&ask(&client, PATIENT).await), ["GRAPHQL_VALIDATION_FAILED"]);

    fs::write(&file, SCHEMA.replace("appointments: [Appointment!]", "appointments: [Visit!]")).unwrap();
    let refused = gateway.reload().await;
    assert_eq!((refused.status, &refused.json()["result"]), (422, &"refused".into()));
    let findings = refused.json()["findings"].to_string();
    assert!(findings.contains("Visit") && findings.contains("schema.graphql"), "{findings}");
    assert_eq!(data(&ask(&client, renamed).await)["patient"]["fullName"], "Patient 1");
}

#[test]
fn a_bad_schema_is_found_before_it_is_served() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("schema.graphql"), "type Query {\n  patient: Patent\n}\n").unwrap();
    let config = directory.path().join("nilegate.yaml");
    fs::write(
        &config,
        "process: { listeners: [{ address: '127.0.0.1:8080' }] }
traffic:
  graphql: { schema: schema.graphql }
  routes: [{ name: graphql, match: { path: /graphql }, graphql: {} }]
",
    )
    .unwrap();
    let checked = nilegate(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(64));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("schema.graphql:2:12"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_would_ask_for_is_explained() {
    let origin = clinic().await;
    let builder = graph(&origin, "", "", "");
    let directory = builder.directory().to_owned();
    let _gateway = builder.start().await;
    let config = directory.join("nilegate.yaml");
    let explain = |query: &str| {
        let arguments = ["explain", "POST", "/graphql", "-c", config.to_str().unwrap(), "--query", query];
        let output = nilegate(&arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = explain("{ patients(limit: 5) { name appointments { id } } }");
    assert!(said.contains("answered by GraphQL") && said.contains("/rest/patients"), "{said}");
    assert!(said.contains("cost ") && said.contains("/rest/appointments"), "{said}");
    assert!(explain("{ nothing }").contains("GRAPHQL_VALIDATION_FAILED"));
}
