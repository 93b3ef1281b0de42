//! Fields of compressed responses.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Encoding, token, variant_tag};

/// Checksums of a body or representation (RFC 9530, and those before it), which no longer
/// hold for another one.
const CHECKSUMS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// Whether the fields of a response forbid to compress it: it is encoded already, a part of
/// a body, protected by a checksum, or marked `no-transform` (RFC 9111 section 5.2.2.6).
pub(super) fn forbid_encoding(response: &HeaderMap) -> bool {
    let is_identity = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    let encoded = response.get_all(header::CONTENT_ENCODING).iter().any(|value| !is_identity(value));
    encoded
        || response.contains_key(header::CONTENT_RANGE)
        || CHECKSUMS.iter().any(|name| response.contains_key(*name))
        || response.get_all(header::CACHE_CONTROL).iter().any(|value| is_no_transform(value.as_bytes()))
}

/// Makes the fields those of the compressed response. `length` is that of the compressed
/// body; without it, the body ends where the framing says, and ranges of it are not served.
pub fn mark_encoded(response: &mut HeaderMap, encoding: Encoding, length: Option<u64>) {
    response.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token(encoding)));
    match length {
        Some(length) => {
            response.insert(header::CONTENT_LENGTH, length.into());
        }
        None => {
            response.remove(header::CONTENT_LENGTH);
            response.remove(header::ACCEPT_RANGES);
        }
    }
    // What is no entity tag cannot tell the variants apart.
    match response.get(header::ETAG).map(|tag| variant_tag(tag, encoding)) {
        Some(Some(tag)) => {
            response.insert(header::ETAG, tag);
        }
        Some(None) => {
            response.remove(header::ETAG);
        }
        None => {}
    }
    vary_on_encoding(response);
}

/// Says that the response depends on `Accept-Encoding`: to be said of every response that
/// would be compressed for another client.
pub fn vary_on_encoding(response: &mut HeaderMap) {
    const NAME: HeaderName = header::ACCEPT_ENCODING;
    let mut names = Vec::new();
    for value in response.get_all(header::VARY) {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if name == b"*" || name.eq_ignore_ascii_case(NAME.as_str().as_bytes()) {
                return;
            }
            if !name.is_empty() {
                names.extend_from_slice(name);
                names.extend_from_slice(b", ");
            }
        }
    }
    names.extend_from_slice(b"Accept-Encoding");
    // Names from valid values make a valid value.
    if let Ok(value) = HeaderValue::from_bytes(&names) {
        response.insert(header::VARY, value);
    }
}

/// Whether the directive is there, outside of quoted strings.
fn is_no_transform(value: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(|byte| {
            let end = *byte == b',' && !quoted;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            end
        })
        .any(|directive| {
            let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"no-transform")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        list.iter().map(field).collect()
    }

    #[test]
    fn a_body_that_must_stay_as_it_is() {
        let check = |list, expected| assert_eq!(forbid_encoding(&fields(list)), expected, "{list:?}");
        check(&[("cache-control", "max-age=1")], false);
        check(&[("content-encoding", "Identity")], false);
        check(&[("content-encoding", "br")], true);
        check(&[("content-encoding", "identity"), ("content-encoding", "gzip")], true);
        check(&[("content-range", "bytes 0-1/2")], true);
        check(&[("repr-digest", "sha-256=:AA==:")], true);
        check(&[("cache-control", "public"), ("cache-control", "max-age=1 , No-Transform")], true);
        check(&[("cache-control", "no-transform=1")], true);
        check(&[("cache-control", "private=\"a, no-transform, b\"")], false);
        check(&[("cache-control", "x=\"\\\"\", no-transform")], true);
        check(&[("cache-control", "no-transformation")], false);
    }

    #[test]
    fn a_whole_compressed_body_has_its_own_length_tag_and_ranges() {
        let mut response =
            fields(&[("content-length", "9000"), ("etag", "\"x\""), ("accept-ranges", "bytes")]);
        mark_encoded(&mut response, Encoding::Gzip, Some(700));
        let expected = [
            ("content-encoding", "gzip"),
            ("content-length", "700"),
            ("etag", "\"x-gzip\""),
            ("accept-ranges", "bytes"),
            ("vary", "Accept-Encoding"),
        ];
        assert_eq!(response, fields(&expected));
    }

    #[test]
    fn a_compressed_stream_has_neither_length_nor_ranges() {
        let mut response = fields(&[("content-length", "9000"), ("etag", "x"), ("accept-ranges", "bytes")]);
        mark_encoded(&mut response, Encoding::Br, None);
        assert_eq!(response, fields(&[("content-encoding", "br"), ("vary", "Accept-Encoding")]));
    }

    #[test]
    fn vary_is_merged() {
        let check = |before: &[(&'static str, &str)], after: &[(&'static str, &str)]| {
            let mut response = fields(before);
            vary_on_encoding(&mut response);
            assert_eq!(response, fields(after));
        };
        check(&[], &[("vary", "Accept-Encoding")]);
        check(
            &[("vary", "Origin,"), ("vary", " X-A , X-B")],
            &[("vary", "Origin, X-A, X-B, Accept-Encoding")],
        );
        check(&[("vary", "a, accept-ENCODING")], &[("vary", "a, accept-ENCODING")]);
        check(&[("vary", "a"), ("vary", "*")], &[("vary", "a"), ("vary", "*")]);
    }
}
