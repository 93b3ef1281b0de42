//! W3C Trace Context, level 2: `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    context::{Remote, Said},
    id::{SpanId, TraceId},
};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;
/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// Most members of a `tracestate`.
const MEMBERS_MAX: usize = 32;

/// What the fields say; `None` without a `traceparent`.
pub(super) fn read(fields: &HeaderMap) -> Option<Said> {
    let mut lines = fields.get_all(&TRACEPARENT).iter();
    let line = lines.next()?;
    if lines.next().is_some() {
        return Some(Said::Invalid);
    }
    let Some((trace, span, flags)) = parent(line.as_bytes().trim_ascii()) else {
        return Some(Said::Invalid);
    };
    Some(Said::Context(Remote {
        trace,
        span,
        sampled: Some(flags & SAMPLED != 0),
        random: flags & RANDOM != 0,
        state: state(fields),
    }))
}

fn parent(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (head, more) = text.split_at_checked(LENGTH)?;
    let version = byte(&head[..2])?;
    let separated = [2, 35, 52].iter().all(|&at| head[at] == b'-');
    // Later versions may say more, behind another dash.
    let complete = match version {
        0xff => false,
        0x00 => more.is_empty(),
        _ => more.is_empty() || more[0] == b'-',
    };
    if !separated || !complete {
        return None;
    }
    Some((TraceId::parse(&head[3..35])?, SpanId::parse(&head[36..52])?, byte(&head[53..])?))
}

/// Two lower-case hexadecimal digits.
fn byte(text: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = std::str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(digit))?;
    u8::from_str_radix(text, 16).ok()
}

/// All lines as one list; of repeated keys the first. `None`: nothing, or something that is no
/// `tracestate`, which is dropped as a whole.
fn state(fields: &HeaderMap) -> Option<Box<str>> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for line in fields.get_all(&TRACESTATE) {
        let text = line.to_str().ok()?;
        for member in text.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key.as_bytes()) || !is_value(value.as_bytes()) || members.len() == MEMBERS_MAX {
                return None;
            }
            members.push((key, member));
        }
    }
    let mut joined = String::new();
    for (index, (key, member)) in members.iter().enumerate() {
        if members[..index].iter().any(|(earlier, _)| earlier == key) {
            continue;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(member);
    }
    (!joined.is_empty()).then(|| joined.into_boxed_str())
}

fn is_key(key: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let rest = |byte: &u8| plain(byte) || b"_-*/@".contains(byte);
    key.len() <= 256 && key.first().is_some_and(plain) && key.iter().all(rest)
}

fn is_value(value: &[u8]) -> bool {
    let fits = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b',' && *byte != b'=';
    (1..=256).contains(&value.len()) && value.iter().all(fits)
}

/// A `traceparent` of version 00.
pub(super) fn parent_value(trace: TraceId, span: SpanId, sampled: bool, random: bool) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    text[3..35].copy_from_slice(trace.hex().as_bytes());
    text[36..52].copy_from_slice(span.hex().as_bytes());
    text[54] = b'0' + if sampled { SAMPLED } else { 0 } + if random { RANDOM } else { 0 };
    // Digits and dashes only.
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
