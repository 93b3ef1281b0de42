//! Every way to state a version, for every way to serve one, by every method, over HTTP/1.1
//! and HTTP/2, with a cache and without: the right service, body, fields and entry.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Gateway, Origin, Response};

/// Three versions. `patients` has a service for v1 and one for v2, and none for v3. `people` has
/// one service, which speaks v2: older clients and newer ones are mapped. `notes` has one
/// that speaks v1, as it is for all.
const TRAFFIC: &str = r#"
api_versions:
  versions: { v1: {}, v2: {}, v3: {} }
  default: v1
  sources: [path, header, accept, query]
  vendor: nilecare
upstreams:
  one: { backends: ['@one@'] }
  two: { backends: ['@two@'] }
auth:
  providers:
    keys:
      api_keys:
        header: X-API-Key
        keys:
          - { id: ann, hash: "sha256:@ann@", claims: { tenant: north } }
          - { id: bob, hash: "sha256:@bob@", claims: { tenant: south } }
          - { id: eve, hash: "sha256:@eve@", claims: { tenant: west } }
mappings:
  older:
    from: v1
    to: v2
    request: [{ rename: { name: fullName } }]
    response: [{ rename: { fullName: name } }]
    statuses: [200, 201]
  newer:
    from: v2
    to: v3
    request: [{ wrap: { fields: [fullName], into: person } }]
    response: [{ unwrap: person }]
    statuses: [200, 201]
routes:
  - name: patients
    match: { path: "/api/patients/{id}" }
    versions: { v1: { upstream: one }, v2: { upstream: two } }
    @cache@
  - name: people
    match: { path: "/api/people/{id}" }
    upstream: two
    versions: { v1: { map: older }, v2: { path: "/internal/people/{id}" }, v3: { map: newer } }
    @cache@
  - name: notes
    match: { path: "/api/notes/{id}" }
    upstream: one
    versions: { v1: {}, v2: { via: v1 }, v3: { via: v1 } }
    @cache@
  - name: mine
    match: { path: "/api/mine/{id}" }
    upstream: two
    auth: { with: keys, forward: { X-User: subject } }
    versions: { v1: { map: older }, v2: {} }
    cache: { ttl: { 200: 1h }, partition: "claim:tenant" }
"#;

/// A service that says in its version's words who it is, what it was asked and by whom.
async fn service(name: &'static str) -> Origin {
    Origin::start(move |request| {
        let key = if name == "one" { "name" } else { "fullName" };
        let sent: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let id = request.target.rsplit('/').next().unwrap_or_default();
        let body = json!({
            key: id.split('?').next(),
            "service": name,
            "asked": request.header("x-api-version"),
            "path": request.target.split('?').next(),
            "user": request.header("x-user"),
            "sent": sent[key],
        });
        let status = if request.method == "POST" { 201 } else { 200 };
        Answer::status(status)
            .header("Content-Type", "application/json")
            .header("ETag", "\"e\"")
            .body(body.to_string())
    })
    .await
}

async fn gateway(cache: &str) -> (Gateway, Origin, Origin) {
    let (one, two) = (service("one").await, service("two").await);
    let hash = |key: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut builder = Gateway::new().set("one", &one).set("two", &two).set("cache", cache);
    for key in ["ann", "bob", "eve"] {
        builder = builder.set(key, hash(key));
    }
    (builder.traffic(TRAFFIC).start().await, one, two)
}

/// How a request states its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Path,
    Header,
    Accept,
    Query,
    Default,
}

async fn ask(
    client: &Client,
    method: &Method,
    route: &str,
    id: &str,
    version: &str,
    source: Source,
) -> Response {
    let path = match source {
        Source::Path => format!("/api/{version}/{route}/{id}"),
        Source::Query => format!("/api/{route}/{id}?api-version={version}"),
        _ => format!("/api/{route}/{id}"),
    };
    let mut request = match *method {
        Method::POST | Method::PUT => {
            client.request(method.clone(), &path).header("Content-Type", "application/json")
        }
        _ => client.request(method.clone(), &path),
    };
    match source {
        Source::Header => request = request.header("X-API-Version", version),
        Source::Accept => {
            request = request.header("Accept", &format!("application/vnd.nilecare.{version}+json"))
        }
        Source::Path | Source::Query | Source::Default => {}
    }
    if matches!(*method, Method::POST | Method::PUT) {
        let body = match (route, version) {
            ("people", "v3") => json!({ "person": { "fullName": "given" } }),
            ("people" | "patients", "v2") => json!({ "fullName": "given" }),
            _ => json!({ "name": "given" }),
        };
        request = request.body(body.to_string());
    }
    request.send().await
}

/// What the answer has to be: its service, the version that is asked there, the path there, and
/// where the client finds the name. `None`: the route does not serve the version.
fn expected(
    route: &str,
    version: &str,
    id: &str,
) -> Option<(&'static str, &'static str, String, &'static str)> {
    let own = |version: &str| format!("/api/{version}/{route}/{id}");
    match (route, version) {
        ("patients", "v1") => Some(("one", "v1", own("v1"), "/name")),
        ("patients", "v2") => Some(("two", "v2", own("v2"), "/fullName")),
        ("people", "v1") => Some(("two", "v2", format!("/internal/people/{id}"), "/name")),
        ("people", "v2") => Some(("two", "v2", format!("/internal/people/{id}"), "/fullName")),
        ("people", "v3") => Some(("two", "v2", format!("/internal/people/{id}"), "/person/fullName")),
        ("notes", _) => Some(("one", "v1", own("v1"), "/name")),
        _ => None,
    }
}

async fn matrix(cache: &str) -> usize {
    let (gateway, one, two) = gateway(cache).await;
    let mut cells = 0;
    for client in [gateway.client(), gateway.client().http2()] {
        for source in [Source::Path, Source::Header, Source::Accept, Source::Query, Source::Default] {
            for version in ["v1", "v2", "v3"] {
                if source == Source::Default && version != "v1" {
                    continue;
                }
                for route in ["patients", "people", "notes"] {
                    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT] {
                        cells += 1;
                        let id = format!("{cells}");
                        let cell = format!("{method} {route} {version} by {source:?}, {cache:?}");
                        let answer = ask(&client, &method, route, &id, version, source).await;
                        check(&answer, &method, route, version, source, &id, &cell);
                        if !cache.is_empty() && method == Method::GET && answer.status == 200 {
                            let before = one.requests().len() + two.requests().len();
                            let again = ask(&client, &method, route, &id, version, source).await;
                            check(&again, &method, route, version, source, &id, &cell);
                            assert_eq!(one.requests().len() + two.requests().len(), before, "{cell}: kept");
                            // The same version, stated elsewhere, is the same entry.
                            let by_path = ask(&client, &method, route, &id, version, Source::Path).await;
                            let kept = if source == Source::Query { before + 1 } else { before };
                            assert_eq!(one.requests().len() + two.requests().len(), kept, "{cell}: by path");
                            assert_eq!(by_path.json()["path"], answer.json()["path"], "{cell}");
                        }
                    }
                }
            }
        }
    }
    cells
}

fn check(
    answer: &Response,
    method: &Method,
    route: &str,
    version: &str,
    source: Source,
    id: &str,
    cell: &str,
) {
    let Some((service, spoken, path, name)) = expected(route, version, id) else {
        let status = match source {
            Source::Path | Source::Default => 404,
            Source::Header | Source::Query => 400,
            Source::Accept => 406,
        };
        assert_eq!(answer.status, status, "{cell}");
        if *method != Method::HEAD {
            assert_eq!(answer.json()["code"], "unsupported_version", "{cell}");
        }
        return;
    };
    let created = *method == Method::POST;
    assert_eq!(answer.status, if created { 201 } else { 200 }, "{cell}: {}", answer.text());
    assert_eq!(answer.header("x-api-version"), Some(version), "{cell}");
    let kind = match source {
        Source::Accept => format!("application/vnd.nilecare.{version}+json"),
        _ => "application/json".to_owned(),
    };
    assert_eq!(answer.header("content-type"), Some(&*kind), "{cell}");
    let is_mapped = route == "people" && version != "v2";
    let tag = if is_mapped { format!("W/\"e-{version}\"") } else { "\"e\"".to_owned() };
    assert_eq!(answer.header("etag"), Some(&*tag), "{cell}");
    if *method == Method::HEAD {
        assert!(answer.body.is_empty(), "{cell}");
        return;
    }
    let length = answer.header("content-length").map(|length| length.parse::<usize>().unwrap());
    assert!(length.is_none_or(|length| length == answer.body.len()), "{cell}: {length:?}");
    let body = answer.json();
    assert_eq!(
        (&body["service"], &body["asked"], &body["path"]),
        (&json!(service), &json!(spoken), &json!(path)),
        "{cell}"
    );
    assert_eq!(body.pointer(name), Some(&json!(id)), "{cell}: {body}");
    if matches!(*method, Method::POST | Method::PUT) && route != "notes" {
        assert_eq!(body["sent"], "given", "{cell}: what the service was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache() {
    assert_eq!(matrix("").await, 312);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_cache() {
    assert_eq!(matrix("cache: { ttl: { 200: 1h } }").await, 312);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mixed_requests_never_get_what_is_anothers() {
    let (gateway, _one, two) = gateway("").await;
    let gateway = Arc::new(gateway);
    let workers = (0..20usize).map(|worker| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let client = if worker % 2 == 0 { gateway.client() } else { gateway.client().http2() };
            for n in 0..500usize {
                // Neither in step with the other workers nor with itself.
                let mix = (worker * 7919 + n * 104_729) % 1009;
                let (user, version) = (["ann", "bob", "eve"][mix % 3], ["v1", "v2"][mix / 3 % 2]);
                let id = format!("{}", mix / 6 % 10);
                let path = if mix % 5 == 0 {
                    format!("/api/{version}/mine/{id}")
                } else {
                    format!("/api/mine/{id}")
                };
                let request = client.get(&path).header("X-API-Key", user).header("X-API-Version", version);
                let answer = request.header("X-User", "spoofed").send().await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                let body = answer.json();
                let name = if version == "v1" { &body["name"] } else { &body["fullName"] };
                assert_eq!((&body["user"], name), (&json!(user), &json!(id)), "{version} {body}");
                assert_eq!(answer.header("x-api-version"), Some(version));
            }
        })
    });
    for worker in futures::future::join_all(workers).await {
        worker.unwrap();
    }
    assert_eq!(two.requests().len(), 3 * 2 * 10, "one fetch for each caller, version and resource");
}
