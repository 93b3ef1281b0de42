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

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_manifest_and_a_changed_page_are_changes_of_the_configuration() {
    let origin = clinic().await;
    let keys =
        ", persisted: { mode: manifest, file: documents.json }, playground: { enabled: true, dir: page }";
    let builder = graph(&origin, keys, "", "");
    let directory = builder.directory().to_owned();
    let list = |documents: &[&str]| {
        let named: serde_json::Map<_, _> =
            documents.iter().map(|text| (super::persisted::sha256(text), (*text).into())).collect();
        fs::write(directory.join("documents.json"), serde_json::Value::from(named).to_string()).unwrap();
    };
    list(&[PATIENT]);
    fs::create_dir(directory.join("page")).unwrap();
    fs::write(directory.join("page/index.html"), "<p>one</p>").unwrap();
    let gateway = builder.start().await;
    let client = gateway.client();
    let page = async || client.get("/graphql").header("Accept", "text/html").send().await;
    assert_eq!(page().await.text(), "<p>one</p>");
    assert_eq!(codes(&ask(&client, "{ __typename }").await), ["PERSISTED_QUERY_REQUIRED"]);
    assert_eq!(gateway.reload().await.json()["result"], "unchanged");

    list(&[PATIENT, "{ __typename }"]);
    assert_eq!(gateway.reload().await.json()["result"], "applied");
    assert_eq!(data(&ask(&client, "{ __typename }").await)["__typename"], "Query");

    fs::write(directory.join("page/index.html"), "<p>the other</p>").unwrap();
    assert_eq!(gateway.reload().await.json()["result"], "applied");
    assert_eq!(page().await.text(), "<p>the other</p>");

    fs::write(directory.join("documents.json"), "{\n  \"abc\": 5\n}").unwrap();
    let refused = gateway.reload().await;
    let finding = refused.json()["findings"][0].clone();
    assert_eq!((refused.status, &finding["line"]), (422, &2.into()), "{finding}");
    assert!(finding["file"].as_str().unwrap().ends_with("documents.json"), "{finding}");
    fs::remove_file(directory.join("page/index.html")).unwrap();
    list(&[PATIENT]);
    let refused = gateway.reload().await.json()["findings"].to_string();
    assert!(refused.contains("there is no index.html"), "{refused}");
    assert_eq!(page().await.text(), "<p>the other</p>");
}

#[test]
fn a_page_whose_files_no_route_covers_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("schema.graphql"), SCHEMA).unwrap();
    fs::create_dir(directory.path().join("page")).unwrap();
    fs::write(directory.path().join("page/index.html"), "<p>one</p>").unwrap();
    let config = directory.path().join("nilegate.yaml");
    let check = |path: &str, page: &str| {
        let text = format!(
            "process: {{ listeners: [{{ address: '127.0.0.1:8080' }}] }}
traffic:
  graphql: {{ schema: schema.graphql, playground: {{ enabled: true, dir: {page} }} }}
  routes: [{{ name: graphql, match: {{ path: '{path}' }}, graphql: {{}} }}]
"
        );
        fs::write(&config, text).unwrap();
        let checked = nilegate(&["check", "-c", config.to_str().unwrap()]);
        (checked.status.code(), String::from_utf8_lossy(&checked.stderr).into_owned())
    };
    let (code, said) = check("/graphql", "page");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nilegate.yaml:4:") && said.contains("write `/graphql/**`"), "{said}");
    let (code, said) = check("/graphql/**", "page");
    assert!(code == Some(0) && !said.contains("/graphql/**"), "{said}");
    let (code, said) = check("/graphql/**", "nowhere");
    assert!(code == Some(64) && said.contains("nilegate.yaml:3:"), "{said}");
}
