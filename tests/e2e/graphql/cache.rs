//! What REST clients and queries share, and what is kept of queries themselves.

use futures::future::join_all;
use http::Method;
use serde_json::json;

use super::{PATIENT, ask, clinic, data, graph, target};
use crate::{
    cache::tiers::wait_linked,
    harness::{Answer, Gate, Gateway, Origin, Response, redis::RedisServer, wait_until},
};

/// Both nodes are asked for the same.
const HOST: &str = "clinic.example";

const CACHE: &str = ", cache: { x_cache: true }";

async fn get(gateway: &Gateway, parameters: &[(&str, &str)]) -> Response {
    let client = gateway.client();
    client.get(&target(parameters)).header("Accept", "application/graphql-response+json").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rest_client_has_fetched_is_there_for_queries_and_the_reverse() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", CACHE, "").start().await;
    gateway.get("/rest/patients/1").await;
    assert_eq!(data(&ask(&gateway.client(), PATIENT).await)["patient"]["name"], "Patient 1");
    assert_eq!(origin.requests().len(), 1);
    data(&ask(&gateway.client(), "{ patient(id: 2) { name } }").await);
    let rest = gateway.get("/rest/patients/2").await;
    assert_eq!((rest.json()["name"].as_str(), rest.header("x-cache")), (Some("Patient 2"), Some("HIT")));
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_takes_what_it_changes_out_of_the_cache() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", CACHE, CACHE).start().await;
    let list = "{ patients(limit: null) { name } }";
    for _ in 0..2 {
        gateway.get("/rest/patients/1").await;
        get(&gateway, &[("query", PATIENT)]).await;
        ask(&gateway.client(), list).await;
    }
    assert_eq!(origin.requests().len(), 2, "{:?}", origin.targets());
    let answer = ask(&gateway.client(), "mutation { rename(id: 1, name: \"Ada\") { name } }").await;
    assert_eq!(data(&answer)["rename"]["name"], "Ada");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    gateway.get("/rest/patients/1").await;
    ask(&gateway.client(), list).await;
    let answer = get(&gateway, &[("query", PATIENT)]).await;
    assert_eq!(answer.header("x-cache"), Some("MISS"), "made of what has changed");
    assert_eq!(origin.targets()[2..], ["/rest/patients/1", "/rest/patients/1", "/rest/patients"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_by_get_is_kept_however_it_is_written() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    let query =
        "query P($id: ID!, $more: Boolean = false) { patient(id: $id) { name id @include(if: $more) } }";
    let first = get(&gateway, &[("query", query), ("variables", r#"{"id":"1","more":true}"#)]).await;
    assert_eq!(first.header("x-cache"), Some("MISS"));
    assert_eq!(first.header("cache-control"), Some("max-age=30"), "the schema says less than the service");
    let again = get(&gateway, &[("variables", r#"{ "more": true, "id": "1" }"#), ("query", query)]).await;
    assert_eq!((again.header("x-cache"), again.text()), (Some("HIT"), first.text()));
    assert!(again.header("age").is_some());
    let other = get(&gateway, &[("query", query), ("variables", r#"{"id":"2","more":true}"#)]).await;
    assert_eq!(other.header("x-cache"), Some("MISS"));
    assert_eq!(data(&other)["patient"]["name"], "Patient 2");
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_posts_are_not_kept() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    let missing = "{ patient(id: 1) { name } staff }";
    for _ in 0..2 {
        let answer = get(&gateway, &[("query", missing)]).await;
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "it has a field with a rule");
        assert_ne!(answer.header("x-cache"), Some("HIT"));
        assert_ne!(ask(&gateway.client(), PATIENT).await.header("x-cache"), Some("HIT"));
    }
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_ask_the_same_at_once_cause_one_set_of_calls() {
    let origin = clinic().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.script(move |request| {
        let body = match &*request.target {
            "/rest/patients?limit=2" => json!([super::patient(1), super::patient(2)]),
            _ => json!([super::owned("1"), super::owned("2")]),
        };
        Answer::ok(body.to_string()).header("Cache-Control", "max-age=60").hold(&held)
    });
    let gateway = graph(&origin, "", CACHE, "").start().await;
    let client = gateway.client();
    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            let asking = (0..100)
                .map(|_| ask(&client, "{ patients(limit: 2) { appointments { id } labOrders { id } } }"));
            join_all(asking).await
        }
    });
    origin.wait_begun(1).await;
    gate.open();
    for answer in asking.await.unwrap() {
        assert_eq!(data(&answer)["patients"].as_array().unwrap().len(), 2);
    }
    assert_eq!(origin.requests().len(), 3, "{:?}", origin.targets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_client_that_changes_something_voids_queries_made_of_it() {
    let origin = clinic().await;
    let gateway = graph(&origin, "", "", CACHE).start().await;
    get(&gateway, &[("query", PATIENT)]).await;
    assert_eq!(get(&gateway, &[("query", PATIENT)]).await.header("x-cache"), Some("HIT"));
    let client = gateway.client();
    client.request(Method::PUT, "/rest/patients/1").body(r#"{"name":"Ada"}"#).send().await;
    assert_eq!(get(&gateway, &[("query", PATIENT)]).await.header("x-cache"), Some("MISS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tells_of_one_execution_is_not_kept_for_another() {
    let origin = clinic().await;
    // This route would keep every 200, whatever the response says of it.
    let eager = ", cache: { x_cache: true, ttl: { '200': 60s } }";
    let gateway = graph(&origin, ", trace: true", "", eager).start().await;
    let traced = async |query: &str| {
        let client = gateway.client();
        client.get(&target(&[("query", query)])).header("X-GraphQL-Trace", "1").send().await
    };
    for _ in 0..2 {
        let answer = traced(PATIENT).await;
        assert!(answer.json()["extensions"]["trace"]["calls"][0].is_object(), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_ne!(answer.header("x-cache"), Some("HIT"));
    }
    let plain = get(&gateway, &[("query", PATIENT)]).await;
    assert_eq!((plain.header("x-cache"), &plain.json()["extensions"]), (Some("MISS"), &json!(null)));
    assert_eq!(get(&gateway, &[("query", PATIENT)]).await.header("x-cache"), Some("HIT"));
    let again = traced(PATIENT).await;
    assert!(again.json()["extensions"]["trace"].is_object(), "not what is kept: {again:?}");

    for query in ["{ patient(id: 1) { name } staff }", "{ nothing }"] {
        for _ in 0..2 {
            let answer = get(&gateway, &[("query", query)]).await;
            assert!(answer.json()["errors"].is_array(), "{answer:?}");
            assert_ne!(answer.header("x-cache"), Some("HIT"));
            assert!(answer.header("cache-control").unwrap().contains("no-store"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_at_one_node_voids_what_another_has_kept() {
    let (origin, redis) = (clinic().await, RedisServer::start().await);
    let node = async || {
        let cache = format!("{{ redis: {{ url: '{}', timeout: 2s }} }}", redis.url());
        graph(&origin, "", CACHE, CACHE).process("cache", &cache).start().await
    };
    let (one, other) = (node().await, node().await);
    wait_linked(&one, &redis).await;
    wait_linked(&other, &redis).await;
    let rest = async |gateway: &Gateway| gateway.client().get("/rest/patients/1").host(HOST).send().await;
    let query = async |gateway: &Gateway| {
        gateway.client().get(&target(&[("query", PATIENT)])).host(HOST).send().await
    };
    for _ in 0..2 {
        rest(&other).await;
        query(&other).await;
    }
    assert_eq!(rest(&other).await.header("x-cache"), Some("HIT"));
    assert_eq!(query(&other).await.header("x-cache"), Some("HIT"));
    let rename = json!({ "query": "mutation { rename(id: 1, name: \"Ada\") { name } }" });
    let client = one.client();
    let request = client.post("/graphql", rename.to_string()).host(HOST);
    data(&request.header("Content-Type", "application/json").send().await);
    wait_until("both to be void at the other node", async || {
        let fetched = origin.targets().len();
        let (rest, query) = (rest(&other).await, query(&other).await);
        rest.header("x-cache") == Some("MISS")
            && query.header("x-cache") == Some("MISS")
            && origin.targets().len() > fetched
    })
    .await;
}

/// A clinic whose answers say this of keeping them.
async fn saying(fields: &[(&'static str, &'static str)]) -> Origin {
    let fields = fields.to_owned();
    Origin::start(move |request| {
        let who = request.header("authorization").unwrap_or("nobody");
        let answer = Answer::ok(json!({ "id": 1, "name": who, "note": null }).to_string());
        fields.iter().fold(answer, |answer, (name, value)| answer.header(name, value))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_forbids_is_forbidden_to_the_response_made_of_it() {
    let forbidding: &[&[(&str, &str)]] = &[
        &[("Cache-Control", "no-store")],
        &[("Cache-Control", "no-cache")],
        &[("Cache-Control", "no-cache, max-age=60")],
        &[("Cache-Control", "max-age=60, s-maxage=0")],
        &[("Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store")],
        &[("Cache-Control", "max-age=60"), ("Surrogate-Control", "no-store")],
        &[("Cache-Control", "max-age=60"), ("Set-Cookie", "a=b")],
        &[("Cache-Control", "max-age=60"), ("Vary", "*")],
        &[("Expires", "0")],
    ];
    for fields in forbidding {
        for rest in ["", CACHE] {
            let origin = saying(fields).await;
            let gateway = graph(&origin, "", rest, CACHE).start().await;
            for _ in 0..2 {
                let answer = get(&gateway, &[("query", PATIENT)]).await;
                assert_eq!(data(&answer)["patient"]["name"], "nobody");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{fields:?} {rest}");
                assert_ne!(answer.header("x-cache"), Some("HIT"), "{fields:?} {rest}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_varies_by_what_its_answers_vary_by() {
    let origin = Origin::start(|request| {
        let language = request.header("accept-language").unwrap_or("none");
        Answer::ok(json!({ "id": 1, "name": language, "note": null }).to_string())
            .header("Cache-Control", "max-age=60")
            .header("Vary", "Accept-Language, X-Not-Passed-On")
    })
    .await;
    let gateway = graph(&origin, "", CACHE, CACHE).start().await;
    let client = gateway.client();
    let target = target(&[("query", PATIENT)]);
    for expected in ["MISS", "HIT"] {
        for language in ["de", "fr"] {
            let answer = client.get(&target).header("Accept-Language", language).send().await;
            assert_eq!(data(&answer)["patient"]["name"], language);
            assert_eq!(answer.header("x-cache"), Some(expected), "{language}");
        }
        let without = client.get(&target).send().await;
        assert_eq!(data(&without)["patient"]["name"], "none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_with_credentials_is_for_their_owner_alone() {
    // The service decides by itself whom it answers: no route has a rule.
    let origin = saying(&[("Cache-Control", "max-age=60")]).await;
    let gateway = graph(&origin, "", CACHE, ", cache: { shared: true, x_cache: true }").start().await;
    let client = gateway.client();
    let target = target(&[("query", PATIENT)]);
    for who in ["Bearer alice", "Bearer bob", "Bearer alice"] {
        let answer = client.get(&target).header("Authorization", who).send().await;
        assert_eq!(data(&answer)["patient"]["name"], who);
        assert_eq!(answer.header("cache-control"), Some("private, max-age=30"));
        assert_eq!(answer.header("vary"), Some("Accept, Authorization"));
    }
    assert_eq!(data(&client.get(&target).send().await)["patient"]["name"], "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_the_answers_void_the_response() {
    let origin = clinic().await;
    let rest = ", cache: { tags: [patients] }, on_write: [patients]";
    let gateway = graph(&origin, "", rest, CACHE).start().await;
    let list = "{ patient(id: 1) { name } more: patient(id: 2) { name } }";
    for expected in ["MISS", "HIT"] {
        assert_eq!(get(&gateway, &[("query", list)]).await.header("x-cache"), Some(expected));
    }
    // A URL that is in no query, of a route that names what it changes.
    let client = gateway.client();
    client.request(Method::PUT, "/rest/patients/9").body(r#"{"name":"Ada"}"#).send().await;
    assert_eq!(get(&gateway, &[("query", list)]).await.header("x-cache"), Some("MISS"));
}
