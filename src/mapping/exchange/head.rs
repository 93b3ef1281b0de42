//! The fields of heads whose bodies are mapped.

use http::{HeaderName, HeaderValue, StatusCode, Uri, Version, header, uri::PathAndQuery};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::{etag, orders::Orders};

/// Fields of one connection, and those by which a body is framed anew.
const CONNECTION_FIELDS: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Fields that are about bytes which no longer are the same.
const BYTE_FIELDS: [&str; 4] = ["content-md5", "digest", "content-digest", "repr-digest"];

/// Fields that `Connection` may not name: they would be taken from the gateway itself.
const PROTECTED: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Removes what concerned the client's connection only. To be called before anything is
/// added to the request: Pingora does it for ordinary sessions, not for this kind.
///
/// # Errors
/// If `Connection` names what it may not.
pub fn strip_connection(request: &mut RequestHeader) -> Result<()> {
    let options = request.headers.get_all(header::CONNECTION).iter();
    let options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut named = Vec::new();
    for option in options.map(<[u8]>::trim_ascii).filter(|option| !option.is_empty()) {
        match HeaderName::from_bytes(option) {
            Ok(name) if !PROTECTED.contains(&name.as_str()) => named.push(name),
            _ => {
                let error = Error::explain(ErrorType::InvalidHTTPHeader, "bad option in Connection");
                return Err(error.into_down());
            }
        }
    }
    for name in named {
        request.remove_header(&name);
    }
    for name in CONNECTION_FIELDS {
        request.remove_header(name);
    }
    Ok(())
}

/// Makes a head one for a backend that speaks HTTP/1.
pub(super) fn to_http1(request: &mut RequestHeader, has_body: bool) -> Result<()> {
    request.set_version(Version::HTTP_11);
    reconcile(request)?;
    if !request.headers.contains_key(header::HOST) {
        let host = request.uri.authority().map_or("", |authority| authority.as_str()).to_owned();
        request.insert_header(header::HOST, host)?;
    }
    if has_body && !request.headers.contains_key(header::CONTENT_LENGTH) {
        request.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

/// Makes a head one for a backend that speaks HTTP/2 (RFC 9113 section 8.3.1).
pub(super) fn to_http2(request: &mut RequestHeader, tls: bool) -> Result<()> {
    request.set_version(Version::HTTP_2);
    let host = request.remove_header(&header::HOST);
    let authority = match (&host, request.uri.authority()) {
        (Some(host), _) => host.as_bytes().to_vec(),
        (None, Some(authority)) => authority.as_str().as_bytes().to_vec(),
        (None, None) => return Error::e_explain(ErrorType::InvalidHTTPHeader, "no authority"),
    };
    let path = request.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let scheme = if tls { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority.as_slice()).path_and_query(path).build();
    match uri {
        Ok(uri) if !authority.contains(&b'@') => request.set_uri(uri),
        _ => return Error::e_explain(ErrorType::InvalidHTTPHeader, "not an authority"),
    }
    Ok(())
}

/// A `Host` that a rule has set goes before what the target says.
fn reconcile(request: &mut RequestHeader) -> Result<()> {
    let (Some(host), Some(authority)) = (request.headers.get(header::HOST), request.uri.authority()) else {
        return Ok(());
    };
    if host.as_bytes() == authority.as_str().as_bytes() {
        return Ok(());
    }
    let mut parts = request.uri.clone().into_parts();
    let wrong = |_| Error::explain(ErrorType::InvalidHTTPHeader, "not an authority");
    parts.authority = Some(host.as_bytes().try_into().map_err(|_| wrong(()))?);
    request.set_uri(Uri::from_parts(parts).map_err(|_| wrong(()))?);
    Ok(())
}

/// Conditions speak of the service's tags, and parts of a mapped body cannot be had.
pub(super) fn ask_for_mapped(request: &mut RequestHeader, orders: &Orders) -> Result<()> {
    request.remove_header(&header::RANGE);
    request.remove_header(&header::IF_RANGE);
    for (name, keep_others) in [(header::IF_NONE_MATCH, false), (header::IF_MATCH, true)] {
        let lines = request.headers.get_all(&name).iter();
        let lists: Vec<HeaderValue> = lines.cloned().collect();
        if lists.is_empty() {
            continue;
        }
        request.remove_header(&name);
        for list in lists {
            match etag::to_service(&list, &orders.version, keep_others) {
                Some(list) => request.append_header(&name, list).map(drop)?,
                // What cannot be read is not forgotten where the client insists on it.
                None if keep_others => request.append_header(&name, list).map(drop)?,
                None => {}
            }
        }
    }
    Ok(())
}

/// Announces a request body that has been mapped.
pub(super) fn announce_request(request: &mut RequestHeader, length: usize, orders: &Orders) -> Result<()> {
    request.remove_header(&header::CONTENT_ENCODING);
    request.remove_header(&header::TRANSFER_ENCODING);
    for name in BYTE_FIELDS {
        request.remove_header(name);
    }
    request.insert_header(header::CONTENT_LENGTH, length)?;
    match &orders.request_type {
        Some(value) => request.insert_header(header::CONTENT_TYPE, value),
        None => Ok(()),
    }
}

/// Announces a response whose body has been mapped, or would be if it had one (`None`).
pub(super) fn announce_response(
    response: &mut ResponseHeader,
    length: Option<usize>,
    orders: &Orders,
) -> Result<()> {
    for name in [header::CONTENT_ENCODING, header::TRANSFER_ENCODING, header::ACCEPT_RANGES, header::TRAILER]
    {
        response.remove_header(&name);
    }
    for name in BYTE_FIELDS {
        response.remove_header(name);
    }
    match length {
        Some(length) => response.insert_header(header::CONTENT_LENGTH, length)?,
        None => drop(response.remove_header(&header::CONTENT_LENGTH)),
    }
    if let Some(value) = &orders.response_type
        && response.headers.contains_key(header::CONTENT_TYPE)
    {
        response.insert_header(header::CONTENT_TYPE, value)?;
    }
    tag(response, orders, true)
}

/// Makes the tag of a response one of the client's version.
pub(super) fn tag(response: &mut ResponseHeader, orders: &Orders, changed: bool) -> Result<()> {
    let Some(tag) = response.headers.get(header::ETAG) else { return Ok(()) };
    match etag::to_client(tag, &orders.version, changed) {
        Some(tag) => response.insert_header(header::ETAG, tag),
        // What is no tag cannot tell versions apart.
        None => {
            response.remove_header(&header::ETAG);
            Ok(())
        }
    }
}

/// Whether a body of this media type is JSON (RFC 8259, RFC 6839), also under the name that
/// it had before it was registered: clients can still ask some services for that.
pub(super) fn is_json(content_type: Option<&HeaderValue>) -> bool {
    essence(content_type).is_some_and(|essence| {
        matches!(&*essence, b"application/json" | b"text/json")
            || essence.ends_with(b"+json") && essence.contains(&b'/')
    })
}

/// Whether the body is a range of bytes. Ranges in other units, such as the entries of a list, are
/// whole bodies.
pub(super) fn is_part(response: &ResponseHeader) -> bool {
    let range = response.headers.get(header::CONTENT_RANGE).map(HeaderValue::as_bytes);
    let unit = range.and_then(|range| range.get(.."bytes ".len()));
    response.status == StatusCode::PARTIAL_CONTENT
        && unit.is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes "))
}

/// Whether it is a patch whose paths no rule reaches (RFC 6902).
pub(super) fn is_json_patch(content_type: Option<&HeaderValue>) -> bool {
    essence(content_type).is_some_and(|essence| essence == b"application/json-patch+json")
}

fn essence(content_type: Option<&HeaderValue>) -> Option<Vec<u8>> {
    let value = content_type?.as_bytes();
    value.split(|byte| *byte == b';').next().map(|essence| essence.trim_ascii().to_ascii_lowercase())
}

/// The announced length of a body.
pub(super) fn length(fields: &http::HeaderMap) -> Option<usize> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_many_names() {
        let json = |text: &str| is_json(Some(&HeaderValue::from_str(text).unwrap()));
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.nilecare.v1+json"]
        {
            assert!(json(yes), "{yes}");
        }
        for no in
            ["text/html", "application/jsonx", "application/x-ndjson", "application/json-seq", "+json", ""]
        {
            assert!(!json(no), "{no}");
        }
        assert!(!is_json(None));
    }

    #[test]
    fn the_connection_fields_of_the_client_end_here() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in [
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("TE", "trailers"),
            ("X-End", "1"),
            ("Host", "a"),
        ] {
            request.append_header(name, value).unwrap();
        }
        strip_connection(&mut request).unwrap();
        let mut names: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "x-end"]);
        request.append_header("Connection", "X-Forwarded-For").unwrap();
        assert!(strip_connection(&mut request).is_err());
    }
}
