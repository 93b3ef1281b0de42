//! What becomes of calls that fail.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::world::{CLINIC, World, clinic, clinic_world, errors};
use crate::graphql::{Call, CallFailure};

/// The clinic with one path answered differently.
fn with(path: &'static str, said: impl Fn(&Call) -> super::world::Said + Send + Sync + 'static) -> World {
    World::new(CLINIC, move |call| if call.target.starts_with(path) { said(call) } else { clinic(call) })
}

#[tokio::test]
async fn a_service_that_is_down_leaves_the_rest_of_the_response_intact() {
    let world = with("/api/medications", |_| Err(CallFailure::Unavailable));
    let response =
        world.respond("{ patients(limit: 3) { id appointments { id } medications { id } } }").await;
    let expected: Vec<_> = (0..3)
        .map(|place| (json!(["patients", place, "medications"]), "UPSTREAM_UNAVAILABLE".to_owned()))
        .collect();
    assert_eq!(errors(&response), expected);
    for patient in response["data"]["patients"].as_array().unwrap() {
        assert_eq!(patient["medications"], Value::Null);
        assert_eq!(patient["appointments"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_needed_service_that_is_down_is_one_error() {
    let world = with("/api/appointments", |_| Err(CallFailure::Unavailable));
    let response =
        world.respond("{ patients(limit: 3) { id appointments { id } medications { id } } }").await;
    assert_eq!(response["data"], Value::Null);
    let expected = [(json!(["patients", 0, "appointments"]), "UPSTREAM_UNAVAILABLE".to_owned())];
    assert_eq!(errors(&response), expected);
}

#[tokio::test]
async fn statuses_have_their_codes() {
    let codes = [
        (400, "BAD_USER_INPUT"),
        (401, "UNAUTHENTICATED"),
        (403, "FORBIDDEN"),
        (409, "CONFLICT"),
        (422, "BAD_USER_INPUT"),
        (429, "RATE_LIMITED"),
        (302, "UPSTREAM_ERROR"),
        (500, "UPSTREAM_ERROR"),
        (503, "UPSTREAM_ERROR"),
    ];
    for (status, code) in codes {
        let world = with("/api/patients/", move |_| Ok((status, json!({"title": "t"}))));
        let response = world.respond("{ patient(id: 1) { id } }").await;
        assert_eq!(errors(&response), [(json!(["patient"]), code.to_owned())], "{status}");
        let extensions = &response["errors"][0]["extensions"];
        assert_eq!((&extensions["service"], &extensions["status"]), (&json!("clinic"), &json!(status)));
        assert_eq!(extensions["retryAfter"], if status == 429 { json!(7) } else { Value::Null });
    }
}

#[tokio::test]
async fn failures_have_their_codes() {
    let codes = [
        (CallFailure::Unavailable, "UPSTREAM_UNAVAILABLE"),
        (CallFailure::Timeout, "UPSTREAM_TIMEOUT"),
        (CallFailure::TooLarge, "UPSTREAM_TOO_LARGE"),
        (CallFailure::Invalid, "UPSTREAM_INVALID"),
    ];
    for (failure, code) in codes {
        let world = with("/api/patients/", move |_| Err(failure));
        let response = world.respond("{ patient(id: 1) { id } }").await;
        assert_eq!(errors(&response), [(json!(["patient"]), code.to_owned())]);
    }
    let world = with("/api/patients/", |_| Ok((200, json!("<html>"))));
    let response = world.respond("{ patient(id: 1) { id } }").await;
    assert_eq!(errors(&response), [(json!(["patient"]), "UPSTREAM_INVALID".to_owned())]);
}

#[tokio::test]
async fn what_is_missing_is_null() {
    let response = clinic_world().respond("{ patient(id: 1) { id } }").await;
    assert_eq!(response, json!({"data": {"patient": {"id": "1"}}}));
    let world = with("/api/patients/", |_| Ok((404, json!({"title": "t"}))));
    assert_eq!(world.respond("{ patient(id: 1) { id } }").await, json!({"data": {"patient": null}}));
}

#[tokio::test]
async fn a_refused_input_says_which_part_and_leaks_nothing_else() {
    let world = with("/api/patients", |call| match call.method {
        Method::POST => Ok((
            422,
            json!({
                "title": "Unprocessable", "detail": "age is wrong", "trace": "at Patients.java:7", "instance": "/internal/7",
                "errors": [{"field": "age", "message": "must be positive", "sql": "SELECT"}, "x"],
            }),
        )),
        _ => clinic(call),
    });
    let query = "mutation { createPatient(input: { name: \"N\", age: -1 }) { id } }";
    let response = world.respond(query).await;
    assert_eq!(response["data"], Value::Null);
    assert_eq!(errors(&response), [(json!(["createPatient"]), "BAD_USER_INPUT".to_owned())]);
    let problem = json!({
        "title": "Unprocessable", "detail": "age is wrong",
        "errors": [{"field": "age", "message": "must be positive"}, "x"],
    });
    assert_eq!(response["errors"][0]["extensions"]["problem"], problem);
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn the_body_of_a_failing_service_is_not_passed_on() {
    let world = with("/api/patients/", |_| Ok((500, json!({"title": "secret", "detail": "secret"}))));
    let body = world.outcome("{ patient(id: 1) { id } }", json!({})).await.body;
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}

#[tokio::test]
async fn calls_beyond_the_limit_are_not_made() {
    let mut world = clinic_world();
    world.limits.calls = 5;
    let response = world.respond("{ patients(limit: 8) { id slowLabs { id } } }").await;
    assert_eq!(world.calls().len(), 5);
    let expected: Vec<_> =
        (4..8).map(|place| (json!(["patients", place, "slowLabs"]), "TOO_MANY_CALLS".to_owned())).collect();
    assert_eq!(errors(&response), expected);
}

#[tokio::test]
async fn an_operation_ends_at_its_deadline_with_what_it_has() {
    let mut world = clinic_world();
    world.deadline = Duration::from_millis(50);
    let response = world.respond("{ patient(id: 1) { id clinic { name } never { name } } }").await;
    assert_eq!(response["data"], json!({"patient": {"id": "1", "clinic": {"name": "Nile"}, "never": null}}));
    assert_eq!(errors(&response), [(json!(["patient", "never"]), "UPSTREAM_TIMEOUT".to_owned())]);
}

#[tokio::test]
async fn only_so_many_errors_are_reported() {
    let mut world = with("/api/medications", |_| Err(CallFailure::Unavailable));
    world.trace = true;
    let response = world.respond("{ patients(limit: 80) { id medications { id } } }").await;
    assert_eq!(errors(&response).len(), 50);
    assert_eq!(response["extensions"]["errors"], 80);
}

#[tokio::test]
async fn answers_together_have_a_limit() {
    let mut world = clinic_world();
    world.limits.answers = crate::config::values::ByteSize(60);
    let response = world.respond("{ patient(id: 1) { id appointments { id } clinic { name } } }").await;
    assert_eq!(errors(&response)[0].1, "UPSTREAM_TOO_LARGE");
}
