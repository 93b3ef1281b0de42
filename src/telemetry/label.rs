//! Enums whose values are metric labels and access log words.

/// A closed set of label values, known at compile time.
///
/// Being closed is what keeps the number of series bounded, and being dense is
/// what lets a handle be found by index instead of by text.
pub trait Label: Copy + 'static {
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// The word shown in metrics and logs.
    fn as_str(self) -> &'static str;

    /// The position in [`Label::ALL`].
    fn index(self) -> usize;
}

/// Declares an enum that is a [`Label`]: each variant with its documentation and word.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// The word shown in metrics and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::telemetry::label::Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                $name::as_str(self)
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use label;

label! {
    /// What a downstream connection speaks.
    ConnectionProtocol {
        /// Nothing was said on it yet: the PROXY protocol header, the TLS handshake, silence.
        Unknown = "_unknown",
        /// HTTP/1.0 or HTTP/1.1: that is said by each request.
        Http1 = "http/1",
        /// HTTP/2, with or without TLS.
        Http2 = "h2",
    }
}

label! {
    /// The protocol of a request, by its ALPN name (RFC 7301).
    Protocol {
        /// HTTP/1.0.
        Http10 = "http/1.0",
        /// HTTP/1.1.
        Http11 = "http/1.1",
        /// HTTP/2, with or without TLS.
        Http2 = "h2",
    }
}

impl From<http::Version> for Protocol {
    fn from(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_09 | http::Version::HTTP_10 => Self::Http10,
            http::Version::HTTP_2 => Self::Http2,
            _ => Self::Http11,
        }
    }
}

label! {
    /// The version of TLS that a handshake agreed on.
    TlsVersion {
        /// TLS 1.2.
        Tls12 = "TLSv1.2",
        /// TLS 1.3.
        Tls13 = "TLSv1.3",
        /// It came to no agreement.
        None = "_none",
    }
}

impl TlsVersion {
    /// The version that rustls calls so.
    pub fn named(version: &str) -> Self {
        match version {
            "TLSv1_2" => Self::Tls12,
            "TLSv1_3" => Self::Tls13,
            _ => Self::None,
        }
    }
}

label! {
    /// The content coding of a body that is compressed for clients.
    BodyCoding {
        /// RFC 1952.
        Gzip = "gzip",
        /// RFC 7932.
        Br = "br",
        /// RFC 8878.
        Zstd = "zstd",
    }
}

label! {
    /// Which side of a coder.
    Direction {
        /// What goes in.
        In = "in",
        /// What comes out.
        Out = "out",
    }
}

label! {
    /// How serious a line of the log is.
    LogLine {
        /// Something is wrong, and somebody should know.
        Error = "error",
        /// Something is odd.
        Warn = "warn",
        /// What happens now and then.
        Info = "info",
        /// What happens all the time.
        Debug = "debug",
        /// More than that.
        Trace = "trace",
    }
}

label! {
    /// How a gRPC call ended, by its number in `grpc-status`.
    GrpcStatus {
        /// OK.
        Ok = "0",
        /// CANCELLED.
        Cancelled = "1",
        /// UNKNOWN.
        Unknown = "2",
        /// INVALID_ARGUMENT.
        InvalidArgument = "3",
        /// DEADLINE_EXCEEDED.
        DeadlineExceeded = "4",
        /// NOT_FOUND.
        NotFound = "5",
        /// ALREADY_EXISTS.
        AlreadyExists = "6",
        /// PERMISSION_DENIED.
        PermissionDenied = "7",
        /// RESOURCE_EXHAUSTED.
        ResourceExhausted = "8",
        /// FAILED_PRECONDITION.
        FailedPrecondition = "9",
        /// ABORTED.
        Aborted = "10",
        /// OUT_OF_RANGE.
        OutOfRange = "11",
        /// UNIMPLEMENTED.
        Unimplemented = "12",
        /// INTERNAL.
        Internal = "13",
        /// UNAVAILABLE.
        Unavailable = "14",
        /// DATA_LOSS.
        DataLoss = "15",
        /// UNAUTHENTICATED.
        Unauthenticated = "16",
        /// Another number, or none.
        Other = "_OTHER",
    }
}

impl GrpcStatus {
    /// The status of this text.
    pub fn of(text: &[u8]) -> Self {
        Self::ALL.iter().copied().find(|status| status.as_str().as_bytes() == text).unwrap_or(Self::Other)
    }
}

label! {
    /// A request method; what is not registered (RFC 9110 section 9, RFC 5789) is `_OTHER`,
    /// because clients may make methods up.
    MethodLabel {
        /// GET.
        Get = "GET",
        /// HEAD.
        Head = "HEAD",
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// DELETE.
        Delete = "DELETE",
        /// CONNECT.
        Connect = "CONNECT",
        /// OPTIONS.
        Options = "OPTIONS",
        /// TRACE.
        Trace = "TRACE",
        /// PATCH.
        Patch = "PATCH",
        /// Any other method.
        Other = "_OTHER",
    }
}

impl From<&http::Method> for MethodLabel {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::DELETE => Self::Delete,
            http::Method::CONNECT => Self::Connect,
            http::Method::OPTIONS => Self::Options,
            http::Method::TRACE => Self::Trace,
            http::Method::PATCH => Self::Patch,
            _ => Self::Other,
        }
    }
}

label! {
    /// The class of a status code (RFC 9110 section 15), or that there was no response.
    StatusClass {
        /// 100 to 199.
        Informational = "1xx",
        /// 200 to 299.
        Successful = "2xx",
        /// 300 to 399.
        Redirection = "3xx",
        /// 400 to 499.
        ClientError = "4xx",
        /// 500 to 599.
        ServerError = "5xx",
        /// No response, or one with a status outside the five classes.
        None = "none",
    }
}

impl From<Option<u16>> for StatusClass {
    fn from(status: Option<u16>) -> Self {
        match status {
            Some(100..=199) => Self::Informational,
            Some(200..=299) => Self::Successful,
            Some(300..=399) => Self::Redirection,
            Some(400..=499) => Self::ClientError,
            Some(500..=599) => Self::ServerError,
            _ => Self::None,
        }
    }
}

label! {
    /// What is known of a backend.
    EndpointState {
        /// It may be selected.
        Healthy = "healthy",
        /// Its active health check fails.
        Unhealthy = "unhealthy",
        /// It was taken out for a while because requests failed.
        Ejected = "ejected",
    }
}

label! {
    /// The state of a circuit breaker. The gauge shows its index: 0, 1 or 2.
    BreakerState {
        /// Attempts pass and are counted.
        Closed = "closed",
        /// A few trial attempts pass.
        HalfOpen = "half_open",
        /// No attempt passes.
        Open = "open",
    }
}

label! {
    /// What a rate limit said to a request.
    LimitResult {
        /// It was charged for it, and all other limits let it pass too.
        Passed = "passed",
        /// It refused it.
        Refused = "refused",
    }
}

label! {
    /// Why a request was not let through to an upstream that has enough of them.
    ShedReason {
        /// As many wait as may.
        QueueFull = "queue_full",
        /// It has waited as long as it may.
        QueueTimeout = "queue_timeout",
    }
}

label! {
    /// How a piece of work ended that either works or does not.
    Outcome {
        /// It worked.
        Success = "success",
        /// It did not.
        Failure = "failure",
    }
}

label! {
    /// What a look at a discovery source brought.
    DiscoveryOutcome {
        /// Other backends than before.
        Changed = "changed",
        /// The same backends.
        Unchanged = "unchanged",
        /// No answer: the backends known before stay.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label + std::fmt::Debug>() {
        let mut words: Vec<_> = L::ALL.iter().map(|label| label.as_str()).collect();
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{label:?}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), L::ALL.len(), "two labels share a word");
    }

    #[test]
    fn labels_are_dense_and_distinct() {
        use crate::telemetry::{auth::*, cache::*, reason::*};
        check::<Protocol>();
        check::<MethodLabel>();
        check::<StatusClass>();
        check::<TlsVersion>();
        check::<GrpcStatus>();
        check::<HandshakeFailure>();
        check::<ErrorReason>();
        check::<BadRequestReason>();
        check::<CloseReason>();
        check::<ConnectionProtocol>();
        check::<RejectReason>();
        check::<UpstreamFailure>();
        check::<BreakerState>();
        check::<CacheResult>();
        check::<BackendOperation>();
        check::<BackendFailure>();
        check::<Corruption>();
        check::<AuthError>();
        check::<Remembered>();
    }

    #[test]
    fn methods_that_clients_make_up_share_one_label() {
        assert_eq!(MethodLabel::from(&http::Method::PATCH).as_str(), "PATCH");
        let invented = http::Method::from_bytes(b"BREW").unwrap();
        assert_eq!(MethodLabel::from(&invented), MethodLabel::Other);
        let lower_case = http::Method::from_bytes(b"get").unwrap();
        assert_eq!(MethodLabel::from(&lower_case), MethodLabel::Other, "methods are case-sensitive");
    }

    #[test]
    fn a_status_outside_the_classes_is_no_class() {
        assert_eq!(StatusClass::from(Some(204)).as_str(), "2xx");
        assert_eq!(StatusClass::from(Some(599)).as_str(), "5xx");
        assert_eq!(StatusClass::from(Some(600)), StatusClass::None);
        assert_eq!(StatusClass::from(None), StatusClass::None);
    }
}
