//! Why a service does not do what was asked, as `application/problem+json` (RFC 9457).

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::message::Reply;

/// One field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field, as a path into the document, or the query parameter.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl FieldError {
    /// An error in a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Why a service does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    /// A refusal with one sentence for the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None }
    }

    /// 404 for something that is not there.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// 405 with the methods that would do.
    pub fn method(allowed: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("allowed here: {allowed}"))
            .with(header::ALLOW, allowed)
    }

    /// 422 with every field that is not valid.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "some fields are not valid");
        refusal.errors = errors;
        refusal
    }

    /// 400 for a query parameter.
    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, "a query parameter is not valid");
        refusal.errors.push(FieldError::new(name, message));
        refusal
    }

    /// The same refusal with a header field.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({
            "type": "about:blank",
            "title": refusal.status.canonical_reason().unwrap_or("Error"),
            "status": refusal.status.as_u16(),
            "detail": refusal.detail,
        });
        if !refusal.errors.is_empty() {
            body["errors"] = json!(refusal.errors);
        }
        let mut reply = Self::json(refusal.status, &body).cache_control("no-store");
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = refusal.header {
            reply.headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}
