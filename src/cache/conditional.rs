//! Conditional requests of clients, answered from the store (RFC 9110 section 13,
//! RFC 9111 section 4.3.2).
//!
//! `If-Match` and `If-Unmodified-Since` do not apply to a cache.

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::{date, entry::Stamp, fields};

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    /// With its quotation marks.
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads one entity tag and nothing else.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        Self::first(value.trim_ascii()).and_then(|(tag, rest)| rest.is_empty().then_some(tag))
    }

    /// Reads one at the start of a list, and returns what follows.
    fn first(value: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, value) = match value.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, value),
        };
        let inner = value.strip_prefix(b"\"")?;
        let length = inner.iter().position(|&byte| byte == b'"')?;
        // No space and no control character may be in it (section 8.8.3).
        inner[..length].iter().all(|&byte| byte > b' ' && byte != 0x7f).then_some(())?;
        let (opaque, rest) = value.split_at(length + 2);
        Some((Self { weak, opaque }, rest))
    }

    /// The comparison for `If-None-Match`.
    pub fn weakly_equals(self, other: Self) -> bool {
        self.opaque == other.opaque
    }

    /// The comparison for `If-Range`.
    pub fn strongly_equals(self, other: Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }
}

/// What identifies the state of a stored representation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// `ETag`, if it is one.
    pub etag: Option<EntityTag<'a>>,
    /// The value of `Last-Modified`.
    pub last_modified: Option<&'a [u8]>,
    /// The value of `Date`.
    pub date: Option<&'a [u8]>,
}

impl<'a> Validators<'a> {
    /// Those of an entry, by its fields in wire form.
    pub fn of_fields(fields: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (name, value) in fields::lines(fields) {
            match name {
                b"etag" => found.etag = EntityTag::parse(value),
                b"last-modified" => found.last_modified = Some(value),
                b"date" => found.date = Some(value),
                _ => {}
            }
        }
        found
    }

    /// Those of a response; `None` if it cannot be revalidated.
    pub fn of_headers(headers: &'a HeaderMap) -> Option<Self> {
        let value = |name: HeaderName| headers.get(name).map(|value| value.as_bytes());
        let found = Self {
            etag: value(header::ETAG).and_then(EntityTag::parse),
            last_modified: value(header::LAST_MODIFIED)
                .filter(|value| date::parse(value, Stamp::default()).is_some()),
            date: value(header::DATE),
        };
        (found.etag.is_some() || found.last_modified.is_some()).then_some(found)
    }

    /// `Last-Modified`, as far as it can be read.
    pub(super) fn modified(&self, now: Stamp) -> Option<Stamp> {
        date::parse(self.last_modified?, now)
    }
}

/// Whether a client's conditions make the answer a 304.
///
/// `status` is that of the stored response: conditions on other than 2xx do not count
/// (RFC 9110 section 13.2.1). `If-None-Match` goes before `If-Modified-Since`.
pub fn is_not_modified(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    validators: &Validators<'_>,
    now: Stamp,
) -> bool {
    if !status.is_success() || !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    if request.contains_key(header::IF_NONE_MATCH) {
        let lines = request.get_all(header::IF_NONE_MATCH).iter();
        return lines.map(|line| line.as_bytes()).any(|line| names(line, validators.etag));
    }
    if !request.contains_key(header::IF_MODIFIED_SINCE) {
        return false;
    }
    let Some(since) = date::field(request, &header::IF_MODIFIED_SINCE, now) else { return false };
    // Without `Last-Modified`, `Date` stands for it (RFC 9111 section 4.3.2).
    let changed = match validators.last_modified {
        Some(_) => validators.modified(now),
        None => validators.date.and_then(|value| date::parse(value, now)),
    };
    changed.is_some_and(|changed| changed <= since)
}

/// Whether a line of `If-None-Match` names this tag. What follows a mistake is not read.
fn names(line: &[u8], etag: Option<EntityTag<'_>>) -> bool {
    if line.trim_ascii() == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let mut rest = line;
    loop {
        while let [b',' | b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        let Some((tag, tail)) = EntityTag::first(rest) else { return false };
        rest = tail.trim_ascii_start();
        if !matches!(rest.first(), None | Some(b',')) {
            return false;
        }
        if tag.weakly_equals(etag) {
            return true;
        }
    }
}

/// Whether a stored field goes into a 304 (RFC 9110 section 15.4.5). `name` is in lower case.
///
/// Besides what that section lists: `Last-Modified`, because an entity tag may be lost on the
/// way, and what permits a page of another origin to read the answer.
pub fn belongs_in_304(name: &[u8]) -> bool {
    matches!(
        name,
        b"cache-control"
            | b"cdn-cache-control"
            | b"content-location"
            | b"date"
            | b"etag"
            | b"expires"
            | b"last-modified"
            | b"vary"
    ) || name.starts_with(b"access-control-")
}

#[cfg(test)]
mod tests;
