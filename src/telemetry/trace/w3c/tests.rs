use proptest::prelude::*;

use super::*;

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    fields
}

fn said(lines: &[(&'static str, &str)]) -> Option<Said> {
    read(&fields(lines))
}

fn remote(lines: &[(&'static str, &str)]) -> Remote {
    match said(lines) {
        Some(Said::Context(remote)) => remote,
        other => panic!("{lines:?} says {other:?}"),
    }
}

#[track_caller]
fn continued(parent: &str) {
    let remote = remote(&[("traceparent", parent)]);
    assert_eq!(remote.trace.hex().as_str(), "12345678901234567890123456789012");
    assert_eq!(remote.span.hex().as_str(), "1234567890123456");
}

#[track_caller]
fn restarted(lines: &[(&'static str, &str)]) {
    assert_eq!(said(lines), Some(Said::Invalid), "{lines:?}");
}

/// What `tracestate` becomes beside a sound `traceparent`.
fn state_of(lines: &[&str]) -> Option<String> {
    let mut all = vec![("traceparent", PARENT)];
    all.extend(lines.iter().map(|line| ("tracestate", *line)));
    remote(&all).state.map(String::from)
}

#[test]
fn without_a_parent_nothing_is_said() {
    assert_eq!(said(&[]), None);
    assert_eq!(said(&[("tracestate", "foo=1")]), None);
}

#[test]
fn the_parent_is_continued() {
    continued(PARENT);
    continued("  00-12345678901234567890123456789012-1234567890123456-01\t");
}

#[test]
fn a_parent_that_comes_twice_restarts_the_trace() {
    restarted(&[("traceparent", PARENT), ("traceparent", PARENT)]);
    let other = "00-12345678901234567890123456789011-1234567890123456-01";
    restarted(&[("traceparent", other), ("traceparent", PARENT)]);
}

#[test]
fn versions() {
    // A version of the future is read as far as it is known.
    continued("cc-12345678901234567890123456789012-1234567890123456-01");
    continued("cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like");
    restarted(&[(
        "traceparent",
        "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
    )]);
    for version in ["ff", ".0", "0.", "0A", "0", "000", "FF"] {
        restarted(&[("traceparent", &format!("{version}{}", &PARENT[2..]))]);
    }
    restarted(&[("traceparent", &format!("{PARENT}-extra"))]);
    restarted(&[("traceparent", &format!("{PARENT}."))]);
    restarted(&[("traceparent", "")]);
}

#[test]
fn ids_have_their_width_and_lower_case() {
    for trace in [
        "00000000000000000000000000000000",
        "1234567890123456789012345678901.",
        "1234567890123456789012345678901A",
        "123456789012345678901234567890123",
        "1234567890123456789012345678901",
    ] {
        restarted(&[("traceparent", &format!("00-{trace}-1234567890123456-01"))]);
    }
    for span in
        ["0000000000000000", "123456789012345.", "123456789012345B", "123456789012345", "12345678901234567"]
    {
        restarted(&[("traceparent", &format!("00-12345678901234567890123456789012-{span}-01"))]);
    }
    for flags in [".0", "0.", "1", "001", "0A"] {
        restarted(&[(
            "traceparent",
            &format!("00-12345678901234567890123456789012-1234567890123456-{flags}"),
        )]);
    }
}

#[test]
fn of_the_flags_two_are_known() {
    for (flags, sampled, random) in
        [("00", false, false), ("01", true, false), ("02", false, true), ("ff", true, true)]
    {
        let remote = remote(&[(
            "traceparent",
            &format!("00-12345678901234567890123456789012-1234567890123456-{flags}"),
        )]);
        assert_eq!((remote.sampled, remote.random), (Some(sampled), random), "{flags}");
    }
}

#[test]
fn states_are_joined_in_their_order() {
    assert_eq!(state_of(&["foo=1", "bar=2"]).unwrap(), "foo=1,bar=2");
    assert_eq!(state_of(&["", "foo=1", "  ", "bar=2,"]).unwrap(), "foo=1,bar=2");
    assert_eq!(state_of(&["foo=1 \t , \t bar=2, \t baz=3"]).unwrap(), "foo=1,bar=2,baz=3");
    assert_eq!(state_of(&["", ""]), None);
}

#[test]
fn of_a_repeated_key_the_first_is_kept() {
    assert_eq!(state_of(&["foo=1,foo=1"]).unwrap(), "foo=1");
    assert_eq!(state_of(&["foo=1,foo=2", "foo=3,bar=0"]).unwrap(), "foo=1,bar=0");
}

#[test]
fn keys_of_states() {
    let longest = "z".repeat(256);
    for key in ["foo", "foo-_*/", "t-_*/@v-_*/", "1a-_*/", "foo@bar@baz", "0", &longest] {
        assert_eq!(state_of(&[&format!("{key}=1")]).unwrap(), format!("{key}=1"));
    }
    let long = "z".repeat(257);
    for key in ["foo ", "FOO", "foo.bar", "@foo", "_foo", "", &long] {
        assert_eq!(state_of(&[&format!("{key}=1")]), None, "{key}");
        assert_eq!(state_of(&[&format!("good=1,{key}=1")]), None, "{key} spoils the rest");
    }
}

#[test]
fn values_of_states() {
    let longest = "v".repeat(256);
    for value in ["1", "a b", "!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", &longest] {
        assert_eq!(state_of(&[&format!("foo={value}")]).unwrap(), format!("foo={value}"));
    }
    let long = "v".repeat(257);
    for value in ["", "bar=baz", "a\tb", &long] {
        assert_eq!(state_of(&[&format!("foo={value}")]), None, "{value}");
    }
}

#[test]
fn a_state_has_at_most_32_members() {
    let members = |count: usize| (0..count).map(|n| format!("bar{n:02}=1")).collect::<Vec<_>>().join(",");
    assert_eq!(state_of(&[&members(32)]).unwrap(), members(32));
    assert_eq!(state_of(&[&members(33)]), None);
    assert_eq!(state_of(&[&members(16), &members(17)]), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        trace in "[0-9a-f]{31}[1-9a-f]",
        span in "[0-9a-f]{15}[1-9a-f]",
        sampled: bool,
        random: bool,
    ) {
        let trace = TraceId::parse(trace.as_bytes()).unwrap();
        let span = SpanId::parse(span.as_bytes()).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(TRACEPARENT, parent_value(trace, span, sampled, random));
        let expected = Remote { trace, span, sampled: Some(sampled), random, state: None };
        prop_assert_eq!(read(&fields), Some(Said::Context(expected)));
    }

    #[test]
    fn nothing_makes_it_panic(parent in "[ -~]{0,70}", state in "[ -~]{0,99}") {
        read(&fields(&[("traceparent", &parent), ("tracestate", &state)]));
    }

    #[test]
    fn a_state_that_is_read_reads_the_same_again(lines in prop::collection::vec("[ -~\t]{0,40}", 0..4)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if let Some(state) = state_of(&lines) {
            prop_assert_eq!(state_of(&[&state]), Some(state.clone()));
        }
    }
}
