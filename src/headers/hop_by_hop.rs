//! Fields meant for one connection (RFC 9110 section 7.6.1).
//!
//! Pingora 0.9 cleans requests before `upstream_request_filter`: it drops what
//! `Connection` names, the standard fields and every upgrade but a WebSocket's. It does
//! so only for clients that speak HTTP/1, and it passes responses on as they are. Here
//! is what it leaves. `TE: trailers` of HTTP/2 clients stays, because gRPC needs it.

use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};

/// Removes what is left of connection fields from a request to a backend.
///
/// HTTP/2 has no `Connection`; credentials for a proxy end here all the same.
pub fn strip_request(request: &mut RequestHeader) {
    request.remove_header(&header::PROXY_AUTHORIZATION);
}

/// Removes connection fields from a response of a backend.
///
/// To be called before the response is stored or filtered further. `Transfer-Encoding`
/// and `Content-Length` stay, because Pingora frames the body by them. `Trailer`
/// stays, because trailers are passed on. A `101` stays whole: it is the handshake.
pub fn strip_response(response: &mut ResponseHeader) {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    // One look at every name is cheaper than one look-up for each of the fields.
    let mut found = [false; FIELDS];
    for name in response.headers.keys() {
        if let Some(at) = hop_by_hop(name) {
            found[at] = true;
        }
    }
    if found[0] {
        strip_nominated(response);
    }
    for (name, _) in HOP_BY_HOP.iter().zip(found).filter(|(_, found)| *found) {
        // A 426 has to say which protocol it asks for (RFC 9110 section 15.5.22).
        if *name != header::UPGRADE || response.status != StatusCode::UPGRADE_REQUIRED {
            response.remove_header(name);
        }
    }
}

/// How many fields [`HOP_BY_HOP`] holds.
const FIELDS: usize = 7;

/// Fields of one connection, apart from those that frame the body. `Connection` is the first.
static HOP_BY_HOP: [HeaderName; FIELDS] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::UPGRADE,
];

/// Where a name stands in [`HOP_BY_HOP`].
fn hop_by_hop(name: &HeaderName) -> Option<usize> {
    Some(match name.as_str() {
        "connection" => 0,
        "keep-alive" => 1,
        "proxy-authenticate" => 2,
        "proxy-authentication-info" => 3,
        "proxy-connection" => 4,
        "te" => 5,
        "upgrade" => 6,
        _ => return None,
    })
}

/// Removes the fields that `Connection` names.
fn strip_nominated(response: &mut ResponseHeader) {
    let values = response.headers.get_all(header::CONNECTION);
    if values.iter().all(|value| is_plain(value.as_bytes())) {
        return;
    }
    let named: Vec<HeaderName> = values
        .iter()
        .flat_map(|value: &HeaderValue| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        // `Upgrade` has a rule of its own.
        .filter(|name| *name != header::UPGRADE && !is_end_to_end(name))
        .collect();
    for name in named {
        response.remove_header(&name);
    }
}

/// The values of nearly every response.
fn is_plain(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

/// Fields that are "never appropriate as a connection option" (RFC 9110 section 7.6.1).
///
/// Without them a body would lose its frame or its meaning, a private response its
/// protection, a browser its session.
fn is_end_to_end(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CACHE_CONTROL
            | header::CONTENT_ENCODING
            | header::CONTENT_LENGTH
            | header::CONTENT_RANGE
            | header::CONTENT_TYPE
            | header::DATE
            | header::SET_COOKIE
            | header::TRANSFER_ENCODING
            | header::VARY
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(status: u16, fields: &[(&'static str, &str)]) -> Vec<String> {
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        strip_response(&mut response);
        let mut names: Vec<_> = response.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn names_and_places_agree() {
        for (at, name) in HOP_BY_HOP.iter().enumerate() {
            assert_eq!(hop_by_hop(name), Some(at), "{name}");
        }
    }

    #[test]
    fn connection_fields_do_not_pass() {
        let fields = [
            ("Connection", "close"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authenticate", "Basic"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "X-Checksum"),
            ("X-App", "1"),
        ];
        assert_eq!(names(200, &fields), ["trailer", "transfer-encoding", "x-app"]);
    }

    #[test]
    fn named_fields_do_not_pass_unless_they_are_end_to_end() {
        let fields = [
            ("Connection", "close, X-Hop"),
            ("Connection", "x-other ,Cache-Control, \"quoted\",, content-length"),
            ("X-Hop", "1"),
            ("X-Other", "1"),
            ("Cache-Control", "private"),
            ("Content-Length", "0"),
        ];
        assert_eq!(names(200, &fields), ["cache-control", "content-length"]);
    }

    #[test]
    fn handshakes_stay_whole() {
        let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "x")];
        assert_eq!(names(101, &fields), ["connection", "sec-websocket-accept", "upgrade"]);
        assert_eq!(names(426, &fields), ["sec-websocket-accept", "upgrade"]);
    }

    #[test]
    fn grpc_requests_keep_te_and_lose_proxy_credentials() {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        request.insert_header("te", "trailers").unwrap();
        request.insert_header("proxy-authorization", "Basic c2VjcmV0").unwrap();
        strip_request(&mut request);
        assert_eq!(request.headers.len(), 1);
        assert_eq!(request.headers["te"], "trailers");
    }
}
