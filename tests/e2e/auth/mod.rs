//! Who calls, who may, and what backends learn of it.

mod forward;
mod identity_fields;
mod keys;
mod partition;
mod passwords;
mod rotation;
mod tokens;

use crate::harness::{Answer, Client, Gateway, Origin, Response};

/// A secret long enough that nobody warns of it.
pub const SECRET: &str = "a shared secret of some thirty-two bytes";

/// An origin that answers with the fields it was told of the caller.
pub async fn echo() -> Origin {
    Origin::start(|request| {
        let field = |name: &str| request.header_values(name).join("+");
        Answer::ok(format!("{}|{}|{}", field("x-user-id"), field("x-tenant"), field("x-roles")))
    })
    .await
}

/// A gateway before an origin with tokens of the shared secret; `rule` stands behind `with`.
pub async fn guarded(origin: &Origin, provider: &str, rule: &str) -> Gateway {
    Gateway::before(origin)
        .also(&format!("auth: {{ providers: {{ staff: {{ {provider} }} }} }}"))
        .routes(&format!("- {{ name: all, upstream: origin, auth: {{ with: staff{rule} }} }}"))
        .start()
        .await
}

/// A GET with a bearer token.
pub async fn with_token(client: &Client, path: &str, token: &str) -> Response {
    client.get(path).header("Authorization", &format!("Bearer {token}")).send().await
}

/// The status and the code of a refusal.
pub fn refusal(answer: &Response) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}
