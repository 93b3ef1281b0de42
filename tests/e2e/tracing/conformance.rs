//! The cases of W3C's test suite for Trace Context, by their names there, against the binary.
//!
//! The suite (<https://github.com/w3c/trace-context>, `test/`) looks at what a service sends on.
//! Where its stored rules are older than the specification, the specification counts: keys of
//! `tracestate` are those of level 2, in which `@` is a character like others, and of repeated
//! keys either all or one may be handed on.

use std::collections::HashSet;

use super::tracing;
use crate::harness::{Client, Gateway, Origin, RawClient};

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";

/// What becomes of the trace id.
#[derive(Clone, Copy, PartialEq)]
enum Trace {
    GoesOn,
    BeginsAnew,
}
use Trace::{BeginsAnew, GoesOn};

/// A case: its name, the fields of one request, what becomes of the trace, and the `tracestate`
/// sent on.
type Case = (&'static str, Vec<(&'static str, String)>, Trace, &'static str);

fn parent(version: &str, trace: &str, span: &str, flags: &str) -> Vec<(&'static str, String)> {
    vec![("traceparent", format!("{version}-{trace}-{span}-{flags}"))]
}

/// A sound `traceparent` with these lines of `tracestate`.
fn state(lines: &[&str]) -> Vec<(&'static str, String)> {
    let lines = lines.iter().map(|line| ("tracestate", (*line).to_owned()));
    parent("00", TRACE, SPAN, "00").into_iter().chain(lines).collect()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn of_traceparent() -> Vec<Case> {
    let sound = format!("00-{TRACE}-{SPAN}-01");
    let line = |name, text: &str| vec![(name, text.to_owned())];
    let of = |version, trace, span, flags| parent(version, trace, span, flags);
    let mut cases = vec![
        ("both_traceparent_and_tracestate_missing", vec![], BeginsAnew, ""),
        ("traceparent_included_tracestate_missing", line("traceparent", &sound), GoesOn, ""),
        (
            "traceparent_duplicated",
            [line("traceparent", &sound), line("traceparent", &sound)].concat(),
            BeginsAnew,
            "",
        ),
        ("traceparent_header_name", line("trace-parent", &sound), BeginsAnew, ""),
        ("traceparent_header_name", line("trace.parent", &sound), BeginsAnew, ""),
        ("traceparent_header_name_valid_casing", line("TraceParent", &sound), GoesOn, ""),
        ("traceparent_header_name_valid_casing", line("TrAcEpArEnT", &sound), GoesOn, ""),
        ("traceparent_header_name_valid_casing", line("TRACEPARENT", &sound), GoesOn, ""),
        ("traceparent_version_0x00", line("traceparent", &format!("{sound}.")), BeginsAnew, ""),
        (
            "traceparent_version_0x00",
            line("traceparent", &format!("{sound}-what-the-future-brings")),
            BeginsAnew,
            "",
        ),
        ("traceparent_version_0xcc", of("cc", TRACE, SPAN, "01"), GoesOn, ""),
        ("traceparent_version_0xcc", of("cc", TRACE, SPAN, "01-what-the-future-brings"), GoesOn, ""),
        ("traceparent_version_0xcc", of("cc", TRACE, SPAN, "01.what-the-future-brings"), BeginsAnew, ""),
        ("traceparent_version_0xff", of("ff", TRACE, SPAN, "01"), BeginsAnew, ""),
        (
            "traceparent_trace_id_all_zero",
            of("00", "00000000000000000000000000000000", SPAN, "01"),
            BeginsAnew,
            "",
        ),
        (
            "traceparent_trace_id_illegal_characters",
            of("00", ".2345678901234567890123456789012", SPAN, "01"),
            BeginsAnew,
            "",
        ),
        (
            "traceparent_trace_id_illegal_characters",
            of("00", "1234567890123456789012345678901.", SPAN, "01"),
            BeginsAnew,
            "",
        ),
        (
            "traceparent_trace_id_too_long",
            of("00", "123456789012345678901234567890123", SPAN, "01"),
            BeginsAnew,
            "",
        ),
        (
            "traceparent_trace_id_too_short",
            of("00", "1234567890123456789012345678901", SPAN, "01"),
            BeginsAnew,
            "",
        ),
        ("traceparent_parent_id_all_zero", of("00", TRACE, "0000000000000000", "01"), BeginsAnew, ""),
        (
            "traceparent_parent_id_illegal_characters",
            of("00", TRACE, ".234567890123456", "01"),
            BeginsAnew,
            "",
        ),
        (
            "traceparent_parent_id_illegal_characters",
            of("00", TRACE, "123456789012345.", "01"),
            BeginsAnew,
            "",
        ),
        ("traceparent_parent_id_too_long", of("00", TRACE, "12345678901234567", "01"), BeginsAnew, ""),
        ("traceparent_parent_id_too_short", of("00", TRACE, "123456789012345", "01"), BeginsAnew, ""),
    ];
    let bad_versions = [
        ("traceparent_version_illegal_characters", ".0"),
        ("traceparent_version_illegal_characters", "0."),
        ("traceparent_version_too_long", "000"),
        ("traceparent_version_too_long", "0000"),
        ("traceparent_version_too_short", "0"),
    ];
    cases.extend(bad_versions.map(|(name, version)| (name, of(version, TRACE, SPAN, "01"), BeginsAnew, "")));
    let bad_flags = [
        ("traceparent_trace_flags_illegal_characters", ".0"),
        ("traceparent_trace_flags_illegal_characters", "0."),
        ("traceparent_trace_flags_too_long", "001"),
        ("traceparent_trace_flags_too_short", "1"),
    ];
    cases.extend(bad_flags.map(|(name, flags)| (name, of("00", TRACE, SPAN, flags), BeginsAnew, "")));
    let blanks = [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")];
    let padded = |(before, after)| line("traceparent", &format!("{before}{sound}{after}"));
    cases.extend(blanks.map(|around| ("traceparent_ows_handling", padded(around), GoesOn, "")));
    cases
}

const TENS: [&str; 3] = [
    "bar01=01,bar02=02,bar03=03,bar04=04,bar05=05,bar06=06,bar07=07,bar08=08,bar09=09,bar10=10",
    "bar11=11,bar12=12,bar13=13,bar14=14,bar15=15,bar16=16,bar17=17,bar18=18,bar19=19,bar20=20",
    "bar21=21,bar22=22,bar23=23,bar24=24,bar25=25,bar26=26,bar27=27,bar28=28,bar29=29,bar30=30",
];
const ALL_32: &str = "bar01=01,bar02=02,bar03=03,bar04=04,bar05=05,bar06=06,bar07=07,bar08=08,bar09=09,bar10=10,\
    bar11=11,bar12=12,bar13=13,bar14=14,bar15=15,bar16=16,bar17=17,bar18=18,bar19=19,bar20=20,\
    bar21=21,bar22=22,bar23=23,bar24=24,bar25=25,bar26=26,bar27=27,bar28=28,bar29=29,bar30=30,bar31=31,bar32=32";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
const VALUE: &str =
    " !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

fn of_tracestate() -> Vec<Case> {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let (plain, tenant) = (leak(format!("{KEY}={VALUE}")), leak(format!("{KEY}@a-z0-9_-*/={VALUE}")));
    let longest = leak(format!("{}=1", "z".repeat(256)));
    let too_long = leak(format!("{}=1", "z".repeat(257)));
    let with_longest = leak(format!("foo=1,{longest}"));
    let longest_tenant = leak(format!("{}@{}=1", "t".repeat(241), "v".repeat(14)));
    let with_longest_tenant = leak(format!("foo=1,{longest_tenant}"));
    let alone =
        |name: &'static str| [parent("00", TRACE, SPAN, "00"), vec![(name, "foo=1".to_owned())]].concat();
    let inherited = |name, lines: &[&str], sent| (name, state(lines), GoesOn, sent);
    let dropped = |name, lines: &[&str]| (name, state(lines), GoesOn, "");
    vec![
        ("tracestate_included_traceparent_missing", vec![("tracestate", "foo=1".to_owned())], BeginsAnew, ""),
        (
            "tracestate_included_traceparent_missing",
            vec![("tracestate", "foo=1,bar=2".to_owned())],
            BeginsAnew,
            "",
        ),
        inherited("tracestate_included_traceparent_included", &["foo=1,bar=2"], "foo=1,bar=2"),
        ("tracestate_header_name", alone("trace-state"), GoesOn, ""),
        ("tracestate_header_name", alone("trace.state"), GoesOn, ""),
        ("tracestate_header_name_valid_casing", alone("TraceState"), GoesOn, "foo=1"),
        ("tracestate_header_name_valid_casing", alone("TrAcEsTaTe"), GoesOn, "foo=1"),
        ("tracestate_header_name_valid_casing", alone("TRACESTATE"), GoesOn, "foo=1"),
        dropped("tracestate_empty_header", &[""]),
        inherited("tracestate_empty_header", &["foo=1", ""], "foo=1"),
        inherited("tracestate_empty_header", &["", "foo=1"], "foo=1"),
        inherited(
            "tracestate_multiple_headers_different_keys",
            &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        inherited("tracestate_duplicated_keys", &["foo=1,foo=1"], "foo=1"),
        inherited("tracestate_duplicated_keys", &["foo=1,foo=2"], "foo=1"),
        inherited("tracestate_duplicated_keys", &["foo=1", "foo=1"], "foo=1"),
        inherited("tracestate_duplicated_keys", &["foo=1", "foo=2"], "foo=1"),
        inherited("tracestate_all_allowed_characters", &[plain], plain),
        inherited("tracestate_all_allowed_characters", &[tenant], tenant),
        inherited("tracestate_ows_handling", &["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        inherited("tracestate_ows_handling", &["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        inherited("tracestate_ows_handling", &[" foo=1"], "foo=1"),
        inherited("tracestate_ows_handling", &["\tfoo=1"], "foo=1"),
        inherited("tracestate_ows_handling", &["foo=1 "], "foo=1"),
        inherited("tracestate_ows_handling", &["foo=1\t"], "foo=1"),
        inherited("tracestate_ows_handling", &["\t foo=1 \t"], "foo=1"),
        dropped("tracestate_key_illegal_characters", &["foo =1"]),
        dropped("tracestate_key_illegal_characters", &["FOO=1"]),
        dropped("tracestate_key_illegal_characters", &["foo.bar=1"]),
        dropped("tracestate_key_illegal_vendor_format", &["@foo=1,bar=2"]),
        inherited("tracestate_key_illegal_vendor_format", &["foo@=1,bar=2"], "foo@=1,bar=2"),
        inherited("tracestate_key_illegal_vendor_format", &["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        inherited("tracestate_member_count_limit", &[TENS[0], TENS[1], TENS[2], "bar31=31,bar32=32"], ALL_32),
        dropped("tracestate_member_count_limit", &[TENS[0], TENS[1], TENS[2], "bar31=31,bar32=32,bar33=33"]),
        inherited("tracestate_key_length_limit", &["foo=1", longest], with_longest),
        inherited("tracestate_key_length_limit", &["foo=1", longest_tenant], with_longest_tenant),
        dropped("tracestate_key_length_limit", &["foo=1", too_long]),
        dropped("tracestate_value_illegal_characters", &["foo=bar=baz"]),
        dropped("tracestate_value_illegal_characters", &["foo=,bar=3"]),
    ]
}

/// The parts of a `traceparent` of version 00, if it is one.
fn parts(value: &str) -> Option<(&str, &str)> {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<_> = value.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let lengths = (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2);
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    (version == "00" && lengths && parts.iter().all(|part| hex(part)) && !zero(trace) && !zero(span))
        .then_some((trace, span))
}

/// Sends the fields of a case, over HTTP/2 without what cannot be said there: capital letters,
/// and blanks around values (RFC 9113 section 8.2).
async fn send(fields: &[(&'static str, String)], client: &mut RawClient, http2: Option<&Client>) -> u16 {
    if let Some(client) = http2 {
        let lines = fields.iter().map(|(name, value)| (name, value.trim_matches([' ', '\t'])));
        let request = lines.fold(client.get("/"), |request, (name, value)| request.header(name, value));
        return request.send().await.status;
    }
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
    client.response().await.unwrap().status
}

/// The cases that failed, of all of a gateway that samples so many.
async fn failed(ratio: &str, http2: bool) -> (usize, HashSet<&'static str>) {
    let origin = Origin::saying("ok").await;
    let section = format!("{{ trust: always, sampling: {{ ratio: {ratio} }} }}");
    let gateway = tracing(Gateway::before(&origin), &section).start().await;
    let mut client = RawClient::connect(gateway.address()).await;
    let over_http2 = gateway.client().http2();
    let (mut names, mut failed) = (HashSet::new(), HashSet::new());
    for (name, fields, becomes, state) in of_traceparent().into_iter().chain(of_tracestate()) {
        let status = send(&fields, &mut client, Some(&over_http2).filter(|_| http2)).await;
        assert_eq!(status, 200, "{name}");
        let sent = origin.requests().pop().unwrap();
        let (trace, span) = sent.header("traceparent").and_then(parts).unwrap_or_default();
        // What was sent is 123…, however it was mangled.
        let goes_on = trace == TRACE && span != SPAN;
        let anew = !trace.is_empty() && !trace.contains(&TRACE[1..30]);
        let as_wanted = if becomes == GoesOn { goes_on } else { anew };
        names.insert(name);
        if !as_wanted || sent.header("tracestate").unwrap_or_default() != state {
            failed.insert(name);
        }
    }
    (names.len(), failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_cases_pass_however_much_is_sampled() {
    for (ratio, http2) in [("0", false), ("0.01", false), ("1", false), ("1", true)] {
        let (cases, failed) = failed(ratio, http2).await;
        assert_eq!((cases, failed), (37, HashSet::new()), "sampling {ratio}, over HTTP/2: {http2}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_are_several_spans() {
    let origin = Origin::saying("ok").await;
    let gateway = tracing(Gateway::before(&origin), "{ trust: always }").start().await;
    let zero = "00000000000000000000000000000000";
    for (name, sent, stays) in [
        ("multiple_requests_with_valid_traceparent", Some(TRACE), true),
        ("multiple_requests_without_traceparent", None, false),
        ("multiple_requests_with_illegal_traceparent", Some(zero), false),
    ] {
        let before = origin.requests().len();
        for _ in 0..3 {
            let client = gateway.client();
            let request = client.get("/");
            let request = match sent {
                Some(trace) => request.header("traceparent", &format!("00-{trace}-{SPAN}-01")),
                None => request,
            };
            assert_eq!(request.send().await.status, 200);
        }
        let requests = origin.requests().split_off(before);
        let told: Vec<_> =
            requests.iter().map(|sent| parts(sent.header("traceparent").unwrap()).unwrap()).collect();
        let traces: HashSet<_> = told.iter().map(|(trace, _)| *trace).collect();
        let spans: HashSet<_> = told.iter().map(|(_, span)| *span).collect();
        assert_eq!(spans.len(), 3, "{name}");
        assert_eq!((traces.len() == 1, traces.contains(TRACE)), (stays, stays), "{name}");
        assert!(!traces.contains(zero), "{name}");
    }
}
