//! What a failed call is to the client: a code, and little more.
//!
//! Bodies of services are never passed on. Of a problem document (RFC 9457) that says what is
//! wrong with the input, a few members are, because the client needs them to do better.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    call::{Answer, CallFailure},
    errors::{ErrorCode, GraphqlError},
};

/// The most bytes of a problem document that are looked at.
const PROBLEM_MAX: usize = 16 * 1024;
/// The most characters of a text in it.
const TEXT_MAX: usize = 256;
/// The most entries of a list in it.
const ENTRIES_MAX: usize = 20;
/// Members of a problem document that are passed on.
const MEMBERS: [&str; 4] = ["type", "title", "detail", "code"];
/// Members that list what is wrong with which part of the input.
const LISTS: [&str; 3] = ["errors", "invalid-params", "invalidParams"];
/// Members of such an entry.
const ENTRY_MEMBERS: [&str; 9] =
    ["field", "pointer", "path", "name", "code", "message", "detail", "reason", "title"];

/// A call without a value.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Whether it is a 404 or a 410: there is no such thing.
    pub(super) is_missing: bool,
    /// The error of each field that asked.
    pub(super) error: GraphqlError,
}

impl Refusal {
    /// An answer that is no success.
    pub(super) fn of_answer(service: &str, answer: &Answer) -> Refusal {
        let status = answer.status;
        let (code, message) = judge(status);
        let mut error = from(code, service, message).with("status", status.as_u16());
        if matches!(code, ErrorCode::BadUserInput | ErrorCode::Conflict)
            && let Some(problem) = problem(&answer.body)
        {
            error = error.with("problem", problem);
        }
        if let Some(after) = answer.retry_after {
            error = error.with("retryAfter", after.as_secs());
        }
        Refusal { is_missing: code == ErrorCode::NotFound, error }
    }

    /// No answer.
    pub(super) fn of_failure(service: &str, failure: CallFailure) -> Refusal {
        let code = match failure {
            CallFailure::Unavailable => ErrorCode::UpstreamUnavailable,
            CallFailure::Timeout => ErrorCode::UpstreamTimeout,
            CallFailure::TooLarge => ErrorCode::UpstreamTooLarge,
            CallFailure::Invalid => ErrorCode::UpstreamInvalid,
        };
        Refusal {
            is_missing: false,
            error: from(code, service, &format!("{}.", sentence(&failure.to_string()))),
        }
    }

    /// A body that is no JSON.
    pub(super) fn no_json(service: &str, status: StatusCode) -> Refusal {
        let error = from(ErrorCode::UpstreamInvalid, service, "The service did not answer with JSON.");
        Refusal { is_missing: false, error: error.with("status", status.as_u16()) }
    }

    /// A call that was not made because there were too many.
    pub(super) fn too_many(max: usize) -> Refusal {
        let message = format!("The operation makes more than {max} calls.");
        Refusal {
            is_missing: false,
            error: GraphqlError::new(ErrorCode::TooManyCalls, message).with("max", max),
        }
    }

    /// A call that was not made because the time of the operation is over.
    pub(super) fn too_late() -> Refusal {
        let error = GraphqlError::new(ErrorCode::DeadlineExceeded, "The operation took too long.");
        Refusal { is_missing: false, error }
    }
}

fn judge(status: StatusCode) -> (ErrorCode, &'static str) {
    match status.as_u16() {
        400 | 422 => (ErrorCode::BadUserInput, "The service refused the input."),
        401 => (ErrorCode::Unauthenticated, "The service needs a caller who is known."),
        403 => (ErrorCode::Forbidden, "The service does not let the caller do this."),
        404 | 410 => (ErrorCode::NotFound, "There is no such thing."),
        409 | 412 => (ErrorCode::Conflict, "This is not possible in the present state."),
        429 => (ErrorCode::RateLimited, "The service has had too many requests."),
        _ => (ErrorCode::UpstreamError, "The service failed."),
    }
}

fn from(code: ErrorCode, service: &str, message: &str) -> GraphqlError {
    GraphqlError::new(code, message).with("service", service)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What may be passed on of a problem document.
fn problem(body: &[u8]) -> Option<Map<String, Value>> {
    let body = (body.len() <= PROBLEM_MAX).then_some(body)?;
    let Value::Object(document) = serde_json::from_slice(body).ok()? else { return None };
    let mut problem = texts(&document, &MEMBERS);
    for name in LISTS {
        let Some(Value::Array(entries)) = document.get(name) else { continue };
        let entry = |entry: &Value| match entry {
            Value::Object(members) => Value::Object(texts(members, &ENTRY_MEMBERS)),
            other => text(other).map_or(Value::Null, Value::from),
        };
        let entries: Vec<_> = entries.iter().take(ENTRIES_MAX).map(entry).collect();
        problem.insert(name.to_owned(), entries.into());
    }
    (!problem.is_empty()).then_some(problem)
}

fn texts(members: &Map<String, Value>, allowed: &[&str]) -> Map<String, Value> {
    allowed
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Value::from(text(members.get(*name)?)?))))
        .collect()
}

fn text(value: &Value) -> Option<String> {
    Some(value.as_str()?.chars().take(TEXT_MAX).collect())
}
