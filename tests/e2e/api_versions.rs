//! Which version of the API a request gets, and what it is told about it.

use http::Method;

use crate::harness::{Answer, Gateway, Origin, Response};

/// One service for each version; the routes that serve them, and one without versions.
const TRAFFIC: &str = r#"
api_versions:
  versions: { v1: {}, v2: {}, v3: {} }
  default: v1
  sources: [path, header, accept, query]
  vendor: nilecare
upstreams:
  old: { backends: ['@old@'] }
  new: { backends: ['@new@'] }
routes:
  - name: patients
    match: { path: "/api/patients/{id}" }
    versions:
      v1: { upstream: old, headers: { response: { set: { X-Shape: flat } } } }
      v2: { upstream: new, path: "/people/{id}" }
  - name: notes
    match: { path: "/api/notes/**" }
    upstream: new
    versions: { v1: { via: v2 }, v2: {} }
  - { name: login, match: { path: "/api/v1/login" }, respond: { body: hello } }
  - { name: rest, match: { path: "/**" }, respond: { status: 404, body: nothing } }
"#;

/// An origin that says its name and what it was asked.
async fn service(name: &'static str) -> Origin {
    Origin::start(move |request| {
        let version = request.header("x-api-version").unwrap_or("-");
        let accept = request.header("accept").unwrap_or("-");
        let body = format!("{name} {} version={version} accept={accept}", request.target);
        Answer::ok(body).header("Content-Type", "application/json")
    })
    .await
}

async fn gateway(traffic: &str) -> (Gateway, Origin, Origin) {
    let (old, new) = (service("old").await, service("new").await);
    let gateway = Gateway::new().set("old", &old).set("new", &new).traffic(traffic).start().await;
    (gateway, old, new)
}

async fn ask(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Response {
    let client = gateway.client();
    let mut request = client.get(path);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send().await
}

const V1: (&str, &str) = ("X-API-Version", "v1");
const V2: (&str, &str) = ("X-API-Version", "v2");
const ACCEPT_V2: (&str, &str) = ("Accept", "application/vnd.nilecare.v2+json");

#[tokio::test(flavor = "multi_thread")]
async fn the_path_then_the_field_then_accept_then_the_query_then_the_default() {
    let (gateway, _old, _new) = gateway(TRAFFIC).await;
    for (path, fields, body, version) in [
        ("/api/v1/patients/7", vec![V2, ACCEPT_V2], "old /api/v1/patients/7 version=v1", "v1"),
        ("/api/v2/patients/7?a=b", vec![V1], "new /people/7?a=b version=v2", "v2"),
        ("/api/patients/7", vec![V2], "new /people/7 version=v2", "v2"),
        ("/api/patients/7", vec![V1, ACCEPT_V2], "old /api/v1/patients/7 version=v1", "v1"),
        ("/api/patients/7", vec![ACCEPT_V2], "new /people/7 version=v2 accept=application/json", "v2"),
        ("/api/patients/7?api-version=v2", vec![], "new /people/7?api-version=v2 version=v2", "v2"),
        ("/api/patients/7", vec![], "old /api/v1/patients/7 version=v1", "v1"),
        ("/api/v1/notes/a/b", vec![], "new /api/v2/notes/a/b version=v2", "v1"),
    ] {
        let answer = ask(&gateway, path, &fields).await;
        assert!(answer.text().starts_with(body), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-api-version"), Some(version), "{path}");
    }
    assert_eq!(ask(&gateway, "/api/v1/patients/7", &[]).await.header("x-shape"), Some("flat"));
    assert_eq!(ask(&gateway, "/api/v2/patients/7", &[]).await.header("x-shape"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_without_versions_are_found_as_before() {
    let (gateway, _old, _new) = gateway(TRAFFIC).await;
    assert_eq!(gateway.get("/api/v1/login").await.text(), "hello");
    assert_eq!(gateway.get("/api/v2/login").await.text(), "nothing");
    let answer = gateway.get("/api/v1/other").await;
    assert_eq!((answer.status, answer.header("x-api-version")), (404, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_refused_by_its_place_and_the_others_are_named() {
    let (gateway, old, new) = gateway(TRAFFIC).await;
    let accept = |version: &str| format!("application/vnd.nilecare.{version}+json");
    let (accept_v3, accept_v9) = (accept("v3"), accept("v9"));
    for (path, fields, status, code) in [
        ("/api/v3/patients/7", vec![], 404, "unsupported_version"),
        ("/api/v999999999999/patients/7", vec![], 404, "unsupported_version"),
        ("/api/patients/7", vec![("X-API-Version", "v3")], 400, "unsupported_version"),
        ("/api/patients/7", vec![("X-API-Version", "latest")], 400, "unsupported_version"),
        ("/api/patients/7?api-version=9", vec![], 400, "unsupported_version"),
        ("/api/patients/7", vec![("Accept", &*accept_v3)], 406, "unsupported_version"),
        ("/api/patients/7", vec![("Accept", &*accept_v9)], 406, "unsupported_version"),
        ("/api/patients/7", vec![V1, V2], 400, "version_conflict"),
    ] {
        let answer = ask(&gateway, path, &fields).await;
        assert_eq!(answer.status, status, "{path} {fields:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{path} {fields:?}");
        assert_eq!(problem["supported"], serde_json::json!(["v1", "v2"]), "{path} {fields:?}");
    }
    assert!(old.requests().is_empty() && new.requests().is_empty(), "nothing was forwarded");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("proxy_api_version_refusals_total", &[("reason", "unknown")]), 4.0);
    assert_eq!(metrics.sum("proxy_api_version_refusals_total", &[("reason", "not_served")]), 3.0);
    assert_eq!(metrics.sum("proxy_api_version_refusals_total", &[("reason", "conflict")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_refuses_contradictions() {
    let strict = TRAFFIC.replace("  default: v1\n", "  default: v1\n  strict: true\n");
    let (gateway, _old, _new) = gateway(&strict).await;
    let answer = ask(&gateway, "/api/v1/patients/7", &[V2]).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &"version_conflict".into()));
    assert_eq!(ask(&gateway, "/api/v2/patients/7", &[V2, ACCEPT_V2]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_on_the_way_are_told_what_decided() {
    let (gateway, _old, _new) = gateway(TRAFFIC).await;
    let vary = async |path, fields: &[(&str, &str)]| {
        ask(&gateway, path, fields)
            .await
            .headers
            .get_all("vary")
            .iter()
            .map(|v| v.to_str().unwrap().to_lowercase())
            .collect::<Vec<_>>()
    };
    assert!(vary("/api/v1/patients/7", &[]).await.is_empty());
    assert_eq!(vary("/api/patients/7", &[V2]).await, ["x-api-version"]);
    assert_eq!(vary("/api/patients/7", &[ACCEPT_V2]).await, ["x-api-version", "accept"]);
    assert_eq!(vary("/api/patients/7", &[]).await, ["x-api-version", "accept"]);
    let answer = ask(&gateway, "/api/patients/7", &[ACCEPT_V2]).await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.nilecare.v2+json"));
    let answer = ask(&gateway, "/api/v2/patients/7", &[ACCEPT_V2]).await;
    assert_eq!(answer.header("content-type"), Some("application/json"), "the path decided");
}

/// What decided is one thing; a service that read another would answer in a shape nobody expects.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_hears_of_no_version_but_its_own() {
    let (gateway, _old, new) = gateway(TRAFFIC).await;
    let heard =
        async |path: &str, fields: &[(&str, &str)]| ask(&gateway, path, fields).await.text().to_owned();
    assert_eq!(
        heard("/api/v1/notes/7?a=1&api-version=v1&b", &[ACCEPT_V2]).await,
        "new /api/v2/notes/7?a=1&api-version=v2&b version=v2 accept=application/json"
    );
    assert_eq!(
        heard(
            "/api/v2/patients/7?api-version=v1",
            &[("Accept", "text/html, application/vnd.nilecare.v9+json;q=0.1")]
        )
        .await,
        "new /people/7?api-version=v2 version=v2 accept=application/json"
    );
    assert_eq!(
        heard("/api/v2/notes/7", &[("Accept", "text/html")]).await,
        "new /api/v2/notes/7 version=v2 accept=text/html"
    );
    assert_eq!(new.requests().len(), 3);
    let two = ask(&gateway, "/api/notes/7?api-version=v1&api-version=v2", &[]).await;
    assert_eq!((two.status, &two.json()["code"]), (400, &"version_conflict".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_come_of_age() {
    let lives = r#"
      v1: { deprecated: 2024-01-01, sunset: 2025-01-01, documentation: "https://docs.example/v1" }
      v2: { deprecated: 2025-06-01, sunset: 2199-01-01, documentation: "https://docs.example/v2" }
      v3: { deprecated: 2025-06-01, brownouts: [{ from: 2026-01-01, until: 2199-01-01 }] }"#;
    let traffic = TRAFFIC
        .replace("versions: { v1: {}, v2: {}, v3: {} }", &format!("versions: {lives}"))
        .replace(
            "v2: { upstream: new, path: \"/people/{id}\" }",
            "v2: { upstream: new, path: \"/people/{id}\" }\n      v3: { upstream: new }",
        )
        .replace("  default: v1\n", "  default: v2\n  consumer: \"header:X-Client-Id\"\n");
    let (gateway, old, _new) = gateway(&traffic).await;
    let over = ask(&gateway, "/api/v1/patients/7", &[("X-Client-Id", "lab")]).await;
    assert_eq!((over.status, &over.json()["code"]), (410, &"version_sunset".into()));
    assert_eq!(over.json()["supported"], serde_json::json!(["v2", "v3"]));
    assert_eq!(over.header("sunset"), Some("Wed, 01 Jan 2025 00:00:00 GMT"));
    assert!(old.requests().is_empty());
    let away = ask(&gateway, "/api/v3/patients/7", &[]).await;
    assert_eq!((away.status, &away.json()["code"]), (503, &"version_brownout".into()));
    assert!(away.header("retry-after").unwrap().parse::<u64>().unwrap() > 86_400);
    let ending = ask(&gateway, "/api/patients/7", &[("X-Client-Id", "lab")]).await;
    assert_eq!(ending.status, 200);
    assert_eq!(ending.header("deprecation"), Some("@1748736000"));
    let links: Vec<_> = ending.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    assert_eq!(links[1], "</api/v3/patients/7>; rel=\"successor-version\"");
    assert!(links[0].starts_with("<https://docs.example/v2>; rel=\"deprecation\""), "{links:?}");
    let metrics = gateway.metrics().await;
    let calls = |version, consumer| {
        metrics.sum("proxy_api_version_calls_total", &[("version", version), ("consumer", consumer)])
    };
    assert_eq!((calls("v1", "lab"), calls("v2", "lab"), calls("v3", "_none")), (1.0, 1.0, 1.0));
    let over = metrics.sum("proxy_api_version_sunset_timestamp_seconds", &[("version", "v1")]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(over > 0.0 && over < now, "{over}");
    let report = gateway.admin("/versions").await.json();
    let lab: Vec<_> =
        report["data"]["calls"].as_array().unwrap().iter().filter(|c| c["consumer"] == "lab").collect();
    assert_eq!(lab.len(), 2, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_an_end_pauses_as_well() {
    let brownouts = "v1: { brownouts: [{ from: 2026-01-01, until: 2199-01-01 }] }, v2: {},";
    let (gateway, old, _new) = gateway(&TRAFFIC.replace("v1: {}, v2: {},", brownouts)).await;
    let away = ask(&gateway, "/api/v1/patients/7", &[]).await;
    assert_eq!((away.status, &away.json()["code"]), (503, &"version_brownout".into()));
    assert!(old.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_versions_are_listed() {
    let traffic =
        TRAFFIC.replace("v1: {}, v2: {},", "v1: { deprecated: 2024-01-01, sunset: 2199-06-30 }, v2: {},");
    let (gateway, _old, _new) = gateway(&traffic).await;
    let list = gateway.get("/api/versions").await.json();
    assert_eq!(list["default"], "v1");
    assert_eq!(list["versions"][0]["status"], "deprecated");
    assert_eq!(list["versions"][0]["sunset"], "2199-06-30");
    assert_eq!(list["versions"][0]["successor"], "v2");
    assert_eq!(
        list["versions"][1],
        serde_json::json!({
            "version": "v2", "status": "current", "path": "/api/v2", "media_type": "application/vnd.nilecare.v2+json"
        })
    );
    assert_eq!(gateway.client().request(Method::HEAD, "/api/versions").send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_has_entries_of_its_own_however_it_is_stated() {
    let traffic = TRAFFIC.replace(
        "    versions:\n      v1: { upstream: old",
        "    cache: { ttl: { 200: 1h } }\n    versions:\n      v1: { upstream: old",
    );
    let (gateway, old, new) = gateway(&traffic).await;
    for _ in 0..2 {
        for (path, fields) in
            [("/api/v1/patients/7", vec![]), ("/api/patients/7", vec![V1]), ("/api/patients/7", vec![])]
        {
            let answer = ask(&gateway, path, &fields).await;
            assert!(answer.text().starts_with("old"), "{}", answer.text());
            assert_eq!(answer.header("x-api-version"), Some("v1"));
        }
        for (path, fields) in [
            ("/api/v2/patients/7", vec![]),
            ("/api/patients/7", vec![V2]),
            ("/api/patients/7", vec![ACCEPT_V2]),
        ] {
            let answer = ask(&gateway, path, &fields).await;
            assert!(answer.text().starts_with("new"), "{}", answer.text());
            assert_eq!(answer.header("x-api-version"), Some("v2"));
        }
    }
    assert_eq!((old.requests().len(), new.requests().len()), (1, 1), "one fetch for each version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_or_a_purge_in_one_version_voids_the_resource_in_all() {
    let traffic = TRAFFIC.replace(
        "    versions:\n      v1: { upstream: old",
        "    cache: { ttl: { 200: 1h } }\n    versions:\n      v1: { upstream: old",
    );
    let (gateway, old, new) = gateway(&traffic).await;
    let both = async || {
        ask(&gateway, "/api/v1/patients/7", &[]).await;
        ask(&gateway, "/api/v2/patients/7", &[]).await;
    };
    both().await;
    gateway.client().post("/api/v2/patients/7", "{}").send().await;
    both().await;
    assert_eq!((old.requests().len(), new.requests().len()), (2, 3), "after a write");
    let admin = crate::harness::Client::new(gateway.admin_address());
    let host = gateway.address();
    for body in [
        format!("{{\"url\": \"http://{host}/api/v1/patients/7\"}}"),
        "{\"pattern\": \"/api/v2/patients/*\"}".to_owned(),
    ] {
        let before = old.requests().len();
        let said = admin.post("/cache/purge", body.clone()).send().await;
        assert_eq!(said.status, 200, "{}", said.text());
        both().await;
        assert_eq!(old.requests().len(), before + 1, "after {body}");
    }
    let entry = gateway.admin(&format!("/cache/entry?url=http://{host}/api/v2/patients/7")).await;
    assert_eq!(entry.status, 200, "{}", entry.text());
}

/// Memory is asked before Pingora: what it cannot answer must not count twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once_wherever_its_answer_comes_from() {
    let traffic = TRAFFIC
        .replace("v3: {} }", "v3: { sunset: 2020-01-01 } }")
        .replace("versions: { v1: {},", "versions: { v1: { sunset: 2999-01-01 },")
        .replace(
            "    versions:\n      v1: { upstream: old",
            "    cache: { ttl: { 200: 1h } }\n    versions:\n      v3: { upstream: old }\n      v1: { upstream: old",
        );
    let (gateway, _old, _new) = gateway(&traffic).await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, "/api/v1/patients/7", &[]).await.status, 200);
        assert_eq!(ask(&gateway, "/api/v3/patients/7", &[]).await.status, 410);
        assert_eq!(ask(&gateway, "/api/patients/7", &[("X-API-Version", "v9")]).await.status, 400);
    }
    for (name, labels, count) in [
        ("proxy_api_version_requests_total", [("version", "v1")], 2.0),
        ("proxy_api_version_requests_total", [("version", "v3")], 2.0),
        ("proxy_api_version_calls_total", [("version", "v1")], 2.0),
        ("proxy_api_version_calls_total", [("version", "v3")], 2.0),
        ("proxy_api_version_refusals_total", [("reason", "sunset")], 2.0),
        ("proxy_api_version_refusals_total", [("reason", "unknown")], 2.0),
    ] {
        gateway.wait_metric(name, &labels, count).await;
        assert_eq!(gateway.metrics().await.sum(name, &labels), count, "{name} {labels:?}");
    }
}
