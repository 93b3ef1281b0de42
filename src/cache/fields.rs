//! Fields of a stored response: what is kept, in which form, and what a 304 changes
//! (RFC 9111 sections 3.1 and 3.2).
//!
//! The form is HTTP/1.1's, names in lower case, each line ended by CRLF. Reading it neither
//! allocates nor fails, whatever the bytes are.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr;

use super::{date, entry::Stamp, text};

/// Bytes of all stored fields together.
pub const MAX_BYTES: usize = 64 << 10;

/// Fields that cannot be stored: too many bytes, or a value with a line break in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstorable;

/// What is left out, besides what belongs to one hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Fields that `no-cache="…"` and `private="…"` name.
    pub withheld: Vec<HeaderName>,
    /// Whether `Set-Cookie` is left out too.
    pub cookies: bool,
}

impl Omitted {
    /// Whether these fields have any of it.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.keys().any(|name| self.contains(name))
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.cookies && *name == header::SET_COOKIE || self.withheld.contains(name)
    }
}

/// The stored form of a response's fields.
///
/// Left out are `omitted`, the fields of one hop and those `Connection` names, `Age` (an entry
/// knows its own) and the fields of tags (kept apart). A missing `Date` is added: the time of
/// receipt (RFC 9110 section 6.6.1).
///
/// # Errors
/// [`Unstorable`].
pub fn write(headers: &HeaderMap, omitted: &Omitted, received: Stamp) -> Result<Vec<u8>, Unstorable> {
    let mut out = Vec::with_capacity(headers.len() * 40);
    let mut line = |name: &[u8], value: &[u8]| {
        if memchr::memchr3(b'\r', b'\n', 0, value).is_some()
            || out.len() + name.len() + value.len() > MAX_BYTES
        {
            return Err(Unstorable);
        }
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
        Ok(())
    };
    for (name, value) in headers {
        if !is_of_one_hop(name, headers) && !is_kept_apart(name) && !omitted.contains(name) {
            line(name.as_str().as_bytes(), value.as_bytes())?;
        }
    }
    if !headers.contains_key(header::DATE) {
        line(b"date", date::format(received).as_bytes())?;
    }
    Ok(out)
}

/// The fields of an entry brought up to date by a 304.
///
/// All fields of the 304 replace the stored ones of their names, except those that describe the
/// stored body and those of one hop; `Set-Cookie` only with `cookies`. The names in `Vary` are
/// added to the stored ones: by those the entry was chosen, and a variant that no longer said
/// so would be given to everybody. The 304's `Age`, tags and `Date` (the time of receipt, if it
/// has none) are in the result, so that it can be judged and written like a response that came
/// whole.
pub fn merge(stored: &[u8], update: &HeaderMap, cookies: bool, received: Stamp) -> HeaderMap {
    let mut merged = to_headers(stored);
    let updates = |name: &HeaderName| {
        !describes_body(name)
            && !is_of_one_hop(name, update)
            && *name != header::VARY
            && (cookies || *name != header::SET_COOKIE)
    };
    for name in update.keys().filter(|name| updates(name)) {
        merged.remove(name);
    }
    for (name, value) in update.iter().filter(|(name, _)| updates(name)) {
        merged.append(name, value.clone());
    }
    for name in text::list(update, "vary") {
        let known = text::list(&merged, "vary").any(|known| known.eq_ignore_ascii_case(name));
        if !known && let Ok(name) = HeaderValue::from_bytes(name) {
            merged.append(header::VARY, name);
        }
    }
    if !update.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::from_str(&date::format(received))
    {
        merged.insert(header::DATE, date);
    }
    merged
}

/// The lines of stored fields, as name and value. What is no line is passed over.
pub fn lines(fields: &[u8]) -> Lines<'_> {
    Lines { rest: fields }
}

/// The value of the first line of a field. `name` is in lower case.
pub fn find<'a>(fields: &'a [u8], name: &str) -> Option<&'a [u8]> {
    find_all(fields, name).next()
}

/// The values of all lines of a field. `name` is in lower case.
pub fn find_all<'a>(fields: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    lines(fields).filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// Stored fields as a map.
pub fn to_headers(fields: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines(fields) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            // Refused beyond 32 768 lines, which no block within the limit has.
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// See [`lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            let (line, tail) = self.rest.split_at(end);
            self.rest = tail.get(1..).unwrap_or_default();
            if let Some(colon) = memchr(b':', line) {
                return Some((&line[..colon], line[colon + 1..].trim_ascii()));
            }
        }
        None
    }
}

/// Whether a field is of one connection (RFC 9110 section 7.6.1, RFC 9111 section 3.1), by its
/// name or because `Connection` names it.
fn is_of_one_hop(name: &HeaderName, headers: &HeaderMap) -> bool {
    let known = matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    );
    known
        || headers.contains_key(header::CONNECTION)
            && !is_end_to_end(name)
            && text::list(headers, "connection")
                .any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Fields that `Connection` must not name: a response would lose its meaning or its protection.
fn is_end_to_end(name: &HeaderName) -> bool {
    describes_body(name)
        || matches!(*name, header::CACHE_CONTROL | header::DATE | header::SET_COOKIE | header::VARY)
}

fn describes_body(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONTENT_ENCODING | header::CONTENT_LENGTH | header::CONTENT_RANGE | header::CONTENT_TYPE
    )
}

fn is_kept_apart(name: &HeaderName) -> bool {
    *name == header::AGE || matches!(name.as_str(), "surrogate-key" | "cache-tag")
}

#[cfg(test)]
mod tests;
