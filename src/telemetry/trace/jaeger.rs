//! Jaeger's own fields: `uber-trace-id`, and `uberctx-*` for baggage.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;

use super::{
    b3::only,
    baggage::Baggage,
    context::{Remote, Said},
    id::{SpanId, TraceId},
};

pub(super) const UBER_TRACE_ID: HeaderName = HeaderName::from_static("uber-trace-id");
/// How the names of fields with baggage begin.
pub(super) const BAGGAGE_PREFIX: &str = "uberctx-";

const SAMPLED: u8 = 0x01;
const DEBUG: u8 = 0x02;

/// What the field says; `None` without one.
pub(super) fn read(fields: &HeaderMap) -> Option<Said> {
    match only(fields, UBER_TRACE_ID) {
        Ok(None) => None,
        Ok(Some(value)) => Some(parse(value).unwrap_or(Said::Invalid)),
        Err(()) => Some(Said::Invalid),
    }
}

fn parse(value: &[u8]) -> Option<Said> {
    // Some clients write `%3A` for the colons.
    let value: Cow<'_, [u8]> = percent_decode(value).into();
    let mut parts = value.split(|&byte| byte == b':');
    let (trace, span, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &[u8]| (1..=16).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
    if parts.next().is_some() || !hex(parent) || !hex(flags) || flags.len() > 2 {
        return None;
    }
    let flags = u8::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok()?;
    Some(Said::Context(Remote {
        trace: TraceId::padded(trace)?,
        span: SpanId::padded(span)?,
        sampled: Some(flags & (SAMPLED | DEBUG) != 0),
        random: false,
        state: None,
    }))
}

/// Adds what the `uberctx-*` fields hold.
pub(super) fn read_baggage(fields: &HeaderMap, baggage: &mut Baggage) {
    for (name, value) in fields {
        if let Some(key) = name.as_str().strip_prefix(BAGGAGE_PREFIX) {
            baggage.add_raw(key, &percent_decode(value.as_bytes()).decode_utf8_lossy());
        }
    }
}

/// The value of `uber-trace-id`.
pub(super) fn value(trace: TraceId, span: SpanId, sampled: bool) -> HeaderValue {
    let text = format!("{}:{}:0:{}", trace.hex().trimmed(), span.hex().trimmed(), u8::from(sampled));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: &str) -> Option<Said> {
        let mut fields = HeaderMap::new();
        fields.insert(UBER_TRACE_ID, HeaderValue::from_str(value).unwrap());
        read(&fields)
    }

    fn remote(trace: &str, span: &str, sampled: bool) -> Option<Said> {
        Some(Said::Context(Remote {
            trace: TraceId::padded(trace.as_bytes()).unwrap(),
            span: SpanId::padded(span.as_bytes()).unwrap(),
            sampled: Some(sampled),
            random: false,
            state: None,
        }))
    }

    #[test]
    fn ids_may_be_short_and_colons_encoded() {
        assert_eq!(of("80f198ee56343ba864fe8b2a57d3eff7:e457b5a2e4d86bd1:0:1"), {
            remote("80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1", true)
        });
        assert_eq!(of("abc:1:7:0"), remote("abc", "1", false));
        assert_eq!(of("abc%3A1%3A0%3A3"), remote("abc", "1", true));
        assert_eq!(of("abc:1:0:2"), remote("abc", "1", true), "debug");
        let long = "1".repeat(33);
        for bad in [
            "",
            "abc",
            "abc:1:0",
            "abc:1:0:1:1",
            "0:1:0:1",
            "abc:0:0:1",
            "x:1:0:1",
            "abc:1::1",
            "abc:1:0:",
            "abc:1:0:100",
            "abc:12345678901234567:0:1",
            &format!("{long}:1:0:1"),
        ] {
            assert_eq!(of(bad), Some(Said::Invalid), "{bad}");
        }
    }

    #[test]
    fn baggage_is_decoded() {
        let mut fields = HeaderMap::new();
        fields.insert("uberctx-tenant", HeaderValue::from_static("a%20b"));
        fields.insert("uberctx-", HeaderValue::from_static("no key"));
        let mut baggage = Baggage::default();
        read_baggage(&fields, &mut baggage);
        assert_eq!(baggage.as_str(), "tenant=a%20b");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in "[0-9a-f]{0,31}[1-9a-f]", span in "[0-9a-f]{0,15}[1-9a-f]", sampled: bool) {
            let id = TraceId::padded(trace.as_bytes()).unwrap();
            let value = value(id, SpanId::padded(span.as_bytes()).unwrap(), sampled);
            prop_assert_eq!(of(value.to_str().unwrap()), remote(&trace, &span, sampled));
        }

        #[test]
        fn nothing_makes_it_panic(value in "[0-9a-f:%A]{0,80}") {
            of(&value);
        }
    }
}
