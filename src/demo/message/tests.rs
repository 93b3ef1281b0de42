use super::*;
use crate::demo::{resource::Resource, store::Store};

/// A request as a client would send it.
pub(in crate::demo) fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    Request {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query,
        headers: fields.iter().map(field).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// What a resource answers, sockets aside.
pub(in crate::demo) fn call(
    resource: Resource,
    store: &Store,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Response<Vec<u8>> {
    let request = request(method, target, fields, body);
    resource.answer(store, &request).answer(&request)
}

/// The body as JSON.
pub(in crate::demo) fn body(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn get(fields: &[(&str, &str)]) -> Response<Vec<u8>> {
    call(Resource::Patients, &Store::new(1), "GET", "/api/v2/patients/1", fields, "")
}

#[test]
fn content_has_a_strong_tag_and_a_length() {
    let response = get(&[]);
    let tag = response.headers()["etag"].to_str().unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 18, "{tag}");
    assert_eq!(response.headers()["content-length"], response.body().len().to_string());
    assert_eq!(get(&[]).headers()["etag"], tag);
    let other = call(Resource::Patients, &Store::new(1), "GET", "/api/v2/patients/2", &[], "");
    assert_ne!(other.headers()["etag"], tag);
}

#[test]
fn a_client_that_has_it_gets_304() {
    let tag = get(&[]).headers()["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let response = get(&[("if-none-match", &known)]);
        assert_eq!(response.status(), 304, "{known}");
        assert!(response.body().is_empty());
        assert_eq!(response.headers()["etag"], tag);
        assert_eq!(response.headers()["cache-control"], "public, max-age=60");
        assert!(!response.headers().contains_key("content-length"));
    }
    assert_eq!(get(&[("if-none-match", "\"x\"")]).status(), 200);
}

#[test]
fn dates_decide_only_where_there_is_no_tag() {
    let seeded = "Mon, 05 Jan 2026 08:00:00 GMT";
    let before = "Mon, 05 Jan 2026 07:59:59 GMT";
    assert_eq!(get(&[]).headers()["last-modified"], seeded);
    assert_eq!(get(&[("if-modified-since", seeded)]).status(), 304);
    assert_eq!(get(&[("if-modified-since", before)]).status(), 200);
    assert_eq!(get(&[("if-modified-since", "yesterday")]).status(), 200);
    assert_eq!(get(&[("if-modified-since", seeded), ("if-none-match", "\"x\"")]).status(), 200);
}

#[test]
fn head_tells_all_but_the_body() {
    let full = get(&[]);
    let head = call(Resource::Patients, &Store::new(1), "HEAD", "/api/v2/patients/1", &[], "");
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), full.headers());
}

#[test]
fn health_is_never_stored() {
    for resource in [Resource::Patients, Resource::Auth] {
        let response = call(resource, &Store::new(1), "GET", "/health", &[], "");
        assert_eq!((response.status().as_u16(), &body(&response)["status"]), (200, &json!("ok")));
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(call(resource, &Store::new(1), "POST", "/health", &[], "").status(), 405);
    }
}

#[test]
fn problems_say_what_is_wrong() {
    let response = call(Resource::Medications, &Store::new(1), "PUT", "/api/v1/medications/1", &[], "");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    let expected = json!({
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "allowed here: GET, HEAD",
    });
    assert_eq!(body(&response), expected);
    for path in
        ["/", "/api/v3/medications", "/api/v1/patients", "/api/v2/medications", "/api/v1/medications/1/x"]
    {
        let response = call(Resource::Medications, &Store::new(1), "GET", path, &[], "");
        assert_eq!((response.status().as_u16(), &body(&response)["status"]), (404, &json!(404)), "{path}");
    }
}

#[test]
fn parameters_are_decoded() {
    let request = request("GET", "/x?a=1%202&b=x+y&c=&a=9&d", &[], "");
    let value = |name| request.parameter(name);
    assert_eq!(value("a").as_deref(), Some("1 2"));
    assert_eq!(value("b").as_deref(), Some("x y"));
    assert_eq!(value("c").as_deref(), Some(""));
    assert_eq!(value("d"), None);
}

#[test]
fn lists_of_a_patient_are_filtered_and_tagged() {
    let store = Store::new(1);
    for (resource, path, kind) in [
        (Resource::Appointments, "appointments", "appointment"),
        (Resource::Medications, "medications", "medication"),
        (Resource::LabOrders, "lab-orders", "lab-order"),
    ] {
        let list = call(resource, &store, "GET", &format!("/api/v1/{path}?patientId=2"), &[], "");
        let document = body(&list);
        let records = document["data"].as_array().unwrap();
        assert!((3..=5).contains(&records.len()) && document["total"] == records.len());
        assert!(records.iter().all(|record| record["patientId"] == "2"), "{document}");
        assert_eq!(list.headers()["surrogate-key"], format!("{kind}-list patient:2"));
        let id = records[0]["id"].as_str().unwrap();
        let one = call(resource, &store, "GET", &format!("/api/v1/{path}/{id}"), &[], "");
        assert_eq!(body(&one), records[0]);
        assert_eq!(one.headers()["surrogate-key"], format!("{kind}:{id} patient:2"));
        let bad = call(resource, &store, "GET", &format!("/api/v1/{path}?patientId=two"), &[], "");
        assert_eq!((bad.status().as_u16(), &body(&bad)["errors"][0]["field"]), (400, &json!("patientId")));
    }
}

#[test]
fn merging_follows_the_rfc() {
    // RFC 7396 appendix A, the cases that differ in kind.
    for (target, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        let mut document = target.clone();
        merge(&mut document, patch.clone());
        assert_eq!(document, expected, "{target} + {patch}");
    }
}
