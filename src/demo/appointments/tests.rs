use http::Response;
use serde_json::{Value, json};

use super::*;
use crate::demo::{
    message::tests::{body, call},
    resource::Resource,
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn make(store: &Store, document: &Value) -> Response<Vec<u8>> {
    call(Resource::Appointments, store, "POST", "/api/v1/appointments", JSON, &document.to_string())
}

#[test]
fn a_new_appointment_is_scheduled() {
    let store = Store::new(1);
    let document = json!({"patientId": "4", "date": "2028-02-29", "time": "09:30", "reason": "check-up"});
    let response = make(&store, &document);
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap();
    let found = body(&call(Resource::Appointments, &store, "GET", location, &[], ""));
    assert_eq!((&found["status"], &found["patientId"]), (&json!("SCHEDULED"), &json!("4")));
    assert_eq!((&found["date"], &found["time"]), (&json!("2028-02-29"), &json!("09:30")));
}

#[test]
fn every_field_that_is_not_valid_is_named() {
    let store = Store::new(1);
    let response = make(&store, &json!({"patientId": "999", "date": "2027-02-29", "time": "24:00"}));
    let problem = body(&response);
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!((response.status().as_u16(), fields), (422, vec!["patientId", "date", "time"]));
    let response = make(&store, &json!({"patientId": 4, "date": "2027-02-28", "time": "09:00"}));
    assert_eq!(body(&response)["errors"][0]["field"], "patientId");
}

#[test]
fn dates_and_times_are_real_ones() {
    for good in ["2027-01-31", "2024-02-29", "2000-02-29", "2027-12-01"] {
        assert!(is_date(good), "{good}");
    }
    for bad in
        ["2027-02-29", "1900-02-29", "2027-13-01", "2027-04-31", "2027-1-1", "27-01-01", "2027-01-00", ""]
    {
        assert!(!is_date(bad), "{bad}");
    }
    for good in ["00:00", "23:59", "09:30"] {
        assert!(is_time(good), "{good}");
    }
    for bad in ["24:00", "09:60", "9:30", "09.30", "0930", "", "09:30:00"] {
        assert!(!is_time(bad), "{bad}");
    }
}

#[test]
fn a_status_moves_on_until_it_is_final() {
    let store = Store::new(1);
    let response = make(&store, &json!({"patientId": "4", "date": "2027-03-01", "time": "09:30"}));
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let change = |status: &str| {
        let document = json!({ "status": status }).to_string();
        call(Resource::Appointments, &store, "PATCH", &location, JSON, &document).status().as_u16()
    };
    assert_eq!(change("CONFIRMED"), 200);
    assert_eq!(change("LATER"), 422);
    assert_eq!(change("CANCELLED"), 200);
    assert_eq!(change("CANCELLED"), 200);
    assert_eq!(change("CONFIRMED"), 409);
    let missing = call(
        Resource::Appointments,
        &store,
        "PATCH",
        "/api/v1/appointments/9999",
        JSON,
        r#"{"status": "CONFIRMED"}"#,
    );
    assert_eq!(missing.status(), 404);
}
