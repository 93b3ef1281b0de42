//! Every refusal the gateway decides itself, and the one answer they all get.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType};

use super::api_version::{self, VersionProblem};
use crate::{
    auth::AuthError,
    framing,
    telemetry::reason::{BadRequestReason, ErrorReason},
};

/// A refusal: what the client is told, and why.
///
/// It crosses Pingora as the cause of an error and is found again in
/// `fail_to_proxy`. Details are for the log only; the client gets the title
/// and the stable code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The request breaks HTTP in a way that must not be passed on.
    BadRequest(BadRequestReason),
    /// No route takes the request.
    NoRoute,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// The body cannot be mapped to the version of the service.
    MappingRequest,
    /// The body is in a coding or a form that cannot be read.
    UnsupportedMedia,
    /// The service's body cannot be mapped to the version of the client.
    MappingResponse,
    /// It is made for a GraphQL operation, and asks for another one.
    Recursion,
    /// A rate limit of the route is used up.
    RateLimited {
        /// Whole seconds until a request would pass.
        retry_after: u32,
    },
    /// No backend of the upstream is usable.
    NoHealthyBackend,
    /// The upstream has as many requests as it may.
    Overloaded,
    /// The circuit breaker of the upstream is open.
    CircuitOpen,
    /// No connection to a backend.
    ConnectFailed,
    /// No connection to a backend in time.
    ConnectTimeout,
    /// The TLS handshake with a backend failed.
    TlsFailed,
    /// The connection to the backend broke.
    UpstreamReset,
    /// The backend did not answer in time.
    UpstreamTimeout,
    /// What the backend answered is not HTTP.
    UpstreamBadResponse,
    /// The request as a whole took too long.
    TotalTimeout,
    /// It wants a stored response or none, and there is none.
    OnlyIfCached,
    /// It is for a version of the API that it cannot have.
    ApiVersion(Box<VersionProblem>),
    /// It may not purge.
    PurgeForbidden,
    /// It lacks the token for what it asks.
    Unauthorized,
    /// Its credentials are not accepted, or not enough.
    Auth(AuthError),
    /// The client went away.
    ClientAbort,
    /// The client took too long to send.
    ClientTimeout,
    /// A phase ran before the one it needs: a fault of ours.
    OutOfOrder,
    /// Something else went wrong inside.
    Internal,
}

impl Rejection {
    /// The reason, shared with metrics and logs.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::BadRequest(_) => ErrorReason::BadRequest,
            Self::NoRoute => ErrorReason::NoRoute,
            Self::BodyTooLarge => ErrorReason::BodyTooLarge,
            Self::MappingRequest => ErrorReason::MappingRequest,
            Self::UnsupportedMedia => ErrorReason::UnsupportedMedia,
            Self::MappingResponse => ErrorReason::MappingResponse,
            Self::Recursion => ErrorReason::Recursion,
            Self::RateLimited { .. } => ErrorReason::RateLimited,
            Self::NoHealthyBackend => ErrorReason::NoHealthyBackend,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::CircuitOpen => ErrorReason::CircuitOpen,
            Self::ConnectFailed => ErrorReason::ConnectFailed,
            Self::ConnectTimeout => ErrorReason::ConnectTimeout,
            Self::TlsFailed => ErrorReason::TlsFailed,
            Self::UpstreamReset => ErrorReason::UpstreamReset,
            Self::UpstreamTimeout => ErrorReason::UpstreamTimeout,
            Self::UpstreamBadResponse => ErrorReason::UpstreamBadResponse,
            Self::TotalTimeout => ErrorReason::TotalTimeout,
            Self::OnlyIfCached => ErrorReason::OnlyIfCached,
            Self::ApiVersion(_) => ErrorReason::ApiVersion,
            Self::PurgeForbidden => ErrorReason::PurgeForbidden,
            Self::Unauthorized => ErrorReason::Unauthorized,
            Self::Auth(AuthError::Forbidden) => ErrorReason::Forbidden,
            Self::Auth(AuthError::Unavailable) => ErrorReason::AuthUnavailable,
            Self::Auth(_) => ErrorReason::Unauthorized,
            Self::ClientAbort => ErrorReason::ClientAbort,
            Self::ClientTimeout => ErrorReason::ClientTimeout,
            Self::OutOfOrder | Self::Internal => ErrorReason::Internal,
        }
    }

    /// The stable code in the answer, in metrics and in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(reason) => reason.as_str(),
            Self::ApiVersion(problem) => problem.code(),
            Self::Auth(error) => error.as_str(),
            other => other.reason().as_str(),
        }
    }

    /// The status code of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(reason) => {
                StatusCode::from_u16(framing::status(*reason)).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MappingRequest => StatusCode::BAD_REQUEST,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MappingResponse => StatusCode::BAD_GATEWAY,
            Self::Recursion => StatusCode::LOOP_DETECTED,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoHealthyBackend | Self::Overloaded | Self::CircuitOpen => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectFailed | Self::TlsFailed | Self::UpstreamReset | Self::UpstreamBadResponse => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::UpstreamTimeout | Self::TotalTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::OnlyIfCached => StatusCode::GATEWAY_TIMEOUT,
            Self::ApiVersion(problem) => problem.status(),
            Self::PurgeForbidden => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Auth(error) => match error {
                // Not one caller but several, or nobody knows which: RFC 6750 section 3.1.
                AuthError::Duplicate | AuthError::Conflict => StatusCode::BAD_REQUEST,
                AuthError::Forbidden => StatusCode::FORBIDDEN,
                AuthError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNAUTHORIZED,
            },
            // 499 is nginx's; it is never sent, only counted.
            Self::ClientAbort => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::OutOfOrder | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for the client, free of details of the inside.
    pub fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::BadRequest(reason) => {
                return Cow::Owned(format!(
                    "The request is not acceptable: {}.",
                    reason.as_str().replace('_', " ")
                ));
            }
            Self::ApiVersion(problem) => return problem.detail(),
            Self::Auth(error) => match error {
                AuthError::Missing => "This needs credentials.",
                AuthError::Forbidden => "The credentials are good, but not for this.",
                AuthError::Unavailable => "The credentials could not be checked now.",
                error => {
                    let why = error.as_str().replace('_', " ");
                    return Cow::Owned(format!("The credentials are not accepted: {why}."));
                }
            },
            Self::NoRoute => "No route takes this request.",
            Self::BodyTooLarge => "The request body is larger than this route allows.",
            Self::MappingRequest => {
                "The request body is not usable JSON, or not of the shape its version has."
            }
            Self::UnsupportedMedia => "The request body is in a coding or a form that is not understood.",
            Self::MappingResponse => "The service's answer could not be brought into the requested version.",
            Self::OnlyIfCached => "There is no stored response for this request.",
            Self::PurgeForbidden => "Purging is not allowed from this address.",
            Self::Unauthorized => "This needs a bearer token.",
            Self::Recursion => "A GraphQL operation cannot ask for another one.",
            Self::RateLimited { .. } => "Too many requests: wait before the next one.",
            Self::NoHealthyBackend => "No backend of the service is available.",
            Self::Overloaded => "The service has more requests than it can serve.",
            Self::CircuitOpen => "The service is failing and is given a pause.",
            Self::ConnectFailed => "The service could not be reached.",
            Self::ConnectTimeout => "The service could not be reached in time.",
            Self::TlsFailed => "No secure connection to the service could be made.",
            Self::UpstreamReset => "The service broke the connection.",
            Self::UpstreamTimeout => "The service did not answer in time.",
            Self::UpstreamBadResponse => "The service answered with something that is not HTTP.",
            Self::TotalTimeout => "The request took longer than it may.",
            Self::ClientAbort => "The client went away.",
            Self::ClientTimeout => "The request was not sent in time.",
            Self::OutOfOrder | Self::Internal => "Something went wrong in the gateway.",
        })
    }

    /// Whether it tells of the upstream that it cannot serve.
    pub fn is_upstreams(&self) -> bool {
        matches!(
            self,
            Self::NoHealthyBackend
                | Self::Overloaded
                | Self::CircuitOpen
                | Self::ConnectFailed
                | Self::ConnectTimeout
                | Self::TlsFailed
                | Self::UpstreamReset
                | Self::UpstreamTimeout
                | Self::UpstreamBadResponse
                | Self::TotalTimeout
                | Self::MappingResponse
        )
    }

    /// Seconds after which trying again may help.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::NoHealthyBackend | Self::Overloaded | Self::CircuitOpen => Some(1),
            Self::Auth(AuthError::Unavailable) => Some(1),
            Self::ApiVersion(problem) => problem.retry_after,
            _ => None,
        }
    }

    /// The refusal behind an error of Pingora: the one we raised, or the one that fits.
    pub fn of(error: &Error) -> Self {
        if let Some(raised) = error.root_cause().downcast_ref::<Rejection>() {
            return raised.clone();
        }
        match (error.esource(), error.etype()) {
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Self::ClientTimeout,
            (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => {
                Self::BadRequest(BadRequestReason::Malformed)
            }
            // The names that Pingora gives to what its decoder of chunks refuses.
            (ErrorSource::Downstream, ErrorType::Custom("InvalidChunk" | "InvalidTrailerEnd")) => {
                Self::BadRequest(BadRequestReason::InvalidChunk)
            }
            (ErrorSource::Downstream, _) => Self::ClientAbort,
            (_, ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout) => Self::ConnectTimeout,
            (
                _,
                ErrorType::TLSHandshakeFailure
                | ErrorType::InvalidCert
                | ErrorType::HandshakeError
                | ErrorType::TLSWantX509Lookup,
            ) => Self::TlsFailed,
            (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Self::UpstreamTimeout,
            (
                _,
                ErrorType::ConnectRefused
                | ErrorType::ConnectNoRoute
                | ErrorType::ConnectError
                | ErrorType::ConnectProxyFailure
                | ErrorType::BindError
                | ErrorType::SocketError,
            ) => Self::ConnectFailed,
            (_, ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H1Error) => {
                Self::UpstreamBadResponse
            }
            (ErrorSource::Upstream, _) => Self::UpstreamReset,
            _ => Self::Internal,
        }
    }

    /// The refusal as an error that Pingora passes on to `fail_to_proxy`.
    pub fn into_error(self) -> Box<Error> {
        let status = self.status().as_u16();
        Error::because(ErrorType::HTTPStatus(status), "refused", self)
    }

    /// The body of the answer (RFC 9457).
    pub fn problem(&self, request_id: &str) -> Bytes {
        let status = self.status();
        let mut problem = serde_json::json!({
            "type": format!("urn:nilegate:problem:{}", self.code()),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": self.code(),
            "detail": self.detail(),
            "request_id": request_id,
        });
        if let Self::ApiVersion(version) = self {
            api_version::extend(version, &mut problem);
        }
        Bytes::from(problem.to_string())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Rejection {}

impl From<Rejection> for Box<Error> {
    fn from(rejection: Rejection) -> Self {
        rejection.into_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_its_way_through_pingora() {
        let error = Rejection::NoHealthyBackend.into_error();
        assert_eq!(*error.etype(), ErrorType::HTTPStatus(503));
        assert_eq!(Rejection::of(&error), Rejection::NoHealthyBackend);
    }

    #[test]
    fn errors_of_pingora_find_their_refusal() {
        let cases = [
            (Error::new_up(ErrorType::ConnectRefused), Rejection::ConnectFailed),
            (Error::new_up(ErrorType::ConnectTimedout), Rejection::ConnectTimeout),
            (Error::new_up(ErrorType::ReadTimedout), Rejection::UpstreamTimeout),
            (Error::new_up(ErrorType::InvalidHTTPHeader), Rejection::UpstreamBadResponse),
            (Error::new_up(ErrorType::ConnectionClosed), Rejection::UpstreamReset),
            (Error::new_down(ErrorType::ReadTimedout), Rejection::ClientTimeout),
            (Error::new_down(ErrorType::ConnectionClosed), Rejection::ClientAbort),
            (
                Error::new_down(ErrorType::new("InvalidChunk")),
                Rejection::BadRequest(BadRequestReason::InvalidChunk),
            ),
            (Error::new_up(ErrorType::new("InvalidChunk")), Rejection::UpstreamReset),
            (Error::new_in(ErrorType::InternalError), Rejection::Internal),
        ];
        for (error, expected) in cases {
            assert_eq!(Rejection::of(&error), expected, "{error}");
        }
    }

    #[test]
    fn the_answer_is_problem_json_without_details_of_the_inside() {
        let body = Rejection::NoRoute.problem("abc");
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], 404);
        assert_eq!(problem["code"], "no_route");
        assert_eq!(problem["request_id"], "abc");
    }
}
