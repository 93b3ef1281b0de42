//! The page of the admin port: what happens now, for eyes.
//!
//! One document without any other: it reads `/metrics`, `/readyz` and `/errors` of the same port.
//! Its style and script are allowed by their hashes, and nothing else is.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderValue, Response, StatusCode, header};
use ring::digest;
use serde_json::json;

use super::{json_response, respond};
use crate::telemetry::recent::RecentErrors;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const BODY: &str = include_str!("page/page.html");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>nilegate</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{BODY}\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// The page.
pub fn page() -> Response<Vec<u8>> {
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.as_bytes().to_vec());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The requests that failed last, the newest first.
pub fn errors(recent: &RecentErrors) -> Response<Vec<u8>> {
    json_response(StatusCode::OK, &json!({ "errors": recent.list() }))
}
