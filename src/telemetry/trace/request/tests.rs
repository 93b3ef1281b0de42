use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::config::trace::{SamplingConfig, TracingConfig};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    fields
}

fn begun(lines: &[(&str, &str)], trusted: bool) -> RequestTrace {
    RequestTrace::begin(&TracingConfig::default().accept, &fields(lines), trusted)
}

/// Whether a trace is sampled where that is not its caller's decision by this share.
fn is_sampled(trace: &RequestTrace, ratio: f64) -> bool {
    let mut trace = trace.clone();
    let parents = Parents::new(&SamplingConfig::default());
    trace.sample(Threshold::of(ratio), &parents, Instant::now()).unwrap();
    trace.is_sampled()
}

fn told(trace: &RequestTrace, sampled: bool, also: &[TraceFormat]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    RequestTrace { sampled: Some(sampled), ..trace.clone() }
        .tell(also, |name, value| {
            fields.insert(name, value);
            Ok::<(), Infallible>(())
        })
        .unwrap();
    fields
}

/// In every format, the same context.
fn in_every_format() -> [Vec<(&'static str, String)>; 4] {
    [
        vec![("traceparent", format!("00-{TRACE}-{SPAN}-01"))],
        vec![("b3", format!("{TRACE}-{SPAN}-1"))],
        vec![
            ("x-b3-traceid", TRACE.to_owned()),
            ("x-b3-spanid", SPAN.to_owned()),
            ("x-b3-sampled", "1".to_owned()),
        ],
        vec![("uber-trace-id", format!("{TRACE}:{SPAN}:0:1"))],
    ]
}

#[test]
fn a_trusted_callers_trace_goes_on_in_every_format() {
    for lines in in_every_format() {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let trace = begun(&lines, true);
        assert_eq!(
            (trace.trace.hex().as_str(), trace.result),
            (TRACE, ContextResult::Continued),
            "{lines:?}"
        );
        assert_eq!(trace.parent.unwrap().hex().as_str(), SPAN);
        assert!(is_sampled(&trace, 0.0), "the caller decides");
        let told = told(&trace, true, &[]);
        let expected = format!("00-{TRACE}-{}-01", trace.attempt.hex().as_str());
        assert_eq!(told["traceparent"], expected.as_str());
    }
}

#[test]
fn a_strangers_trace_is_only_linked_to() {
    for lines in in_every_format() {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let lines = [&lines[..], &[("baggage", "a=1"), ("tracestate", "a=1")]].concat();
        let trace = begun(&lines, false);
        assert_eq!(trace.result, ContextResult::Untrusted);
        assert_ne!(trace.trace.hex().as_str(), TRACE);
        assert_eq!(trace.parent, None);
        assert_eq!(trace.link().unwrap().trace.hex().as_str(), TRACE);
        assert!(!is_sampled(&trace, 0.0), "a stranger decides nothing");
        assert_eq!(told(&trace, false, &[]).len(), 1, "neither baggage nor state of a stranger");
    }
}

#[test]
fn the_first_format_that_is_there_counts_even_when_it_is_malformed() {
    let b3 = format!("{TRACE}-{SPAN}-1");
    let trace = begun(&[("b3", &b3), ("traceparent", "00-nonsense"), ("tracestate", "a=1")], true);
    assert_eq!((trace.format, trace.result), (ContextFormat::Tracecontext, ContextResult::Invalid));
    assert_eq!((trace.parent, trace.state(), trace.link()), (None, None, None));
    let only_b3 =
        RequestTrace::begin(&[TraceFormat::B3], &fields(&[("b3", &b3), ("traceparent", "x")]), true);
    assert_eq!(only_b3.result, ContextResult::Continued);
}

#[test]
fn a_decision_without_a_trace_holds_for_the_new_one() {
    let trace = begun(&[("b3", "0")], true);
    assert_eq!((trace.result, is_sampled(&trace, 1.0)), (ContextResult::Decision, false));
    assert!(is_sampled(&begun(&[("b3", "0")], false), 1.0));
}

#[test]
fn state_random_flag_and_baggage_are_handed_on() {
    let parent = format!("00-{TRACE}-{SPAN}-03");
    let trace = begun(
        &[
            ("traceparent", &parent),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
            ("baggage", "tenant=7"),
            ("uberctx-user", "x y"),
        ],
        true,
    );
    let told = told(&trace, false, &[TraceFormat::Jaeger]);
    assert!(told["traceparent"].to_str().unwrap().ends_with("-02"), "random, and no longer sampled");
    assert_eq!(
        (&told["tracestate"], &told["baggage"]),
        (&"a=1,b=2".parse().unwrap(), &"tenant=7,user=x%20y".parse().unwrap())
    );
    assert_eq!(
        (&told["uberctx-tenant"], &told["uberctx-user"]),
        (&"7".parse().unwrap(), &"x%20y".parse().unwrap())
    );
}

#[test]
fn new_ids_are_random_and_say_so() {
    let trace = begun(&[], true);
    assert!(told(&trace, true, &[])["traceparent"].to_str().unwrap().ends_with("-03"));
    assert_eq!((trace.format, trace.result), (ContextFormat::None, ContextResult::New));
}

#[test]
fn it_is_decided_once_also_for_requests_made_for_it() {
    let parents = Parents::new(&SamplingConfig { parent_limit: 0, ..SamplingConfig::default() });
    let mut trace = begun(&[("b3", "1")], true);
    let now = Instant::now();
    assert!(!trace.is_sampled(), "nothing is decided yet");
    assert_eq!(trace.sample(Threshold::of(1.0), &parents, now), Err(Limited));
    assert!(trace.is_sampled(), "the ratio has decided");
    assert_eq!(trace.sample(Threshold::of(0.0), &parents, now), Ok(()));
    assert!(trace.is_sampled() && trace.child().is_sampled());
}

#[test]
fn each_attempt_is_a_span_of_its_own() {
    let mut trace = begun(&[], true);
    trace.begin_attempt();
    let first = trace.attempt;
    trace.begin_attempt();
    assert!(first != trace.attempt && first != trace.span && trace.attempt != trace.span);
    let child = trace.child();
    assert_eq!((child.trace, child.parent), (trace.trace, Some(trace.span)));
    assert_ne!(child.span, trace.span);
}

#[test]
fn fields_of_all_formats_are_known() {
    let all = [TraceFormat::B3, TraceFormat::B3multi, TraceFormat::Jaeger];
    let trace = begun(
        &[("baggage", "a=1"), ("traceparent", &format!("00-{TRACE}-{SPAN}-01")), ("tracestate", "a=1")],
        true,
    );
    let told = told(&trace, true, &all);
    assert_eq!(told.len(), 9);
    assert!(told.keys().all(is_trace_field), "{told:?}");
    for name in ["x-b3-flags", "x-b3-parentspanid", "jaeger-debug-id"] {
        assert!(is_trace_field(&HeaderName::from_static(name)));
    }
    for name in ["te", "b", "x-request-id", "user-agent", "b3x", "host"] {
        assert!(!is_trace_field(&HeaderName::from_static(name)), "{name}");
    }
}

proptest! {
    #[test]
    fn what_backends_are_told_is_understood_in_every_format(
        trace in "[1-9a-f][0-9a-f]{31}", sampled: bool, which in 0usize..4
    ) {
        let parent = format!("00-{trace}-{SPAN}-01");
        let here = begun(&[("traceparent", &parent)], true);
        let format = TracingConfig::default().accept[which];
        let told = told(&here, sampled, &[format]);
        let there = RequestTrace::begin(&[format], &told, true);
        prop_assert_eq!(there.trace, here.trace);
        prop_assert_eq!(there.parent, Some(here.attempt));
        prop_assert_eq!(is_sampled(&there, 0.5), sampled);
    }
}
