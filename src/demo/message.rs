//! Requests and replies of the embedded services, as plain values.
//!
//! What RFC 9110 asks of an origin is done here once for all services: strong
//! entity tags, conditional requests, HEAD.

use std::{fmt::Write as _, hash::Hasher, time::SystemTime};

use bytes::Bytes;
use fnv::FnvHasher;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::refusal::{FieldError, Refusal};

/// Names the tags of a response, for invalidation in groups.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// A request with its whole body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// The first value of a query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&');
        let (_, value) = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }

    /// The value of a header field, if it is one and is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON of a certain shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let media_type = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && essence != "application/merge-patch+json" {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
        }
        let document: Value = serde_json::from_slice(&self.body)
            .map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {e}")))?;
        from_value(document)
    }
}

/// A JSON document as a typed value; a document of another shape is a 422 that names the field.
pub fn from_value<T: DeserializeOwned>(document: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(document)
        .map_err(|e| Refusal::invalid(vec![FieldError::new(e.path().to_string(), e.inner().to_string())]))
}

/// Applies a JSON merge patch (RFC 7396): null removes, objects merge, all else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(members) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.shift_remove(&key);
        } else {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// A response before conditions of the request are looked at.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// A reply with a JSON body, indented for people who use curl.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        let mut reply = Self::empty(status);
        match serde_json::to_vec_pretty(value) {
            Ok(body) => reply.body = body,
            Err(_) => reply.status = StatusCode::INTERNAL_SERVER_ERROR,
        }
        reply.body.push(b'\n');
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply
    }

    /// Sets `Cache-Control`.
    #[must_use]
    pub fn cache_control(mut self, directives: &'static str) -> Self {
        self.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(directives));
        self
    }

    /// Sets `Last-Modified`.
    #[must_use]
    pub fn modified(self, at: SystemTime) -> Self {
        self.text(header::LAST_MODIFIED, &httpdate::fmt_http_date(at))
    }

    /// Sets `Surrogate-Key`, the tags for invalidation, separated by spaces.
    #[must_use]
    pub fn tags(self, tags: &[String]) -> Self {
        self.text(SURROGATE_KEY, &tags.join(" "))
    }

    /// Sets a header field to text made at run time. Text that cannot be a field value sets nothing.
    #[must_use]
    pub fn text(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The response to a request: entity tag, conditions, `Content-Length`, and no body for HEAD.
    pub fn answer(mut self, request: &Request) -> Response<Vec<u8>> {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        if is_read && self.status == StatusCode::OK && !self.headers.contains_key(header::ETAG) {
            let tag = entity_tag(&self.body);
            self = self.text(header::ETAG, &tag);
            if self.is_unchanged(request, &tag) {
                self.status = StatusCode::NOT_MODIFIED;
                self.headers.remove(header::CONTENT_TYPE);
                self.body.clear();
            }
        }
        let may_have_body = !matches!(self.status, StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
        if may_have_body {
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        if request.method == Method::HEAD {
            self.body.clear();
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Whether the client has this very state already (RFC 9110 section 13.2.2).
    fn is_unchanged(&self, request: &Request, tag: &str) -> bool {
        if request.headers.contains_key(header::IF_NONE_MATCH) {
            let values = request.headers.get_all(header::IF_NONE_MATCH);
            return values.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|known| {
                let known = known.trim();
                known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
            });
        }
        let date = |value: Option<&HeaderValue>| httpdate::parse_http_date(value?.to_str().ok()?).ok();
        let since = date(request.headers.get(header::IF_MODIFIED_SINCE));
        let modified = date(self.headers.get(header::LAST_MODIFIED));
        matches!((modified, since), (Some(modified), Some(since)) if modified <= since)
    }
}

/// A strong validator: the FNV-1a hash of the content, the same on every machine.
fn entity_tag(body: &[u8]) -> String {
    let mut tag = String::with_capacity(18);
    let _ = write!(tag, "\"{:016x}\"", fnv1a(body));
    tag
}

/// The 64-bit FNV-1a hash: short, stable, and no defence against anyone.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
pub(super) mod tests;
