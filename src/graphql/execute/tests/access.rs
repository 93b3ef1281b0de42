//! Who may read what, and how long responses may be reused.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{CLINIC, World, clinic, clinic_world, errors};
use crate::graphql::{ErrorCode, ResponseCache, Reuse, read_before::ReadBefore};

/// The clinic for a caller.
fn as_caller(scopes: &[&str], roles: &[&str], claims: Value) -> World {
    let mut world = clinic_world();
    world.scopes = scopes.iter().map(|scope| (*scope).into()).collect();
    world.roles = roles.iter().map(|role| (*role).into()).collect();
    world.claims = claims.as_object().cloned();
    world
}

#[tokio::test]
async fn a_rule_takes_scopes_with_a_role_or_the_owner() {
    let query = "{ record(id: 7) { id } patient(id: 1) { id } }";
    let matrix = [
        (as_caller(&[], &[], Value::Null), Some("UNAUTHENTICATED")),
        (as_caller(&[], &[], json!({"sub": "a"})), Some("FORBIDDEN")),
        (as_caller(&["records:read"], &[], json!({})), Some("FORBIDDEN")),
        (as_caller(&[], &["doctor"], json!({})), Some("FORBIDDEN")),
        (as_caller(&["records:write"], &["doctor"], json!({})), Some("FORBIDDEN")),
        (as_caller(&["records:read"], &["doctor"], json!({})), None),
        (as_caller(&["x", "records:read"], &["nurse"], json!({})), None),
        (as_caller(&[], &[], json!({"patient": {"id": "7"}})), None),
        (as_caller(&[], &[], json!({"patient": {"id": 7}})), None),
        (as_caller(&[], &[], json!({"patient": {"id": "8"}})), Some("FORBIDDEN")),
    ];
    for (number, (world, denied)) in matrix.into_iter().enumerate() {
        let response = world.respond(query).await;
        let expected: Vec<_> = denied.map(|code| (json!(["record"]), code.to_owned())).into_iter().collect();
        assert_eq!(errors(&response), expected, "{number}");
        assert_eq!(response["data"]["record"].is_null(), denied.is_some());
        assert_eq!(response["data"]["patient"], json!({"id": "1"}));
        let asked = world.calls().iter().any(|call| call.contains("/records/"));
        assert_eq!(asked, denied.is_none(), "a denied field makes no call");
    }
}

#[tokio::test]
async fn a_rule_without_names_takes_any_caller_who_is_known() {
    let anonymous = clinic_world();
    assert_eq!(errors(&anonymous.respond("{ me { id } }").await)[0].1, "UNAUTHENTICATED");
    assert!(anonymous.calls().is_empty());
    let known = as_caller(&[], &[], json!({"sub": "a"}));
    assert_eq!(known.respond("{ me { id } }").await, json!({"data": {"me": {"id": "me"}}}));
}

#[tokio::test]
async fn a_denied_mutation_changes_nothing() {
    let world = as_caller(&[], &["doctor"], json!({}));
    let query = "mutation { remove(id: 1) { id } createPatient(input: { name: \"N\" }) { id } }";
    let response = world.respond(query).await;
    assert_eq!(errors(&response), [(json!(["remove"]), "FORBIDDEN".to_owned())]);
    assert_eq!(world.calls(), ["POST /api/patients"]);
}

#[tokio::test]
async fn a_denied_field_that_is_never_null_takes_its_parent() {
    let world = as_caller(&[], &[], json!({}));
    let response = world.respond("{ strictAudit patient(id: 1) { id } }").await;
    assert_eq!(response["data"], Value::Null);
    assert_eq!(errors(&response), [(json!(["strictAudit"]), "FORBIDDEN".to_owned())]);
    assert!(!world.calls().iter().any(|call| call.contains("audit")));
}

#[tokio::test]
async fn a_denied_member_is_an_error_at_each_object() {
    let world = as_caller(&[], &[], json!({}));
    let response = world.respond("{ patients(limit: 2) { id secret } }").await;
    let at = |place: usize| (json!(["patients", place, "secret"]), "FORBIDDEN".to_owned());
    assert_eq!(errors(&response), [at(0), at(1)]);
    assert_eq!(response["data"]["patients"][1], json!({"id": "1", "secret": null}));
    let auditor = as_caller(&[], &["auditor"], json!({}));
    assert_eq!(
        auditor.respond("{ patient(id: 1) { secret } }").await,
        json!({"data": {"patient": {"secret": "s"}}})
    );
}

#[tokio::test]
async fn a_rule_of_a_type_guards_every_field_of_that_type() {
    let sdl = CLINIC.replace("type Clinic {", "type Clinic @auth(roles: [\"staff\"]) {");
    let world = World::new(&sdl, clinic);
    let response = world.respond("{ patient(id: 1) { id clinic { name } } }").await;
    assert_eq!(errors(&response), [(json!(["patient", "clinic"]), "UNAUTHENTICATED".to_owned())]);
    assert_eq!(world.calls(), ["GET /api/patients/1"]);
}

#[tokio::test]
async fn introspection_is_for_those_who_may() {
    let world = clinic_world();
    let (plan, none) = (world.plan("{ __schema { queryType { name } } }"), serde_json::Map::new());
    let mut ask = world.ask(None, &none);
    ask.introspection = false;
    let outcome =
        super::super::execute(&world.schema, &world.limits, &plan, &ask, &world, &world, &ReadBefore::new())
            .await;
    assert_eq!((outcome.started, outcome.errors), (false, vec![ErrorCode::IntrospectionDisabled]));
}

/// The clinic with lifetimes.
fn cached() -> World {
    let sdl = CLINIC
        .replace(
            "patient(id: ID!): Patient @rest",
            "patient(id: ID!): Patient @cacheControl(maxAge: 60) @rest",
        )
        .replace("clinic: Clinic @rest", "clinic: Clinic @cacheControl(maxAge: 30, scope: PRIVATE) @rest");
    World::new(&sdl, clinic)
}

async fn lifetime(world: &World, query: &str) -> ResponseCache {
    world.outcome(query, json!({})).await.cache
}

#[tokio::test]
async fn the_smallest_lifetime_counts() {
    let world = cached();
    let secs = Duration::from_secs;
    let expected = ResponseCache { max_age: secs(60), is_private: false, no_store: false };
    assert_eq!(lifetime(&world, "{ patient(id: 1) { id name __typename } }").await, expected);
    let expected = ResponseCache { max_age: secs(30), is_private: true, no_store: false };
    assert_eq!(lifetime(&world, "{ patient(id: 1) { clinic { name } } }").await, expected);
    assert_eq!(
        lifetime(&world, "{ patient(id: 1) { id appointments { id } } }").await.max_age,
        Duration::ZERO
    );
    assert_eq!(lifetime(&world, "{ patients { id } }").await.max_age, Duration::ZERO);
    assert!(lifetime(&world, "{ patient(id: 1) { id secret } }").await.no_store, "an error is never stored");
}

#[tokio::test]
async fn answers_shorten_the_lifetime() {
    let mut world = cached();
    let query = "{ patient(id: 1) { id } }";
    world.reuse = Reuse { fresh_for: Some(Duration::from_secs(9)), is_private: true, no_store: false };
    let expected = ResponseCache { max_age: Duration::from_secs(9), is_private: true, no_store: false };
    assert_eq!(lifetime(&world, query).await, expected);
    world.reuse = Reuse { no_store: true, ..Reuse::default() };
    assert!(lifetime(&world, query).await.no_store);
}
