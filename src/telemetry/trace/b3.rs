//! Zipkin's B3, in one field (`b3`) or in several (`X-B3-*`).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    context::{Remote, Said},
    id::{SpanId, TraceId},
};

pub(super) const SINGLE: HeaderName = HeaderName::from_static("b3");
pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
pub(super) const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
pub(super) const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
pub(super) const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// The only value of a field. `Err`: there are several.
pub(super) fn only(fields: &HeaderMap, name: HeaderName) -> Result<Option<&[u8]>, ()> {
    let mut lines = fields.get_all(name).iter();
    let first = lines.next();
    if lines.next().is_some() { Err(()) } else { Ok(first.map(|value| value.as_bytes().trim_ascii())) }
}

/// What the field `b3` says; `None` without one.
pub(super) fn read_single(fields: &HeaderMap) -> Option<Said> {
    match only(fields, SINGLE) {
        Ok(None) => None,
        Ok(Some(value)) => Some(single(value).unwrap_or(Said::Invalid)),
        Err(()) => Some(Said::Invalid),
    }
}

fn single(value: &[u8]) -> Option<Said> {
    if !value.contains(&b'-') {
        return decision(value).map(Said::Decision);
    }
    let mut parts = value.split(|&byte| byte == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let sampled = parts.next().map(|part| decision(part).ok_or(())).transpose().ok()?;
    // A server that takes part joins the caller's span; we make one of our own below it.
    let parent = parts.next();
    if parts.next().is_some() || parent.is_some_and(|parent| span_id(parent).is_none()) {
        return None;
    }
    context(trace, span, sampled)
}

fn decision(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"d" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

fn context(trace: &[u8], span: &[u8], sampled: Option<bool>) -> Option<Said> {
    let trace = TraceId::padded(trace).filter(|_| matches!(trace.len(), 16 | 32))?;
    Some(Said::Context(Remote { trace, span: span_id(span)?, sampled, random: false, state: None }))
}

fn span_id(text: &[u8]) -> Option<SpanId> {
    SpanId::padded(text).filter(|_| text.len() == 16)
}

/// What the fields `X-B3-*` say; `None` without any of them.
pub(super) fn read_multi(fields: &HeaderMap) -> Option<Said> {
    if ![&TRACE_ID, &SPAN_ID, &SAMPLED, &FLAGS].iter().any(|&name| fields.contains_key(name)) {
        return None;
    }
    Some(multi(fields).unwrap_or(Said::Invalid))
}

fn multi(fields: &HeaderMap) -> Option<Said> {
    let field = |name| only(fields, name).ok();
    let sampled = match field(SAMPLED)? {
        // Not in the specification, but sent by some.
        Some(b"true") => Some(true),
        Some(b"false") => Some(false),
        Some(b"d") | None => None,
        Some(text) => Some(decision(text)?),
    };
    let debug = match field(FLAGS)? {
        Some(b"1") => true,
        Some(b"0" | b"") | None => false,
        Some(_) => return None,
    };
    let sampled = if debug { Some(true) } else { sampled };
    match (field(TRACE_ID)?, field(SPAN_ID)?) {
        (Some(trace), Some(span)) => context(trace, span, sampled),
        (None, None) => sampled.map(Said::Decision),
        _ => None,
    }
}

/// The value of `b3`.
pub(super) fn single_value(trace: TraceId, span: SpanId, sampled: bool) -> HeaderValue {
    let text = format!("{}-{}-{}", trace.hex().as_str(), span.hex().as_str(), u8::from(sampled));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    fn of(value: &str) -> Option<Said> {
        read_single(&fields(&[("b3", value)]))
    }

    fn remote(trace: &str, sampled: Option<bool>) -> Option<Said> {
        let trace = TraceId::padded(trace.as_bytes()).unwrap();
        let span = SpanId::parse(SPAN.as_bytes()).unwrap();
        Some(Said::Context(Remote { trace, span, sampled, random: false, state: None }))
    }

    #[test]
    fn one_field() {
        assert_eq!(read_single(&HeaderMap::new()), None);
        assert_eq!(of(&format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90")), remote(TRACE, Some(true)));
        assert_eq!(of(&format!("{TRACE}-{SPAN}-0")), remote(TRACE, Some(false)));
        assert_eq!(of(&format!("{TRACE}-{SPAN}-d")), remote(TRACE, Some(true)));
        assert_eq!(of(&format!("{TRACE}-{SPAN}")), remote(TRACE, None));
        assert_eq!(of(&format!("{SPAN}-{SPAN}-1")), remote(SPAN, Some(true)), "64 bits");
        assert_eq!(of("0"), Some(Said::Decision(false)));
        assert_eq!(of("d"), Some(Said::Decision(true)));
        let span = SPAN;
        for bad in [
            "".to_owned(),
            "2".to_owned(),
            format!("{TRACE}-"),
            format!("{TRACE}-{span}-"),
            format!("{TRACE}-{span}-2"),
            format!("{TRACE}-{span}-1-"),
            format!("{TRACE}-{span}-1-{span}-x"),
            format!("abc-{span}-1"),
            format!("{TRACE}-abc-1"),
            format!("{}-{span}-1", "0".repeat(32)),
        ] {
            assert_eq!(of(&bad), Some(Said::Invalid), "{bad}");
        }
        assert_eq!(read_single(&fields(&[("b3", "0"), ("b3", "0")])), Some(Said::Invalid));
    }

    #[test]
    fn several_fields() {
        let of = |lines: &[_]| read_multi(&fields(lines));
        let (trace, span) = (("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[trace, span]), remote(TRACE, None));
        assert_eq!(of(&[trace, span, ("x-b3-sampled", "1")]), remote(TRACE, Some(true)));
        assert_eq!(of(&[trace, span, ("x-b3-sampled", "false")]), remote(TRACE, Some(false)));
        assert_eq!(of(&[trace, span, ("x-b3-flags", "1")]), remote(TRACE, Some(true)));
        assert_eq!(of(&[("x-b3-sampled", "0")]), Some(Said::Decision(false)));
        for bad in [
            &[trace] as &[_],
            &[span],
            &[trace, span, ("x-b3-sampled", "2")],
            &[trace, span, ("x-b3-flags", "2")],
            &[trace, trace, span],
            &[("x-b3-traceid", "xyz"), span],
        ] {
            assert_eq!(of(bad), Some(Said::Invalid), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in "[0-9a-f]{31}[1-9a-f]", sampled: bool) {
            let id = TraceId::parse(trace.as_bytes()).unwrap();
            let value = single_value(id, SpanId::parse(SPAN.as_bytes()).unwrap(), sampled);
            prop_assert_eq!(of(value.to_str().unwrap()), remote(&trace, Some(sampled)));
        }

        #[test]
        fn nothing_makes_it_panic(value in "[0-9a-fd-]{0,80}") {
            of(&value);
        }
    }
}
