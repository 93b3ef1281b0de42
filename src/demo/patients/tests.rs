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
fn one_patient_has_two_shapes() {
    let store = Store::new(1);
    let v1 = body(&patients(&store, "GET", "/api/v1/patients/1", ""));
    let v2 = body(&patients(&store, "GET", "/api/v2/patients/1", ""));
    assert_eq!(
        v1.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "firstName", "lastName", "email", "phone"]
    );
    assert_eq!(v2.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name", "contact", "links"]);
    assert_eq!((&v1["id"], &v2["id"]), (&json!("1"), &json!("1")));
    assert_eq!((&v1["firstName"], &v1["lastName"]), (&v2["name"]["given"], &v2["name"]["family"]));
    assert_eq!((&v1["email"], &v1["phone"]), (&v2["contact"]["email"], &v2["contact"]["phone"]));
    assert_eq!(v2["links"]["appointments"], "/api/v1/appointments?patientId=1");
}

#[test]
fn pages_are_bounded_and_tagged() {
    let store = Store::new(1);
    let response = patients(&store, "GET", "/api/v1/patients?limit=2&offset=48", "");
    let page = body(&response);
    assert_eq!((&page["total"], page["data"].as_array().unwrap().len()), (&json!(50), 2));
    assert_eq!(page["data"][0]["id"], "49");
    assert_eq!(response.headers()["surrogate-key"], "patient-list patient:49 patient:50");
    assert_eq!(body(&patients(&store, "GET", "/api/v1/patients", ""))["data"].as_array().unwrap().len(), 20);
    for bad in ["limit=0", "limit=101", "limit=x", "offset=-1", "offset="] {
        let response = patients(&store, "GET", &format!("/api/v1/patients?{bad}"), "");
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[test]
fn pages_of_version_2_link_to_their_neighbours() {
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
    for (version, document) in [
        ("v1", json!({"firstName": " Ada ", "lastName": "Said", "email": "ada@example.org"})),
        ("v2", json!({"name": {"given": "Ada", "family": "Said"}, "contact": {"email": "ada@example.org"}})),
    ] {
        let store = Store::new(1);
        let created = patients(&store, "POST", &format!("/api/{version}/patients"), &document.to_string());
        assert_eq!(created.status(), 201);
        assert_eq!(created.headers()["location"], format!("/api/{version}/patients/51"));
        assert_eq!(created.headers()["cache-control"], "no-store");
        let found = patients(&store, "GET", created.headers()["location"].to_str().unwrap(), "");
        assert_eq!(found.body(), created.body());
        let v1 = body(&patients(&store, "GET", "/api/v1/patients/51", ""));
        let expected = json!({"id": "51", "firstName": "Ada", "lastName": "Said", "email": "ada@example.org", "phone": null});
        assert_eq!(v1, expected);
    }
}

#[test]
fn what_is_not_valid_is_named_field_by_field() {
    let store = Store::new(1);
    let v1 =
        json!({"firstName": " ", "lastName": "x".repeat(101), "email": "ada", "phone": "12"}).to_string();
    let response = patients(&store, "POST", "/api/v1/patients", &v1);
    assert_eq!(response.status(), 422);
    assert_eq!(fields(&response), ["firstName", "lastName", "email", "phone"]);
    let v2 = json!({"name": {"given": "", "family": "Said"}, "contact": {"phone": "call me"}}).to_string();
    let response = patients(&store, "POST", "/api/v2/patients", &v2);
    assert_eq!(fields(&response), ["name.given", "contact.phone"]);
    let response = patients(&store, "POST", "/api/v2/patients", r#"{"name": {"given": 7, "family": "x"}}"#);
    assert_eq!((response.status().as_u16(), fields(&response)), (422, vec!["name.given".to_owned()]));
    assert_eq!(body(&patients(&store, "GET", "/api/v1/patients", ""))["total"], 50);
}

#[test]
fn bodies_that_are_not_json_are_told_apart() {
    let store = Store::new(1);
    assert_eq!(patients(&store, "POST", "/api/v1/patients", "{").status(), 400);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let response = call(Resource::Patients, &store, "POST", "/api/v1/patients", &form, "firstName=Ada");
    assert_eq!(response.status(), 415);
    assert_eq!(call(Resource::Patients, &store, "POST", "/api/v1/patients", &[], "{}").status(), 415);
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    let document = r#"{"firstName": "Ada", "lastName": "Said"}"#;
    let response = call(Resource::Patients, &store, "POST", "/api/v1/patients", &charset, document);
    assert_eq!(response.status(), 201);
}

#[test]
fn put_replaces_and_patch_merges() {
    let store = Store::new(1);
    let before = patients(&store, "GET", "/api/v1/patients/1", "");
    let put = patients(&store, "PUT", "/api/v1/patients/1", r#"{"firstName": "Ada", "lastName": "Said"}"#);
    assert_eq!((put.status().as_u16(), &body(&put)["email"]), (200, &Value::Null));
    let patch = r#"{"contact": {"phone": "+249 91-234-5678"}}"#;
    let merged = patients(&store, "PATCH", "/api/v2/patients/1", patch);
    assert_eq!(merged.status(), 200);
    assert_eq!(body(&merged)["name"], json!({"given": "Ada", "family": "Said"}));
    assert_eq!(body(&merged)["contact"], json!({"email": null, "phone": "+249 91-234-5678"}));
    let cleared = patients(&store, "PATCH", "/api/v2/patients/1", r#"{"name": {"given": null}}"#);
    assert_eq!((cleared.status().as_u16(), fields(&cleared)), (422, vec!["name".to_owned()]));
    let after = patients(&store, "GET", "/api/v1/patients/1", "");
    assert_ne!(after.headers()["etag"], before.headers()["etag"]);
    assert_ne!(after.headers()["last-modified"], before.headers()["last-modified"]);
}

#[test]
fn a_removed_patient_is_gone() {
    let store = Store::new(1);
    let removed = patients(&store, "DELETE", "/api/v1/patients/9", "");
    assert_eq!((removed.status().as_u16(), removed.body().len()), (204, 0));
    assert!(!removed.headers().contains_key("content-length"));
    for (method, document) in
        [("GET", ""), ("DELETE", ""), ("PUT", r#"{"firstName": "A", "lastName": "B"}"#), ("PATCH", "{}")]
    {
        assert_eq!(patients(&store, method, "/api/v1/patients/9", document).status(), 404, "{method}");
    }
    let appointments =
        call(Resource::Appointments, &store, "GET", "/api/v1/appointments?patientId=9", &[], "");
    assert_eq!(body(&appointments)["total"], 0);
}

#[test]
fn paths_that_name_nothing_are_404_and_wrong_methods_405() {
    let store = Store::new(1);
    for path in ["/api/v1/patients/0", "/api/v1/patients/01", "/api/v1/patients/x", "/api/v1/patients/1/2"] {
        assert_eq!(patients(&store, "GET", path, "").status(), 404, "{path}");
    }
    let allow = |method, path| patients(&store, method, path, "").headers()["allow"].clone();
    assert_eq!(allow("DELETE", "/api/v1/patients"), "GET, HEAD, POST");
    assert_eq!(allow("POST", "/api/v1/patients/1"), "GET, HEAD, PUT, PATCH, DELETE");
}
