//! Responses that consist of errors alone: no execution has begun.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    graphql::{ErrorCode, GraphqlError},
    phases::graphql::Malformed,
};

/// Why HTTP's part of a request cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// Neither GET, HEAD nor POST.
    Method,
    /// A GET for something that changes.
    MutationByGet,
    /// No media type there is would be taken.
    NotAcceptable,
    /// A body that is not JSON, by its own account.
    MediaType,
    /// The parameters are none.
    Malformed(Malformed),
    /// A list, where none is taken.
    BatchOff,
    /// A list of none.
    BatchEmpty,
    /// A list longer than it may be.
    BatchTooLong(usize),
    /// The hash is that of another document.
    HashMismatch,
}

impl HttpError {
    /// The status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::MutationByGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The methods that would have been taken (RFC 9110 section 15.5.6).
    pub fn allow(self) -> Option<&'static str> {
        match self {
            Self::Method => Some("GET, HEAD, POST"),
            Self::MutationByGet => Some("POST"),
            _ => None,
        }
    }

    /// What it is called, for programs and in metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Method | Self::MutationByGet => "METHOD_NOT_ALLOWED",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::MediaType => "UNSUPPORTED_MEDIA_TYPE",
            _ => "BAD_REQUEST",
        }
    }

    fn message(self) -> String {
        match self {
            Self::Method => "GraphQL is asked by GET or POST.".to_owned(),
            Self::MutationByGet => "Only queries can be asked by GET.".to_owned(),
            Self::NotAcceptable => {
                "The response can be `application/graphql-response+json` or `application/json`.".to_owned()
            }
            Self::MediaType => "The body must be `application/json` in UTF-8, not encoded.".to_owned(),
            Self::Malformed(why) => why.to_string(),
            Self::BatchOff => "One operation at a time: lists of them are not taken.".to_owned(),
            Self::BatchEmpty => "The list of operations is empty.".to_owned(),
            Self::BatchTooLong(max) => format!("The list of operations is longer than {max}."),
            Self::HashMismatch => "The hash is not that of the document.".to_owned(),
        }
    }

    /// The body.
    pub fn body(self, request_id: &str) -> Bytes {
        let extensions = json!({ "code": self.code(), "requestId": request_id });
        body(vec![json!({ "message": self.message(), "extensions": extensions })])
    }
}

/// The body of a request whose document is refused.
pub fn refused(errors: &[GraphqlError], request_id: &str) -> Bytes {
    body(errors.iter().map(|error| to_json(error, request_id)).collect())
}

fn body(errors: Vec<Value>) -> Bytes {
    json!({ "errors": errors }).to_string().into()
}

fn to_json(error: &GraphqlError, request_id: &str) -> Value {
    let mut members = Map::new();
    members.insert("message".to_owned(), error.message.as_str().into());
    if !error.locations.is_empty() {
        let places = error.locations.iter().map(|at| json!({ "line": at.line, "column": at.column }));
        members.insert("locations".to_owned(), places.collect());
    }
    let mut extensions = Map::new();
    extensions.insert("code".to_owned(), error.code.as_str().into());
    extensions.insert("requestId".to_owned(), request_id.into());
    extensions.extend((*error.extensions).clone());
    members.insert("extensions".to_owned(), extensions.into());
    Value::Object(members)
}

/// A document that is named and not known, or that may not be named.
pub fn persisted(code: ErrorCode) -> GraphqlError {
    GraphqlError::new(
        code,
        match code {
            // The words that clients of automatic persisted queries look for.
            ErrorCode::PersistedQueryNotFound => "PersistedQueryNotFound",
            ErrorCode::PersistedQueryNotSupported => "PersistedQueryNotSupported",
            _ => "Only listed documents are executed here.",
        },
    )
}
