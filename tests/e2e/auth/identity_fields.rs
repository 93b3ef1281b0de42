//! What backends are told of the caller comes from the gateway alone.

use serde_json::json;

use super::{SECRET, echo, with_token};
use crate::harness::{
    Answer, Gateway, Origin,
    tokens::{Signer, claims},
};

const TRAFFIC: &str = "\
upstreams: { origin: { backends: ['@origin@'] } }
auth:
  providers:
    staff: { jwt: { keys: { secret: '@secret@' } } }
routes:
  - name: guarded
    match: { path: '/guarded/**' }
    upstream: origin
    auth: { with: staff, mode: optional, forward: { X-User-Id: subject, X-Tenant: 'claim:tenant', X-Roles: roles } }
  - name: open
    match: { path: '/**' }
    upstream: origin
  - name: by-field
    match: { path: '/by-field', headers: { X-User-Id: { present: true } } }
    respond: { body: 'believed' }
";

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_forwarded_and_spoofed_copies_removed() {
    let origin = echo().await;
    let gateway = Gateway::new().set("origin", &origin).set("secret", SECRET).traffic(TRAFFIC).start().await;
    let mut facts = claims("ann");
    facts["tenant"] = json!("north");
    facts["roles"] = json!(["doctor", "nurse"]);
    let token = Signer::hs256(SECRET).token(&facts);
    let spoof = async |path: &str, token: Option<&str>| {
        let client = gateway.client();
        let mut request = client.get(path);
        for name in ["X-User-Id", "x-user-id", "X_User_Id", "X-Tenant", "X-ROLES"] {
            request = request.header(name, "root");
        }
        if let Some(token) = token {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        request.send().await.text().to_owned()
    };
    assert_eq!(spoof("/guarded/a", Some(&token)).await, "ann|north|doctor,nurse");
    assert_eq!(spoof("/guarded/a", None).await, "||");
    assert_eq!(spoof("/open", Some(&token)).await, "||", "on a route that asks nobody, too");
    assert_eq!(spoof("/by-field", None).await, "||", "and no route goes by them");
    for request in origin.requests() {
        assert!(request.headers.iter().all(|(_, value)| value != "root"), "{request:?}");
    }
    let bare = Signer::hs256(SECRET).token(&claims("bob"));
    assert_eq!(with_token(&gateway.client(), "/guarded/a", &bare).await.text(), "bob||");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_can_have_them_removed_on_the_way() {
    let origin = Origin::start(|request| {
        Answer::ok(format!("{:?} {:?}", request.header("x-user-id"), request.header("x-forwarded-user")))
    })
    .await;
    let traffic = TRAFFIC.replace("X-Roles: roles", "X-Forwarded-User: subject");
    let gateway = Gateway::new().set("origin", &origin).set("secret", SECRET).traffic(&traffic).start().await;
    let token = Signer::hs256(SECRET).token(&claims("ann"));
    let answer = gateway
        .client()
        .get("/guarded/")
        .header("Authorization", &format!("Bearer {token}"))
        .header("Connection", "X-User-Id, X-Forwarded-User")
        .send()
        .await;
    assert_eq!(answer.text(), "Some(\"ann\") Some(\"ann\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_field_can_hold_is_left_out_and_counted() {
    let origin = echo().await;
    let gateway = Gateway::new().set("origin", &origin).set("secret", SECRET).traffic(TRAFFIC).start().await;
    let mut facts = claims("ann");
    facts["tenant"] = json!("north\r\nX-Roles: root");
    facts["roles"] = json!(["a\u{0}b"]);
    let token = Signer::hs256(SECRET).token(&facts);
    assert_eq!(with_token(&gateway.client(), "/guarded/", &token).await.text(), "ann||");
    gateway.wait_metric("proxy_auth_facts_dropped_total", &[("provider", "staff")], 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_as_somebody_else() {
    let origin = echo().await;
    let gateway = Gateway::new().set("origin", &origin).set("secret", SECRET).traffic(TRAFFIC).start().await;
    let mut facts = claims("root ");
    facts["tenant"] = json!(["north", " south"]);
    facts["roles"] = json!(["nurse,doctor"]);
    let token = Signer::hs256(SECRET).token(&facts);
    assert_eq!(with_token(&gateway.client(), "/guarded/", &token).await.text(), "||");
    gateway.wait_metric("proxy_auth_facts_dropped_total", &[("provider", "staff")], 3.0).await;
}
