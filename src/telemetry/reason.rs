//! Why things went wrong, in the words that metrics and the access log share.

use super::label::label;

label! {
    /// Why a request did not get the answer it asked for.
    ErrorReason {
        /// No route matches.
        NoRoute = "no_route",
        /// The request is malformed; see [`BadRequestReason`].
        BadRequest = "bad_request",
        /// The body is longer than the route allows.
        BodyTooLarge = "body_too_large",
        /// The client takes nothing but a stored response, and there is none.
        OnlyIfCached = "only_if_cached",
        /// The client may not purge.
        PurgeForbidden = "purge_forbidden",
        /// The request is for a version of the API that is not served.
        ApiVersion = "api_version",
        /// The client lacks credentials, or they are not accepted.
        Unauthorized = "unauthorized",
        /// The client's credentials are good, but not for this.
        Forbidden = "forbidden",
        /// The client's credentials could not be checked.
        AuthUnavailable = "auth_unavailable",
        /// The request body cannot be mapped to the version of the service.
        MappingRequest = "mapping_request",
        /// The request body is in a coding or a form that cannot be read.
        UnsupportedMedia = "unsupported_media",
        /// The service's body cannot be mapped to the version of the client.
        MappingResponse = "mapping_response",
        /// A call of a GraphQL operation leads to another operation.
        Recursion = "recursion",
        /// A rate limit of the route is used up.
        RateLimited = "rate_limited",
        /// The upstream has no backend that may be selected.
        NoHealthyBackend = "no_healthy_backend",
        /// The upstream has as many requests as it may.
        Overloaded = "overloaded",
        /// The circuit breaker of the upstream is open.
        CircuitOpen = "circuit_open",
        /// No connection to the backend: refused, unreachable, reset.
        ConnectFailed = "connect_failed",
        /// No connection to the backend in time.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake with the backend failed.
        TlsFailed = "tls_failed",
        /// The backend closed the connection or reset the stream.
        UpstreamReset = "upstream_reset",
        /// The backend did not send or accept bytes in time.
        UpstreamTimeout = "upstream_timeout",
        /// What the backend sent is not HTTP as agreed.
        UpstreamBadResponse = "upstream_bad_response",
        /// The time for the request as a whole is over.
        TotalTimeout = "total_timeout",
        /// The client went away.
        ClientAbort = "client_abort",
        /// The client did not send or accept bytes in time.
        ClientTimeout = "client_timeout",
        /// A fault of our own.
        Internal = "internal",
    }
}

label! {
    /// Why one attempt at a backend failed.
    UpstreamFailure {
        /// No connection: refused, unreachable, reset.
        ConnectFailed = "connect_failed",
        /// No connection in time.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake failed.
        TlsFailed = "tls_failed",
        /// A kept-alive connection turned out to be closed before it was used.
        StaleConnection = "stale_connection",
        /// The connection was closed or the stream reset before the response ended.
        Reset = "upstream_reset",
        /// No bytes in time.
        Timeout = "upstream_timeout",
        /// Not HTTP as agreed.
        BadResponse = "upstream_bad_response",
        /// A response whose status counts as a failure.
        BadStatus = "bad_status",
    }
}

impl From<UpstreamFailure> for ErrorReason {
    fn from(failure: UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::ConnectFailed => Self::ConnectFailed,
            UpstreamFailure::ConnectTimeout => Self::ConnectTimeout,
            UpstreamFailure::TlsFailed => Self::TlsFailed,
            UpstreamFailure::StaleConnection | UpstreamFailure::Reset => Self::UpstreamReset,
            UpstreamFailure::Timeout => Self::UpstreamTimeout,
            UpstreamFailure::BadResponse | UpstreamFailure::BadStatus => Self::UpstreamBadResponse,
        }
    }
}

label! {
    /// Which wait for a backend took too long.
    TimeoutPhase {
        /// For the connection, TLS included.
        Connect = "connect",
        /// For the first byte of the response.
        FirstByte = "first_byte",
        /// Between two pieces of the response.
        Read = "read",
        /// For the backend to accept a piece of the request.
        Write = "write",
        /// For the request as a whole, over all attempts.
        Total = "total",
    }
}

label! {
    /// What is wrong with a request that is refused before routing.
    BadRequestReason {
        /// A line ends in LF without CR (RFC 9112 section 2.2 allows it; two parsers may then disagree).
        BareLineFeed = "bare_line_feed",
        /// A CR that no LF follows.
        BareCarriageReturn = "bare_carriage_return",
        /// A field continued on the next line (RFC 9112 section 5.2).
        ObsFold = "obs_fold",
        /// The request line has not exactly three parts.
        InvalidRequestLine = "invalid_request_line",
        /// The method is not a token, or longer than 32 bytes.
        InvalidMethod = "invalid_method",
        /// `CONNECT`: the gateway opens no tunnels.
        ConnectMethod = "connect_method",
        /// The request target has a byte or a form that RFC 9112 section 3.2 does not know.
        InvalidTarget = "invalid_target",
        /// The request target is longer than the limit.
        TargetTooLong = "target_too_long",
        /// The version is neither HTTP/1.0 nor HTTP/1.1.
        UnsupportedVersion = "unsupported_version",
        /// The head is longer than the limit.
        HeadTooLarge = "head_too_large",
        /// The head has more fields than the limit.
        TooManyFields = "too_many_fields",
        /// A field name is not a token, has space before its colon, or spells a framing field with `_`.
        InvalidFieldName = "invalid_field_name",
        /// A field value has a control byte.
        InvalidFieldValue = "invalid_field_value",
        /// An HTTP/1.1 request without `Host`, an HTTP/2 request without an authority.
        MissingHost = "missing_host",
        /// More than one `Host`.
        DuplicateHost = "duplicate_host",
        /// The host is not a name or an address with an optional port.
        InvalidHost = "invalid_host",
        /// The authority of the target and `Host` differ.
        HostMismatch = "host_mismatch",
        /// `Content-Length` is not one decimal number below 2^63.
        InvalidContentLength = "invalid_content_length",
        /// More than one `Content-Length`, even if they agree.
        DuplicateContentLength = "duplicate_content_length",
        /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 section 6.3).
        AmbiguousLength = "ambiguous_length",
        /// More than one `Transfer-Encoding`.
        DuplicateTransferEncoding = "duplicate_transfer_encoding",
        /// A transfer coding other than exactly `chunked` (RFC 9112 section 6.1).
        UnsupportedTransferEncoding = "unsupported_transfer_encoding",
        /// `Transfer-Encoding` in an HTTP/1.0 request (RFC 9112 section 6.1).
        TransferEncodingInHttp10 = "transfer_encoding_in_http10",
        /// `Connection` names a field that frames or addresses the message.
        ProtectedConnectionOption = "protected_connection_option",
        /// A connection-specific field in HTTP/2 (RFC 9113 section 8.2.2).
        ConnectionField = "connection_field",
        /// HTTP that Pingora could not read.
        Malformed = "malformed",
        /// A chunked body that is not well-formed (RFC 9112 section 7.1).
        InvalidChunk = "invalid_chunk",
        /// A path that different servers read differently.
        SuspiciousPath = "suspicious_path",
        /// A longer body than the route allows.
        BodyTooLarge = "body_too_large",
        /// The head did not arrive in time.
        HeaderTimeout = "header_timeout",
    }
}

label! {
    /// Why a downstream connection was closed.
    CloseReason {
        /// The client closed it between requests, or asked for that (`Connection: close`, HTTP/1.0).
        Client = "client",
        /// Nothing came in time: no request, no whole head, no TLS handshake.
        IdleTimeout = "idle_timeout",
        /// We ended it: after an error, an upgrade, or a body that nobody wanted.
        Server = "server",
        /// As many requests as one connection may carry.
        RequestLimit = "request_limit",
        /// The process is about to end.
        Draining = "draining",
        /// What the client sent is not HTTP, or not the PROXY protocol.
        ProtocolError = "protocol_error",
        /// The TLS handshake failed.
        TlsFailed = "tls_failed",
        /// It broke, or the client left in the middle of a request.
        Reset = "reset",
    }
}

label! {
    /// Why a client's TLS handshake failed.
    HandshakeFailure {
        /// The client refused: most often it does not trust our certificate.
        ClientAlert = "client_alert",
        /// No version, cipher suite or protocol that both have.
        NoSharedParameters = "no_shared_parameters",
        /// The client's certificate is missing or not accepted.
        ClientCertificate = "client_certificate",
        /// What came is not TLS.
        NotTls = "not_tls",
        /// The connection broke.
        Broken = "broken",
        /// It did not come to its end in time.
        Timeout = "timeout",
        /// Anything else.
        Other = "other",
    }
}

impl HandshakeFailure {
    /// Reads it from the error's text: the error itself ends in Pingora, which keeps no cause.
    pub fn of(text: &str) -> Self {
        const SAYINGS: &[(&str, HandshakeFailure)] = &[
            ("received fatal alert", HandshakeFailure::ClientAlert),
            ("peer is incompatible", HandshakeFailure::NoSharedParameters),
            ("protocol", HandshakeFailure::NoSharedParameters),
            ("invalid peer certificate", HandshakeFailure::ClientCertificate),
            ("peer sent no certificates", HandshakeFailure::ClientCertificate),
            ("corrupt message", HandshakeFailure::NotTls),
            ("unexpected message", HandshakeFailure::NotTls),
            ("eof", HandshakeFailure::Broken),
            ("reset", HandshakeFailure::Broken),
            ("pipe", HandshakeFailure::Broken),
        ];
        let found = SAYINGS.iter().find(|(saying, _)| text.contains(saying));
        found.map_or(Self::Other, |(_, failure)| *failure)
    }
}

label! {
    /// Why a connection was refused before it spoke HTTP.
    RejectReason {
        /// The listener has as many connections as it may.
        ConnectionLimit = "connection_limit",
        /// The peer may not send a PROXY protocol header.
        UntrustedPeer = "untrusted_peer",
        /// The PROXY protocol header is missing or wrong.
        ProxyProtocol = "proxy_protocol",
    }
}

label! {
    /// How far a request was when its client went away.
    AbortPhase {
        /// The request body was still being read.
        RequestBody = "request_body",
        /// The response had not begun.
        Waiting = "waiting",
        /// The response was being sent.
        ResponseBody = "response_body",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::label::Label;

    #[test]
    fn a_failed_attempt_keeps_its_word_when_it_fails_the_request() {
        for &failure in UpstreamFailure::ALL {
            let reason = ErrorReason::from(failure);
            let renamed = matches!(failure, UpstreamFailure::StaleConnection | UpstreamFailure::BadStatus);
            assert_eq!(reason.as_str() == failure.as_str(), !renamed, "{failure:?}");
        }
    }
}
