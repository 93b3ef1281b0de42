//! The same meaning, checked on an HTTP/2 request that is already parsed.
//!
//! HTTP/2 frames its messages itself; what matters is what the request would become when
//! it is written to an HTTP/1 backend (RFC 9113 section 10.3).

use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;

use super::{
    HeadLimits, Reason,
    fields::{content_length, imitates_framing},
    target,
};

/// Fields that HTTP/2 forbids (RFC 9113 section 8.2.2). `TE` is allowed as `trailers` only.
const CONNECTION_FIELDS: [&str; 6] =
    ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection", "http2-settings"];

/// Checks an HTTP/2 request head that the HTTP/2 layer has parsed.
///
/// # Errors
/// The first [`Reason`] to refuse it.
pub fn check_h2(request: &RequestHeader, limits: &HeadLimits) -> Result<(), Reason> {
    if request.method == Method::CONNECT {
        return Err(Reason::ConnectMethod);
    }
    let path = request.uri.path_and_query().map_or("", |path| path.as_str());
    if path.len() > limits.uri_bytes {
        return Err(Reason::TargetTooLong);
    }
    // An absolute form cannot be a `:path`: it starts with `/`, or is `*` for OPTIONS.
    if target::check_target(request.method.as_str(), path.as_bytes())?.is_some() {
        return Err(Reason::InvalidTarget);
    }
    check_fields(&request.headers, path.len(), limits)?;
    check_host(request)
}

fn check_fields(fields: &HeaderMap, path_bytes: usize, limits: &HeadLimits) -> Result<(), Reason> {
    if fields.len() > limits.headers {
        return Err(Reason::TooManyFields);
    }
    let mut bytes = path_bytes;
    for (name, value) in fields {
        // As HTTP/1 would write it: name, colon, space, value, CR, LF.
        bytes += name.as_str().len() + value.len() + 4;
        check_field(name.as_str(), value.as_bytes())?;
    }
    if bytes > limits.header_bytes {
        return Err(Reason::HeadTooLarge);
    }
    if fields.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Reason::DuplicateContentLength);
    }
    Ok(())
}

fn check_field(name: &str, value: &[u8]) -> Result<(), Reason> {
    // `http::HeaderName` lets a double quote through, which is no token.
    if name.bytes().any(|byte| byte == b'"') || imitates_framing(name) {
        return Err(Reason::InvalidFieldName);
    }
    match name {
        "te" if !value.eq_ignore_ascii_case(b"trailers") => Err(Reason::ConnectionField),
        "content-length" if content_length(value).is_none() => Err(Reason::InvalidContentLength),
        _ if CONNECTION_FIELDS.contains(&name) => Err(Reason::ConnectionField),
        _ => Ok(()),
    }
}

fn check_host(request: &RequestHeader) -> Result<(), Reason> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.as_bytes());
    if hosts.next().is_some() {
        return Err(Reason::DuplicateHost);
    }
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (None, None) => Err(Reason::MissingHost),
        (Some(one), None) | (None, Some(one)) => target::check_authority(one),
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => {
            target::check_authority(authority)
        }
        (Some(_), Some(_)) => Err(Reason::HostMismatch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { headers: 8, header_bytes: 512, uri_bytes: 64 };

    fn check(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> Result<(), Reason> {
        let mut request = RequestHeader::build_no_case(method, b"/", None).unwrap();
        request.set_version(http::Version::HTTP_2);
        request.set_uri(uri.parse().unwrap());
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        check_h2(&request, &LIMITS)
    }

    #[test]
    fn ordinary_requests_pass() {
        assert_eq!(check("GET", "https://example.com/a?b=c", &[]), Ok(()));
        assert_eq!(check("POST", "https://example.com:8443/", &[("content-length", "12")]), Ok(()));
        assert_eq!(check("POST", "https://example.com/pkg.Service/Call", &[("te", "trailers")]), Ok(()));
        assert_eq!(check("GET", "https://example.com/", &[("host", "Example.com")]), Ok(()));
        assert_eq!(check("GET", "/only-host", &[("host", "example.com")]), Ok(()));
    }

    #[test]
    fn what_would_be_ambiguous_in_http1_is_refused() {
        let uri = "https://example.com/";
        for (fields, reason) in [
            (&[("connection", "close")][..], Reason::ConnectionField),
            (&[("transfer-encoding", "chunked")], Reason::ConnectionField),
            (&[("upgrade", "websocket")], Reason::ConnectionField),
            (&[("keep-alive", "timeout=5")], Reason::ConnectionField),
            (&[("te", "gzip")], Reason::ConnectionField),
            (&[("te", "trailers, gzip")], Reason::ConnectionField),
            (&[("content-length", "1"), ("content-length", "1")], Reason::DuplicateContentLength),
            (&[("content-length", "1, 1")], Reason::InvalidContentLength),
            (&[("content-length", "+1")], Reason::InvalidContentLength),
            (&[("content_length", "1")], Reason::InvalidFieldName),
            (&[("host", "other.example")], Reason::HostMismatch),
            (&[("host", "example.com"), ("host", "example.com")], Reason::DuplicateHost),
        ] {
            assert_eq!(check("GET", uri, fields), Err(reason), "{fields:?}");
        }
        assert_eq!(check("CONNECT", "https://example.com/", &[]), Err(Reason::ConnectMethod));
        assert_eq!(check("GET", "/", &[]), Err(Reason::MissingHost));
        assert_eq!(check("GET", "https://user@example.com/", &[]), Err(Reason::InvalidHost));
    }

    #[test]
    fn limits_hold() {
        let long = "x".repeat(600);
        let uri = "https://example.com/";
        assert_eq!(check("GET", uri, &[("a", &long)]), Err(Reason::HeadTooLarge));
        assert_eq!(check("GET", uri, &[("a", "b"); 9]), Err(Reason::TooManyFields));
        let target = format!("https://example.com/{}", &long[..64]);
        assert_eq!(check("GET", &target, &[]), Err(Reason::TargetTooLong));
    }
}
