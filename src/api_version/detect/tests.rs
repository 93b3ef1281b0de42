use http::header::ACCEPT;
use proptest::prelude::*;

use super::*;

fn config(extra: &str) -> ApiVersionsConfig {
    let text = format!(
        "{{\"versions\": {{\"v1\": {{}}, \"v2\": {{}}, \"v10\": {{}}}}, \"default\": \"v1\"{extra}}}"
    );
    serde_json::from_str(&text).unwrap()
}

const ALL: &str = r#", "sources": ["path", "header", "accept", "query"], "vendor": "nilecare""#;

fn versions(extra: &str) -> Versions {
    Versions::compile(&config(extra)).unwrap()
}

/// Asks with a path, header lines and a query; tells the version and what stated it.
fn ask(versions: &Versions, path: &str, fields: &[(&str, &str)], query: Option<&str>) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let split = versions.split(path);
    match versions.find(split.as_ref().map(|split| split.stated), &headers, query) {
        Ok(wish) => format!("{} by {}", versions.name(wish.version), wish.origin.as_str()),
        Err(VersionError::Unknown(origin)) => format!("unknown in {}", origin.as_str()),
        Err(VersionError::Conflict) => "conflict".to_owned(),
    }
}

#[test]
fn the_path_comes_before_the_field_before_accept_before_the_query() {
    let versions = versions(ALL);
    let (field, accept) = (("x-api-version", "v2"), ("accept", "application/vnd.nilecare.v10+json"));
    assert_eq!(ask(&versions, "/api/v1/x", &[field, accept], Some("api-version=v10")), "v1 by path");
    assert_eq!(ask(&versions, "/api/x", &[field, accept], Some("api-version=v10")), "v2 by header");
    assert_eq!(ask(&versions, "/api/x", &[accept], Some("api-version=v2")), "v10 by accept");
    assert_eq!(ask(&versions, "/api/x", &[], Some("a=b&api-version=2")), "v2 by query");
    assert_eq!(ask(&versions, "/api/x", &[], None), "v1 by default");
}

#[test]
fn versions_that_there_are_not_are_told_by_their_place() {
    let versions = versions(ALL);
    for path in ["/api/v3/x", "/api/v999999999999", "/api/v1.0/x", "/api/v1./x", "/api/v01/x"] {
        assert_eq!(ask(&versions, path, &[], None), "unknown in path", "{path}");
    }
    for value in ["v3", "", "latest", "v1, v2", "V", "\u{e9}"] {
        assert_eq!(
            ask(&versions, "/api/x", &[("x-api-version", value)], None),
            "unknown in header",
            "{value}"
        );
    }
    assert_eq!(
        ask(&versions, "/api/x", &[("accept", "application/vnd.nilecare.v3+json")], None),
        "unknown in accept"
    );
    assert_eq!(ask(&versions, "/api/x", &[], Some("api-version=%ff")), "unknown in query");
    assert_eq!(ask(&versions, "/api/V2/x", &[], None), "v2 by path");
    assert_eq!(ask(&versions, "/api/x", &[("x-api-version", " 2 ")], None), "v2 by header");
}

#[test]
fn two_lines_of_the_field_must_agree() {
    let versions = versions("");
    let twice = |second| [("x-api-version", "v2"), ("x-api-version", second)];
    assert_eq!(ask(&versions, "/api/x", &twice("2"), None), "v2 by header");
    assert_eq!(ask(&versions, "/api/x", &twice("v1"), None), "conflict");
}

#[test]
fn two_values_of_the_parameter_must_agree() {
    let versions = versions(ALL);
    assert_eq!(ask(&versions, "/api/x", &[], Some("api-version=v2&api-version=2")), "v2 by query");
    assert_eq!(ask(&versions, "/api/x", &[], Some("api-version=v2&api%2Dversion=v1")), "conflict");
    assert_eq!(ask(&versions, "/api/v1/x", &[], Some("api-version=v2&api-version=v3")), "v1 by path");
}

#[test]
fn strict_refuses_what_contradicts_itself() {
    let versions = versions(&format!("{ALL}, \"strict\": true"));
    let field = ("x-api-version", "v2");
    assert_eq!(ask(&versions, "/api/v1/x", &[field], None), "conflict");
    assert_eq!(ask(&versions, "/api/v2/x", &[field], Some("api-version=v2")), "v2 by path");
    assert_eq!(ask(&versions, "/api/v2/x", &[field], Some("api-version=v9")), "conflict");
    assert_eq!(ask(&versions, "/api/x", &[field], Some("api-version=v1")), "conflict");
}

#[test]
fn a_version_is_cut_out_of_a_path_and_put_back() {
    let versions = versions("");
    let split = |path| versions.split(path).map(|split| (split.stated, split.path));
    assert_eq!(split("/api/v1/patients/1"), Some(("v1", "/api/patients/1".to_owned())));
    assert_eq!(split("/api/v1"), Some(("v1", "/api".to_owned())));
    assert_eq!(split("/api/v1/"), Some(("v1", "/api/".to_owned())));
    for path in ["/api/vaccines", "/api/v/x", "/apiv1/x", "/api", "/api//v1", "/v1/x", "/api/1/x"] {
        assert_eq!(split(path), None, "{path}");
    }
    let v2 = versions.index(&"v2".parse().unwrap()).unwrap();
    assert_eq!(versions.insert("/api/patients/1", v2), "/api/v2/patients/1");
    assert_eq!(versions.insert("/api", v2), "/api/v2");
    assert_eq!(versions.insert("/apis", v2), "/apis");
}

#[test]
fn an_empty_prefix_is_the_root() {
    let versions = versions(r#", "prefix": "/""#);
    let split = versions.split("/v2").unwrap();
    assert_eq!((split.stated, &*split.path), ("v2", "/"));
    assert_eq!(versions.split("/v2/x").unwrap().path, "/x");
    assert_eq!(versions.insert("/x", VersionIndex(0)), "/v1/x");
}

#[test]
fn caches_are_told_what_could_have_changed_the_version() {
    let versions = versions(ALL);
    let by = |origin| versions.varies_by(origin).collect::<Vec<_>>();
    let field = versions.header().clone();
    assert!(by(VersionOrigin::Path).is_empty());
    assert_eq!(by(VersionOrigin::Header), std::slice::from_ref(&field));
    assert_eq!(by(VersionOrigin::Accept), [field.clone(), ACCEPT]);
    assert_eq!(by(VersionOrigin::Default), [field, ACCEPT]);
}

#[test]
fn what_cannot_work_is_told_all_at_once() {
    let wrong = r#", "default": "v11", "sources": ["accept", "accept"], "header": "a b", "prefix": "api", "query": """#;
    let text = format!("{{\"versions\": {{\"v1\": {{}}}}{wrong}}}");
    let config = serde_json::from_str(&text).unwrap();
    let paths: Vec<_> = Versions::compile(&config).unwrap_err().into_iter().map(|p| p.path).collect();
    assert_eq!(paths, ["default", "prefix", "header", "sources[1]", "vendor", "query"]);
}

proptest! {
    #[test]
    fn no_path_upsets_the_reader(path in "/(api)?/?[vV]?[0-9.a-z/]{0,12}") {
        let versions = versions("");
        if let Some(split) = versions.split(&path) {
            prop_assert!(split.path.starts_with('/'));
            prop_assert_eq!(split.path.len() + split.stated.len() + 1, path.len().max(split.path.len() + split.stated.len() + 1));
        }
    }

    #[test]
    fn what_was_put_in_is_found_again(rest in "(/[a-z]{1,5}){0,3}", at in 0u8..3) {
        let versions = versions("");
        let plain = format!("/api{rest}");
        let full = versions.insert(&plain, VersionIndex(at));
        let split = versions.split(&full).unwrap();
        prop_assert_eq!(split.path, plain);
        prop_assert_eq!(split.stated, versions.name(VersionIndex(at)));
    }
}
