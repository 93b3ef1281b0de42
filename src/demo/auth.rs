//! The auth service: three accounts, one password, and opaque tokens.
//!
//! A token is a name with a checksum, good for showing how credentials pass
//! through a gateway and for nothing else: anyone who reads this can make one.

use http::{HeaderName, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    message::{Reply, Request, fnv1a},
    refusal::Refusal,
};

/// The password of every account.
pub const PASSWORD: &str = "nilecare";

/// How long a token is said to be good for, in seconds.
const EXPIRES_IN: u32 = 3600;

/// The name of an account, as `me` tells a gateway.
const USER: HeaderName = HeaderName::from_static("x-user");
/// What the person does.
const ROLE: HeaderName = HeaderName::from_static("x-role");

/// Somebody who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The name to log in with.
    pub username: &'static str,
    /// The name to show.
    pub name: &'static str,
    /// What the person does.
    pub role: &'static str,
}

/// Everybody who may log in.
pub const ACCOUNTS: &[Account] = &[
    Account { username: "dr.okoro", name: "Chidi Okoro", role: "doctor" },
    Account { username: "nurse.haddad", name: "Rania Haddad", role: "nurse" },
    Account { username: "admin", name: "Hana Tesfaye", role: "administrator" },
];

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

/// Answers one request below `/api/v1/auth`.
pub fn handle(rest: &[&str], request: &Request) -> Result<Reply, Refusal> {
    match (rest, &request.method) {
        (["login"], &Method::POST) => login(request),
        (["login"], _) => Err(Refusal::method("POST")),
        (["me"], &Method::GET | &Method::HEAD) => me(request),
        (["me"], _) => Err(Refusal::method("GET, HEAD")),
        _ => Err(Refusal::not_found("such resource")),
    }
}

fn login(request: &Request) -> Result<Reply, Refusal> {
    let login: Login = request.json()?;
    let account = find(&login.username)
        .filter(|_| login.password == PASSWORD)
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "unknown user or wrong password"))?;
    let body = json!({
        "token": token(account),
        "tokenType": "Bearer",
        "expiresIn": EXPIRES_IN,
        "user": account,
    });
    Ok(Reply::json(StatusCode::OK, &body).cache_control("no-store"))
}

fn me(request: &Request) -> Result<Reply, Refusal> {
    let challenge = "Bearer realm=\"nilecare\"";
    let account = request.header(header::AUTHORIZATION).and_then(bearer).ok_or_else(|| {
        Refusal::new(StatusCode::UNAUTHORIZED, "log in and send the token as `Authorization: Bearer …`")
            .with(header::WWW_AUTHENTICATE, challenge)
    })?;
    let reply = Reply::json(StatusCode::OK, account).cache_control("no-store");
    // For gateways, which ask who it is and read no body.
    Ok(reply.text(USER, account.username).text(ROLE, account.role))
}

fn find(username: &str) -> Option<&'static Account> {
    ACCOUNTS.iter().find(|account| account.username == username)
}

/// The account that an `Authorization` field stands for.
fn bearer(field: &str) -> Option<&'static Account> {
    let (scheme, given) = field.split_once(' ')?;
    let account = ACCOUNTS.iter().find(|account| token(account) == given.trim())?;
    scheme.eq_ignore_ascii_case("bearer").then_some(account)
}

/// The token of an account; always the same, so that examples can be written down.
pub fn token(account: &Account) -> String {
    format!("demo.{}.{:016x}", account.username, fnv1a(account.username.as_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::demo::{
        message::tests::{body, call},
        resource::Resource,
        store::Store,
    };

    fn log_in(json: &str) -> http::Response<Vec<u8>> {
        let fields = [("content-type", "application/json")];
        call(Resource::Auth, &Store::new(1), "POST", "/api/v1/auth/login", &fields, json)
    }

    #[test]
    fn a_token_tells_who_is_asking() {
        let response = log_in(r#"{"username": "dr.okoro", "password": "nilecare"}"#);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let authorization = format!("Bearer {}", body(&response)["token"].as_str().unwrap());
        let fields = [("authorization", authorization.as_str())];
        let me = call(Resource::Auth, &Store::new(1), "GET", "/api/v1/auth/me", &fields, "");
        assert_eq!((me.status().as_u16(), body(&me)["role"].as_str()), (200, Some("doctor")));
        assert_eq!(me.headers()["cache-control"], "no-store");
        assert_eq!(me.headers()["x-user"], "dr.okoro");
        assert_eq!(me.headers()["x-role"], "doctor");
    }

    #[test]
    fn wrong_credentials_are_refused() {
        assert_eq!(log_in(r#"{"username": "dr.okoro", "password": "x"}"#).status(), 401);
        assert_eq!(log_in(r#"{"username": "nobody", "password": "nilecare"}"#).status(), 401);
        assert_eq!(log_in(r#"{"username": "dr.okoro"}"#).status(), 422);
        for token in ["", "Bearer", "Bearer demo.dr.okoro.0", "Basic ZGVtbw=="] {
            let fields = [("authorization", token)];
            let me = call(Resource::Auth, &Store::new(1), "GET", "/api/v1/auth/me", &fields, "");
            assert_eq!(me.status(), 401, "{token:?}");
            assert_eq!(me.headers()["www-authenticate"], "Bearer realm=\"nilecare\"");
        }
    }

    #[test]
    fn each_path_names_its_methods() {
        for (method, path, allow) in
            [("GET", "/api/v1/auth/login", "POST"), ("DELETE", "/api/v1/auth/me", "GET, HEAD")]
        {
            let response = call(Resource::Auth, &Store::new(1), method, path, &[], "");
            assert_eq!(
                (response.status().as_u16(), &response.headers()["allow"]),
                (405, &allow.parse().unwrap())
            );
        }
    }
}
