//! One hop of a request, and how `X-Forwarded-*` and `Forwarded` tell of it.

use std::io::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora::{Result, http::RequestHeader};

use crate::headers::{Client, RequestId, fields::Fields, forwarded::X_FORWARDED_FOR};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a listener is to its clients, ready to be written into fields.
#[derive(Clone, Debug)]
pub struct ListenerFields {
    tls: bool,
    port: HeaderValue,
}

impl ListenerFields {
    /// The fields of a listener on this port.
    pub fn new(tls: bool, port: u16) -> Self {
        Self { tls, port: HeaderValue::from(port) }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// The client's side of a request.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Who sent it.
    pub client: &'a Client,
    /// Where it came in.
    pub listener: &'a ListenerFields,
    /// The HTTP version it came in.
    pub version: Version,
    /// What it is called.
    pub id: &'a RequestId,
}

/// The host the client asked for: `Host`, or the authority of an HTTP/2 request.
pub(super) fn host_of(request: &RequestHeader) -> Option<HeaderValue> {
    request.headers.get(header::HOST).cloned().or_else(|| {
        let authority = request.uri.authority()?;
        HeaderValue::from_str(authority.as_str()).ok()
    })
}

/// Extends `X-Forwarded-*` by this hop.
pub(super) fn write_x_forwarded(
    request: &mut RequestHeader,
    hop: &Hop<'_>,
    host: Option<&HeaderValue>,
) -> Result<()> {
    let value = extended(&request.headers, &X_FORWARDED_FOR, |value| {
        // Writing to a vector does not fail.
        let _ = write!(value, "{}", hop.client.peer);
    });
    request.insert("X-Forwarded-For", value)?;
    // What a trusted peer says of the client's side is nearer to the client than we are.
    if !says(&request.headers, &X_FORWARDED_PROTO, |proto| matches!(proto, b"http" | b"https")) {
        let scheme = HeaderValue::from_static(hop.listener.scheme());
        request.insert("X-Forwarded-Proto", scheme)?;
    }
    if let Some(host) = host
        && !says(&request.headers, &X_FORWARDED_HOST, |host| !host.is_empty() && !host.contains(&b','))
    {
        request.insert("X-Forwarded-Host", host.clone())?;
    }
    let is_port = |port: &[u8]| matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
    if !says(&request.headers, &X_FORWARDED_PORT, is_port) {
        request.insert("X-Forwarded-Port", hop.listener.port.clone())?;
    }
    Ok(())
}

/// Whether a field is there once with a value that makes sense.
fn says(fields: &HeaderMap, name: &HeaderName, makes_sense: impl Fn(&[u8]) -> bool) -> bool {
    let mut values = fields.get_all(name).iter();
    values.next().is_some_and(|value| makes_sense(value.as_bytes())) && values.next().is_none()
}

/// The lines of a list field joined to one, with another entry at the end.
pub(super) fn extended(
    fields: &HeaderMap,
    name: &HeaderName,
    write_entry: impl FnOnce(&mut Vec<u8>),
) -> HeaderValue {
    const ENTRY: usize = 48; // holds any address
    let lines = fields.get_all(name);
    let mut list = Vec::with_capacity(lines.iter().map(|line| line.len() + 2).sum::<usize>() + ENTRY);
    for line in lines.iter().filter(|line| !line.is_empty()) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    write_entry(&mut list);
    // Joined field values and entries of visible ASCII make a field value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Writes an element of `Forwarded` (RFC 7239 section 4): an IPv6 address in brackets and quotes.
pub(super) fn write_forwarded(value: &mut Vec<u8>, hop: &Hop<'_>, host: Option<&HeaderValue>) {
    // Writing to a vector does not fail.
    let _ = match hop.client.peer {
        std::net::IpAddr::V4(peer) => write!(value, "for={peer}"),
        std::net::IpAddr::V6(peer) => write!(value, "for=\"[{peer}]\""),
    };
    if let Some(host) = host {
        value.extend_from_slice(b";host=");
        write_token_or_quoted(value, host.as_bytes());
    }
    let _ = write!(value, ";proto={}", hop.listener.scheme());
}

fn write_token_or_quoted(out: &mut Vec<u8>, text: &[u8]) {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    if !text.is_empty() && text.iter().all(is_token) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        let written = |text: &[u8]| {
            let mut out = Vec::new();
            write_token_or_quoted(&mut out, text);
            out
        };
        assert_eq!(written(b"example.com"), b"example.com");
        assert_eq!(written(b"a\"b\\c"), b"\"a\\\"b\\\\c\"");
        assert_eq!(written(b""), b"\"\"");
    }
}
