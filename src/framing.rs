//! A strict reading of request heads, before Pingora parses them.
//!
//! Request smuggling lives on heads that two parsers read differently. Pingora
//! repairs some of them (RFC 9112 allows it); the gateway refuses them, so that what
//! reaches a backend had one meaning from the start. The check reads bytes and
//! limits, keeps nothing, allocates nothing and knows no connection. Bodies are not
//! looked at.

mod fields;
mod h2;
mod reason;
mod target;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use self::fields::FramingFields;
use crate::config::{process::LimitsConfig, values::ByteSize};

pub use h2::check_h2;
pub use reason::{Reason, status};

/// The most fields a head may have, whatever the configuration says: Pingora's own limit.
const MAX_FIELDS: usize = 256;

/// The longest method accepted, in bytes.
const MAX_METHOD: usize = 32;

/// How large a request head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Fields, at most 256.
    pub headers: usize,
    /// Bytes of the request line and the fields, with their line ends.
    pub header_bytes: usize,
    /// Bytes of the request target.
    pub uri_bytes: usize,
}

/// What the bytes received so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Nothing wrong yet; the head goes on.
    Incomplete,
    /// A sound head.
    Complete {
        /// Bytes of the head, with the empty line that ends it.
        len: usize,
        /// What follows it.
        body: Body,
    },
    /// The connection is to be answered and closed.
    Refused(Reason),
}

/// How the end of a request's body is found (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
}

impl From<&LimitsConfig> for HeadLimits {
    fn from(config: &LimitsConfig) -> Self {
        let bytes = |size: ByteSize| usize::try_from(size.get()).unwrap_or(usize::MAX);
        Self {
            headers: config.headers,
            header_bytes: bytes(config.header_bytes),
            uri_bytes: bytes(config.uri_bytes),
        }
    }
}

/// Checks an HTTP/1 request head (RFC 9112).
///
/// `received` is everything read since the last message ended; call again with more
/// after [`Head::Incomplete`]. One empty line before the request line is tolerated
/// (RFC 9112 section 2.2). Bytes after the head are not looked at.
pub fn check(received: &[u8], limits: &HeadLimits) -> Head {
    match find_end(received, limits) {
        Ok(None) => Head::Incomplete,
        Ok(Some(len)) => match check_head(&received[..len], limits) {
            Ok(body) => Head::Complete { len, body },
            Err(reason) => Head::Refused(reason),
        },
        Err(reason) => Head::Refused(reason),
    }
}

/// Walks the line ends up to the empty line; gives the length of the head.
///
/// Runs on every call, so all that can be refused before the end is refused here
/// or in [`check_start`].
fn find_end(received: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Reason> {
    let window = &received[..received.len().min(limits.header_bytes)];
    let mut line = 0;
    let mut lines = 0;
    let mut first = 0;
    let mut request_line = None;
    for at in memchr::memchr_iter(b'\n', window) {
        if at == 0 || window[at - 1] != b'\r' {
            return Err(Reason::BareLineFeed);
        }
        match (at - line, lines) {
            (1, 0) if first == 0 => first = 2,
            (1, 0) => return Err(Reason::InvalidRequestLine),
            (1, _) => return Ok(Some(at + 1)),
            _ => lines += 1,
        }
        request_line = request_line.or((lines == 1).then(|| &window[first..at]));
        line = at + 1;
        if lines > limits.headers + 1 {
            return Err(Reason::TooManyFields);
        }
        if lines > 0 && matches!(window.get(line), Some(b' ' | b'\t')) {
            return Err(Reason::ObsFold);
        }
    }
    check_start(request_line.unwrap_or(&window[first..]), limits)?;
    match received.len() >= limits.header_bytes {
        true if lines == 0 => Err(Reason::TargetTooLong),
        true => Err(Reason::HeadTooLarge),
        false => Ok(None),
    }
}

/// Checks a request line, perhaps only its beginning, before the head has ended: other
/// protocols are answered at once, and a long target is told from a long head.
fn check_start(start: &[u8], limits: &HeadLimits) -> Result<(), Reason> {
    // A CR may be the first half of the tolerated empty line.
    if matches!(start, [] | [b'\r']) {
        return Ok(());
    }
    let method = memchr::memchr(b' ', &start[..start.len().min(MAX_METHOD + 1)]);
    match method {
        None if start.len() > MAX_METHOD => return Err(Reason::InvalidMethod),
        _ => {}
    }
    let (method, rest) = start.split_at(method.unwrap_or(start.len()));
    if method.is_empty() || !method.iter().copied().all(is_token_byte) {
        return Err(Reason::InvalidMethod);
    }
    let target = rest.get(1..).unwrap_or_default();
    match memchr::memchr(b' ', target).unwrap_or(target.len()) > limits.uri_bytes {
        true => Err(Reason::TargetTooLong),
        false => Ok(()),
    }
}

fn check_head(head: &[u8], limits: &HeadLimits) -> Result<Body, Reason> {
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let slots = &mut slots[..limits.headers.min(MAX_FIELDS)];
    let mut request = httparse::Request::new(&mut []);
    // The head ends in an empty line, so it cannot be partial.
    if let Err(error) = request.parse_with_uninit_headers(head, slots) {
        return Err(explain(error, &request, head));
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Reason::InvalidRequestLine);
    };
    if method.len() > MAX_METHOD {
        return Err(Reason::InvalidMethod);
    }
    if target.len() > limits.uri_bytes {
        return Err(Reason::TargetTooLong);
    }
    if method == "CONNECT" {
        return Err(Reason::ConnectMethod);
    }
    let authority = target::check_target(method, target.as_bytes())?;
    let mut fields = FramingFields::default();
    for field in request.headers.iter() {
        fields.read(field.name, field.value)?;
    }
    fields.check(authority, version == 0)?;
    Ok(fields.body())
}

/// Names what the parser stumbled over.
fn explain(error: httparse::Error, request: &httparse::Request<'_, '_>, head: &[u8]) -> Reason {
    let bare = |at: usize| head.get(at + 1) != Some(&b'\n');
    if memchr::memchr_iter(b'\r', head).any(bare) {
        return Reason::BareCarriageReturn;
    }
    match error {
        httparse::Error::HeaderName => Reason::InvalidFieldName,
        httparse::Error::HeaderValue => Reason::InvalidFieldValue,
        httparse::Error::TooManyHeaders => Reason::TooManyFields,
        httparse::Error::Version if names_http(head) => Reason::UnsupportedVersion,
        httparse::Error::Token if request.method.is_none() => Reason::InvalidMethod,
        httparse::Error::Token if request.path.is_none() => Reason::InvalidTarget,
        _ => Reason::InvalidRequestLine,
    }
}

/// Whether the first line that has text ends in `HTTP/` and a version.
fn names_http(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|&byte| byte == b'\r').next().unwrap_or_default();
    let last = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    match last.strip_prefix(b"HTTP/") {
        Some([major]) => major.is_ascii_digit(),
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
