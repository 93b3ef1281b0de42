//! What is kept for one caller is not served to another.

use std::time::Duration;

use serde_json::json;

use super::{SECRET, with_token};
use crate::commands::{nilegate, written};
use crate::harness::{
    Answer, Gateway, Origin,
    tokens::{Signer, claims},
};

fn traffic(cache: &str) -> String {
    format!(
        "upstreams: {{ origin: {{ backends: ['@origin@'] }} }}
auth: {{ providers: {{ staff: {{ jwt: {{ keys: {{ secret: '{SECRET}' }} }} }} }} }}
routes:
  - name: kept
    upstream: origin
    auth: {{ with: staff, mode: optional, forward: {{ X-User-Id: subject, X-Tenant: 'claim:tenant', X-Roles: roles }} }}
    cache: {cache}"
    )
}

/// Answers with all it is told of the caller.
async fn personal(control: &'static str) -> Origin {
    Origin::start(move |request| {
        let field = |name: &str| request.header(name).unwrap_or("nobody").to_owned();
        let text = format!("{} of {} as {}", field("x-user-id"), field("x-tenant"), field("x-roles"));
        Answer::ok(text).header("Cache-Control", control)
    })
    .await
}

fn token(subject: &str, tenant: &str, roles: &[&str]) -> String {
    let mut facts = claims(subject);
    facts["tenant"] = json!(tenant);
    facts["roles"] = json!(roles);
    Signer::hs256(SECRET).token(&facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_copy_for_each_value_of_a_claim() {
    let origin = personal("max-age=60").await;
    let gateway = Gateway::new()
        .set("origin", &origin)
        .traffic(&traffic("{ partition: 'claim:tenant' }"))
        .start()
        .await;
    let (ann, bob, eve) =
        (token("ann", "north", &[]), token("bob", "north", &[]), token("eve", "south", &[]));
    for _ in 0..2 {
        assert_eq!(with_token(&gateway.client(), "/list", &ann).await.text(), "ann of north as nobody");
        assert_eq!(with_token(&gateway.client(), "/list", &bob).await.text(), "ann of north as nobody");
        assert_eq!(with_token(&gateway.client(), "/list", &eve).await.text(), "eve of south as nobody");
    }
    assert_eq!(origin.requests().len(), 2);
    let anonymous = gateway.get("/list").await;
    assert!(anonymous.header("cache-status").unwrap().contains("partition"), "{anonymous:?}");
    let bare = Signer::hs256(SECRET).token(&claims("zoe"));
    with_token(&gateway.client(), "/list", &bare).await;
    assert_eq!(origin.requests().len(), 4, "without the claim nothing is shared");
    let expired = json!({ "sub": "ann", "tenant": "north", "exp": 1 });
    let refused = with_token(&gateway.client(), "/list", &Signer::hs256(SECRET).token(&expired)).await;
    assert_eq!(refused.status, 401, "what is stored opens no door");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_separate_and_their_order_does_not() {
    let origin = personal("max-age=60").await;
    let gateway =
        Gateway::new().set("origin", &origin).traffic(&traffic("{ partition: roles }")).start().await;
    let ask = async |subject: &str, roles: &[&str]| {
        with_token(&gateway.client(), "/", &token(subject, "t", roles)).await.text().to_owned()
    };
    assert_eq!(ask("ann", &["a", "b"]).await, "ann of t as a,b");
    assert_eq!(ask("bob", &["b", "a"]).await, "ann of t as a,b");
    assert_eq!(ask("eve", &["ab"]).await, "eve of t as ab");
    assert_eq!(ask("zoe", &[]).await, "zoe of t as nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoofed_field_is_no_partition_and_no_variant() {
    let origin = Origin::start(|request| {
        let tenant = request.header("x-tenant").unwrap_or("none").to_owned();
        Answer::ok(tenant).header("Cache-Control", "public, max-age=60").header("Vary", "X-Tenant")
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic("{ shared: true }")).start().await;
    let (north, south) = (token("ann", "north", &[]), token("eve", "south", &[]));
    for _ in 0..2 {
        for (token, tenant) in [(&north, "north"), (&south, "south")] {
            let request = gateway.client();
            let request = request.get("/").header("X-Tenant", "north");
            let answer = request.header("Authorization", &format!("Bearer {token}")).send().await;
            assert_eq!(answer.text(), tenant);
        }
    }
    assert_eq!(origin.requests().len(), 2, "variants go by what was verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_copy_is_refreshed_as_its_caller() {
    let origin = personal("max-age=0, stale-while-revalidate=600").await;
    let gateway =
        Gateway::new().set("origin", &origin).traffic(&traffic("{ partition: 'claim:sub' }")).start().await;
    let (ann, bob) = (token("ann", "t", &[]), token("bob", "t", &[]));
    for _ in 0..3 {
        for (token, name) in [(&ann, "ann"), (&bob, "bob")] {
            let answer = with_token(&gateway.client(), "/me", token).await;
            assert_eq!(answer.text(), format!("{name} of t as nobody"));
        }
    }
    crate::harness::wait_until("the refreshes", async || origin.requests().len() >= 4).await;
    let refused = gateway.metrics().await.sum("proxy_auth_refusals_total", &[]);
    assert_eq!(refused, 0.0, "no refresh is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mixed_requests_never_mix_callers() {
    let origin = personal("max-age=1").await;
    let gateway =
        Gateway::new().set("origin", &origin).traffic(&traffic("{ partition: 'claim:sub' }")).start().await;
    let address = gateway.address();
    let workers = (0..20).map(|worker| {
        tokio::spawn(async move {
            let mut client = crate::harness::RawClient::connect(address).await;
            let name = format!("user-{}", worker % 10);
            let token = token(&name, "t", &[]);
            for round in 0..500 {
                let path = round % 7;
                client
                    .send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"))
                    .await;
                let answer = client.response().await.unwrap();
                assert_eq!(answer.text(), format!("{name} of t as nobody"), "{path}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        tokio::time::timeout(Duration::from_secs(60), worker).await.unwrap().unwrap();
    }
    assert!(origin.requests().len() < 5_000, "most are served from memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_wants_to_know_for_whom_a_guarded_route_keeps() {
    let traffic = traffic("{}").replace("@origin@", "127.0.0.1:2");
    let traffic: String = traffic.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("process: {{ listeners: [{{ address: 127.0.0.1:1 }}] }}\ntraffic:\n{traffic}");
    let (_directory, file) = written(&text);
    let output = nilegate(&["check", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("asks who calls") && said.contains("partition: claim:sub"), "{said}");
}
