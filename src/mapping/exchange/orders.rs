//! What is to be done with one exchange, and why it was not.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Method, StatusCode};
use pingora_core::{Error, ErrorType};

use super::super::{Mapping, MappingError, Statuses, Transform};
use crate::{
    config::mapping::{OnError, OnOversize},
    telemetry::trace::MappedBodies,
};

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
    /// The client's version and how its bodies are made, for entity tags: letters, digits, `.`,
    /// `_` and `-`.
    pub version: Arc<str>,
    /// The media type of mapped request bodies. `None`: the client's stays.
    pub request_type: Option<HeaderValue>,
    /// The media type of mapped response bodies. `None`: the service's stays.
    pub response_type: Option<HeaderValue>,
    /// Called whenever a part of a response that is mapped has come: Pingora sees nothing
    /// of it until it is complete.
    pub progress: Option<Progress>,
    /// Where it is written down how long mapping took. `None`: nowhere.
    pub times: Option<Arc<MappedBodies>>,
}

/// A function that is told of progress.
pub type Progress = Arc<dyn Fn() + Send + Sync>;

impl Orders {
    /// What is to be done along a chain of mappings, the client's first, each with whether it is
    /// gone upwards: from its older version to its newer. `None`: nothing.
    ///
    /// The strictest limits and rules of the chain hold for all of it.
    pub fn along(chain: &[(&Mapping, bool)], version: &str) -> Option<Self> {
        let way = |mapping: &Mapping, up: bool| Arc::clone(if up { &mapping.up } else { &mapping.down });
        let request = Transform::chain(chain.iter().map(|(mapping, up)| way(mapping, *up)));
        let response = Transform::chain(chain.iter().rev().map(|(mapping, up)| way(mapping, !*up)));
        if request.is_none() && response.is_none() {
            return None;
        }
        let mappings = || chain.iter().map(|(mapping, _)| *mapping);
        let refuses = mappings().any(|mapping| mapping.on_oversize == OnOversize::Refuse);
        let fails = mappings().any(|mapping| mapping.on_error == OnError::Fail);
        Some(Self {
            request,
            response,
            statuses: Statuses::of_all(mappings().map(|mapping| &mapping.statuses)),
            max_request: mappings().map(|mapping| mapping.max_request).min().unwrap_or_default(),
            max_response: mappings().map(|mapping| mapping.max_response).min().unwrap_or_default(),
            on_oversize: if refuses { OnOversize::Refuse } else { OnOversize::Pass },
            on_error: if fails { OnError::Fail } else { OnError::Pass },
            version: version.into(),
            request_type: None,
            response_type: None,
            progress: None,
            times: None,
        })
    }

    /// Maps a body, and notes how long it took if somebody wants to know.
    pub(super) fn timed<T>(&self, response: bool, map: impl FnOnce() -> T) -> T {
        match &self.times {
            Some(times) => times.timed(response, map),
            None => map(),
        }
    }

    /// Whether the body of such a response is to be mapped.
    pub(super) fn cover(&self, status: StatusCode) -> bool {
        self.response.is_some() && self.statuses.cover(status)
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
    /// The service's body is a part of one, though nobody asked for that.
    #[error("response body: a part, which cannot be mapped")]
    ResponsePart,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(text: &str) -> Mapping {
        Mapping::compile(&serde_yaml::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_chain_leads_both_ways() {
        let [one, two] = [
            mapping("from: v1\nto: v2\nrequest: [{ rename: { a: b } }]\nresponse: [{ rename: { b: a } }]"),
            mapping(
                "from: v2\nto: v3\nrequest: [{ rename: { b: c } }]\nresponse: [{ rename: { c: b } }]\n\
                 statuses: [200, 404]\nmax_request: 1KiB\non_error: pass",
            ),
        ];
        let apply = |transform: &Option<Transform>, body: &str| {
            String::from_utf8(transform.as_ref().unwrap().apply(body.as_bytes()).unwrap().to_vec()).unwrap()
        };
        let old_client = Orders::along(&[(&one, true), (&two, true)], "v1").unwrap();
        assert_eq!(apply(&old_client.request, r#"{"a":1}"#), r#"{"c":1}"#);
        assert_eq!(apply(&old_client.response, r#"{"c":1}"#), r#"{"a":1}"#);
        let new_client = Orders::along(&[(&two, false), (&one, false)], "v3").unwrap();
        assert_eq!(apply(&new_client.request, r#"{"c":1}"#), r#"{"a":1}"#);
        assert_eq!(apply(&new_client.response, r#"{"a":1}"#), r#"{"c":1}"#);
        assert_eq!((old_client.max_request, old_client.max_response), (1024, 1 << 20));
        assert_eq!(old_client.on_error, OnError::Fail);
        assert!(old_client.cover(StatusCode::OK));
        assert!(!old_client.cover(StatusCode::CREATED) && !old_client.cover(StatusCode::NOT_FOUND));
        assert!(Orders::along(&[], "v1").is_none());
        assert!(Orders::along(&[(&mapping("from: v1\nto: v2"), true)], "v1").is_none());
    }
}
