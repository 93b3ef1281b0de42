//! What is to be done with one exchange, and why it was not.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Method, StatusCode};
use pingora_core::{Error, ErrorType};

use super::super::{MappingError, Statuses, Transform};
use crate::config::mapping::{OnError, OnOversize};

/// What a session is to do. Goes to it among the extensions of the request's head.
#[derive(Clone)]
pub struct Orders {
    /// What becomes of request bodies. `None`: they pass.
    pub request: Option<Transform>,
    /// What becomes of response bodies. `None`: they pass, and so do conditions and ranges.
    pub response: Option<Transform>,
    /// The responses that are mapped.
    pub statuses: Statuses,
    /// The largest request body, in bytes.
    pub max_request: usize,
    /// The largest response body, in bytes, decoded.
    pub max_response: usize,
    /// What becomes of a larger response.
    pub on_oversize: OnOversize,
    /// What becomes of a response that cannot be mapped.
    pub on_error: OnError,
    /// The client's version, for entity tags: letters, digits, `.`, `_` and `-`.
    pub version: Arc<str>,
    /// The media type of mapped request bodies. `None`: the client's stays.
    pub request_type: Option<HeaderValue>,
    /// The media type of mapped response bodies. `None`: the service's stays.
    pub response_type: Option<HeaderValue>,
    /// Called whenever a part of a response that is mapped has come: Pingora sees nothing
    /// of it until it is complete.
    pub progress: Option<Progress>,
}

/// A function that is told of progress.
pub type Progress = Arc<dyn Fn() + Send + Sync>;

impl Orders {
    /// Whether the body of such a response is to be mapped.
    pub(super) fn cover(&self, status: StatusCode) -> bool {
        let bodyless = matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
        );
        self.response.is_some() && !bodyless && self.statuses.cover(status)
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders")
            .field("version", &self.version)
            .field("request", &self.request.is_some())
            .field("response", &self.response.is_some())
            .finish_non_exhaustive()
    }
}

/// Why an exchange ended without the backend's or the client's body being passed on.
///
/// It crosses Pingora as the cause of an error. Nothing of a body is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The client's body cannot be mapped.
    #[error("request body: {0}")]
    Request(MappingError),
    /// The client's body is larger than what is mapped.
    #[error("request body: too large to be mapped")]
    RequestTooLarge,
    /// The client's body is in a coding that is not known, or is a patch by paths.
    #[error("request body: in a form that cannot be mapped")]
    RequestForm,
    /// The service's body cannot be mapped.
    #[error("response body: {0}")]
    Response(MappingError),
    /// The service's body is in a coding that is not known, or broken.
    #[error("response body: cannot be decoded")]
    ResponseCoding,
    /// The service's body is larger than what is mapped.
    #[error("response body: too large to be mapped")]
    ResponseTooLarge,
}

impl Refusal {
    /// The refusal behind an error of Pingora.
    pub fn of(error: &Error) -> Option<&Self> {
        error.root_cause().downcast_ref()
    }
}

impl From<Refusal> for Box<Error> {
    fn from(refusal: Refusal) -> Self {
        let mut error = Error::because(ErrorType::Custom("MappingRefused"), "mapping", refusal);
        error.set_retry(false);
        error
    }
}

/// Whether a response to this request comes without a body whatever its fields say.
pub(super) fn is_bodyless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
