//! When a request makes stored responses of its URI invalid (RFC 9111 section 4.4).

use http::{Method, StatusCode};

/// Whether a method may change what it is applied to. Only methods registered as safe may
/// not; one that is unknown, such as `M-SEARCH`, counts as unsafe.
pub fn is_unsafe(method: &Method) -> bool {
    let safe = ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"];
    !safe.contains(&method.as_str())
}

/// Whether an answer with this status to an unsafe request invalidates: success or redirection.
pub fn invalidates(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9111_4_4_every_method_not_known_to_be_safe_is_unsafe() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PURGE", "get"] {
            assert!(is_unsafe(&Method::from_bytes(method.as_bytes()).unwrap()), "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"] {
            assert!(!is_unsafe(&Method::from_bytes(method.as_bytes()).unwrap()), "{method}");
        }
    }

    #[test]
    fn rfc9111_4_4_errors_do_not_invalidate() {
        let of = |status: u16| invalidates(StatusCode::from_u16(status).unwrap());
        assert!([200, 204, 299, 303, 399].into_iter().all(of));
        assert!(![101, 400, 404, 500, 599].into_iter().any(of));
    }
}
