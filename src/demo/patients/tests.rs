use http::Response;
use serde_json::json;

use super::*;
use crate::demo::{
    message::tests::{body, call},
    resource::Resource,
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn patients(store: &Store, method: &str, target: &str, document: &str) -> Response<Vec<u8>> {
    let fields = if document.is_empty() { &[] } else { JSON };
    call(Resource::Patients, store, method, target, fields, document)
}

/// The fields that a response complains about.
fn fields(response: &Response<Vec<u8>>) -> Vec<String> {
    let document = body(response);
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_patient_has_groups_and_links() {
    let store = Store::new(1);
    let patient = body(&patients(&store, "GET", "/api/v2/patients/1", ""));
    assert_eq!(patient.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name", "contact", "links"]);
    assert_eq!(patient["id"], json!("1"));
    assert_eq!(patient["links"]["appointments"], "/api/v1/appointments?patientId=1");
    assert_eq!(patients(&store, "GET", "/api/v1/patients/1", "").status(), 404, "that is the gateway's");
}

#[test]
fn pages_are_bounded_and_tagged() {
    let store = Store::new(1);
    let response = patients(&store, "GET", "/api/v2/patients?limit=2&offset=48", "");
    let page = body(&response);
    assert_eq!((&page["page"]["total"], page["data"].as_array().unwrap().len()), (&json!(50), 2));
    assert_eq!(page["data"][0]["id"], "49");
    assert_eq!(response.headers()["surrogate-key"], "patient-list patient:49 patient:50");
    assert_eq!(body(&patients(&store, "GET", "/api/v2/patients", ""))["data"].as_array().unwrap().len(), 20);
    for bad in ["limit=0", "limit=101", "limit=x", "offset=-1", "offset="] {
        let response = patients(&store, "GET", &format!("/api/v2/patients?{bad}"), "");
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[test]
fn pages_link_to_their_neighbours() {
    let store = Store::new(1);
    let links = |query: &str| {
        body(&patients(&store, "GET", &format!("/api/v2/patients?{query}"), ""))["links"].clone()
    };
    let middle = links("limit=20&offset=20");
    assert_eq!(middle["prev"], "/api/v2/patients?limit=20&offset=0");
    assert_eq!(middle["next"], "/api/v2/patients?limit=20&offset=40");
    assert_eq!(links("limit=20")["prev"], Value::Null);
    assert_eq!(links("limit=20&offset=40")["next"], Value::Null);
}

#[test]
fn a_new_patient_is_found_under_its_location() {
    let document =
        json!({"name": {"given": " Ada ", "family": "Said"}, "contact": {"email": "ada@example.org"}});
    let store = Store::new(1);
    let created = patients(&store, "POST", "/api/v2/patients", &document.to_string());
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["location"], "/api/v2/patients/51");
    assert_eq!(created.headers()["cache-control"], "no-store");
    let found = patients(&store, "GET", created.headers()["location"].to_str().unwrap(), "");
    assert_eq!(found.body(), created.body());
    assert_eq!(body(&found)["name"], json!({"given": "Ada", "family": "Said"}));
    assert_eq!(body(&found)["contact"], json!({"email": "ada@example.org", "phone": null}));
}

#[test]
fn what_is_not_valid_is_named_field_by_field() {
    let store = Store::new(1);
    let all = json!({
        "name": {"given": " ", "family": "x".repeat(101)}, "contact": {"email": "ada", "phone": "12"},
    });
    let response = patients(&store, "POST", "/api/v2/patients", &all.to_string());
    assert_eq!(response.status(), 422);
    assert_eq!(fields(&response), ["name.given", "name.family", "contact.email", "contact.phone"]);
    let v2 = json!({"name": {"given": "", "family": "Said"}, "contact": {"phone": "call me"}}).to_string();
    let response = patients(&store, "POST", "/api/v2/patients", &v2);
    assert_eq!(fields(&response), ["name.given", "contact.phone"]);
    let response = patients(&store, "POST", "/api/v2/patients", r#"{"name": {"given": 7, "family": "x"}}"#);
    assert_eq!((response.status().as_u16(), fields(&response)), (422, vec!["name.given".to_owned()]));
    assert_eq!(body(&patients(&store, "GET", "/api/v2/patients", ""))["page"]["total"], 50);
}

#[test]
fn bodies_that_are_not_json_are_told_apart() {
    let store = Store::new(1);
    assert_eq!(patients(&store, "POST", "/api/v2/patients", "{").status(), 400);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let response = call(Resource::Patients, &store, "POST", "/api/v2/patients", &form, "firstName=Ada");
    assert_eq!(response.status(), 415);
    assert_eq!(call(Resource::Patients, &store, "POST", "/api/v2/patients", &[], "{}").status(), 415);
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    let document = r#"{"name": {"given": "Ada", "family": "Said"}}"#;
    let response = call(Resource::Patients, &store, "POST", "/api/v2/patients", &charset, document);
    assert_eq!(response.status(), 201);
}

#[test]
fn put_replaces_and_patch_merges() {
    let store = Store::new(1);
    let before = patients(&store, "GET", "/api/v2/patients/1", "");
    let put =
        patients(&store, "PUT", "/api/v2/patients/1", r#"{"name": {"given": "Ada", "family": "Said"}}"#);
    assert_eq!((put.status().as_u16(), &body(&put)["contact"]["email"]), (200, &Value::Null));
    let patch = r#"{"contact": {"phone": "+249 91-234-5678"}}"#;
    let merged = patients(&store, "PATCH", "/api/v2/patients/1", patch);
    assert_eq!(merged.status(), 200);
    assert_eq!(body(&merged)["name"], json!({"given": "Ada", "family": "Said"}));
    assert_eq!(body(&merged)["contact"], json!({"email": null, "phone": "+249 91-234-5678"}));
    let cleared = patients(&store, "PATCH", "/api/v2/patients/1", r#"{"name": {"given": null}}"#);
    assert_eq!((cleared.status().as_u16(), fields(&cleared)), (422, vec!["name".to_owned()]));
    let after = patients(&store, "GET", "/api/v2/patients/1", "");
    assert_ne!(after.headers()["etag"], before.headers()["etag"]);
    assert_ne!(after.headers()["last-modified"], before.headers()["last-modified"]);
}

#[test]
fn a_removed_patient_is_gone() {
    let store = Store::new(1);
    let removed = patients(&store, "DELETE", "/api/v2/patients/9", "");
    assert_eq!((removed.status().as_u16(), removed.body().len()), (204, 0));
    assert!(!removed.headers().contains_key("content-length"));
    for (method, document) in
        [("GET", ""), ("DELETE", ""), ("PUT", r#"{"name": {"given": "A", "family": "B"}}"#), ("PATCH", "{}")]
    {
        assert_eq!(patients(&store, method, "/api/v2/patients/9", document).status(), 404, "{method}");
    }
    let appointments =
        call(Resource::Appointments, &store, "GET", "/api/v1/appointments?patientId=9", &[], "");
    assert_eq!(body(&appointments)["total"], 0);
}

#[test]
fn paths_that_name_nothing_are_404_and_wrong_methods_405() {
    let store = Store::new(1);
    for path in ["/api/v2/patients/0", "/api/v2/patients/01", "/api/v2/patients/x", "/api/v2/patients/1/2"] {
        assert_eq!(patients(&store, "GET", path, "").status(), 404, "{path}");
    }
    let allow = |method, path| patients(&store, method, path, "").headers()["allow"].clone();
    assert_eq!(allow("DELETE", "/api/v2/patients"), "GET, HEAD, POST");
    assert_eq!(allow("POST", "/api/v2/patients/1"), "GET, HEAD, PUT, PATCH, DELETE");
}
