//! One range of bytes out of a stored response (RFC 9110 section 14).

use std::{fmt, ops::Range};

use http::{HeaderMap, Method, StatusCode, header};

use super::{
    conditional::{EntityTag, Validators},
    date,
    entry::Stamp,
    text,
};

/// What is sent of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it, with the stored status.
    Whole,
    /// These bytes, with 206. Never empty.
    Part(Range<u64>),
    /// Nothing, with 416: the range begins after the end.
    Unsatisfiable,
}

/// Decides by `Range` and `If-Range`.
///
/// Several ranges, and what is no range, count as absent (section 14.2), and so does
/// `Range` on other than a GET answered by a stored 200. Evaluate the other conditions first.
pub fn select(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    validators: &Validators<'_>,
    length: u64,
    now: Stamp,
) -> Selection {
    if !request.contains_key(header::RANGE) || *method != Method::GET || status != StatusCode::OK {
        return Selection::Whole;
    }
    let mut lines = request.get_all(header::RANGE).iter();
    match (lines.next().and_then(|line| single(line.as_bytes())), lines.next()) {
        (Some(range), None) if unchanged(request, validators, now) => range.within(length),
        _ => Selection::Whole,
    }
}

/// The value of `Content-Range` for a part, or of a 416 for `None` (section 14.4).
pub fn content_range(part: Option<&Range<u64>>, length: u64) -> ContentRange {
    ContentRange { part: part.cloned(), length }
}

/// See [`content_range`].
#[derive(Clone, Debug)]
pub struct ContentRange {
    part: Option<Range<u64>>,
    length: u64,
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Some(part) => write!(f, "bytes {}-{}/{}", part.start, part.end.saturating_sub(1), self.length),
            None => write!(f, "bytes */{}", self.length),
        }
    }
}

/// `If-Range`: whether the client's part is of what is stored (section 13.1.5).
fn unchanged(request: &HeaderMap, validators: &Validators<'_>, now: Stamp) -> bool {
    let mut lines = request.get_all(header::IF_RANGE).iter().map(|line| line.as_bytes());
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return !request.contains_key(header::IF_RANGE);
    };
    if let Some(tag) = EntityTag::parse(value) {
        return validators.etag.is_some_and(|etag| etag.strongly_equals(tag));
    }
    let (Some(wanted), Some(modified)) = (date::parse(value, now), validators.modified(now)) else {
        return false;
    };
    // A date is strong if a second change in the same second would have shown (section 8.8.2.2).
    let made = validators.date.and_then(|value| date::parse(value, now));
    wanted == modified && made.is_some_and(|made| made > modified)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRange {
    /// From the first to the last byte, which counts in.
    Between(u64, u64),
    /// The last so many bytes.
    Suffix(u64),
}

impl ByteRange {
    fn within(self, length: u64) -> Selection {
        match self {
            Self::Between(first, last) if first < length => {
                Selection::Part(first..last.saturating_add(1).min(length))
            }
            Self::Between(..) | Self::Suffix(0) => Selection::Unsatisfiable,
            // Satisfiable, but a part without bytes cannot be named.
            Self::Suffix(_) if length == 0 => Selection::Whole,
            Self::Suffix(count) => Selection::Part(length.saturating_sub(count)..length),
        }
    }
}

/// The only range of a line.
fn single(line: &[u8]) -> Option<ByteRange> {
    let (unit, set) = line.split_at_checked(5)?;
    unit.eq_ignore_ascii_case(b"bytes").then_some(())?;
    let mut specs = text::members(set.strip_prefix(b"=")?);
    let (spec, None) = (specs.next()?, specs.next()) else { return None };
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", count) => Some(ByteRange::Suffix(number(count)?)),
        (first, b"") => Some(ByteRange::Between(number(first)?, u64::MAX)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// Digits; more than fit are as good as the most.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| {
        text.iter().fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests;
