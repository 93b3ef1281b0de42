//! Errors of a GraphQL response, and their codes.

use serde_json::{Map, Value};

use super::schema::Position;

/// What went wrong, for programs: `extensions.code`. Clients rely on these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The document is no GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// The document that is named by its hash is not known.
    PersistedQueryNotFound,
    /// Documents cannot be named by their hash.
    PersistedQueryNotSupported,
    /// Only listed documents are executed.
    PersistedQueryRequired,
    /// The document does not say which operation is meant, or has none of that name.
    OperationNotFound,
    /// A variable or an argument is not of its type.
    BadUserInput,
    /// The document is larger, deeper or wider than allowed.
    QueryTooComplex,
    /// The operation costs more than allowed.
    CostExceeded,
    /// Introspection is off for this caller.
    IntrospectionDisabled,
    /// The caller is not known, and has to be.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It cannot be done in the present state.
    Conflict,
    /// Too many requests.
    RateLimited,
    /// The operation makes more calls than allowed.
    TooManyCalls,
    /// A service failed.
    UpstreamError,
    /// A service cannot be reached.
    UpstreamUnavailable,
    /// A service did not answer in time.
    UpstreamTimeout,
    /// The answer of a service is larger than allowed.
    UpstreamTooLarge,
    /// The answer of a service does not fit the schema.
    UpstreamInvalid,
    /// The operation took too long.
    DeadlineExceeded,
    /// The gateway failed.
    Internal,
}

impl ErrorCode {
    /// The code as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::PersistedQueryRequired => "PERSISTED_QUERY_REQUIRED",
            Self::OperationNotFound => "OPERATION_NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::CostExceeded => "COST_EXCEEDED",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::TooManyCalls => "TOO_MANY_CALLS",
            Self::UpstreamError => "UPSTREAM_ERROR",
            Self::UpstreamUnavailable => "UPSTREAM_UNAVAILABLE",
            Self::UpstreamTimeout => "UPSTREAM_TIMEOUT",
            Self::UpstreamTooLarge => "UPSTREAM_TOO_LARGE",
            Self::UpstreamInvalid => "UPSTREAM_INVALID",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// A step of a response path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A response key.
    Key(Box<str>),
    /// An index of a list.
    Index(usize),
}

/// An error of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphqlError {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people. It holds no value of a variable.
    pub message: String,
    /// Where in the document.
    pub locations: Vec<Position>,
    /// Where in the response; empty for a request error.
    pub path: Vec<PathStep>,
    /// Members of `extensions` besides `code`.
    pub extensions: Box<Map<String, Value>>,
}

impl GraphqlError {
    /// An error without place.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let (locations, path, extensions) = (Vec::new(), Vec::new(), Box::default());
        Self { code, message: message.into(), locations, path, extensions }
    }

    /// The same error at a place in the document.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.locations.push(position);
        self
    }

    /// The same error with a member of `extensions`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }
}
