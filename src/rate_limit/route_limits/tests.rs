use super::*;
use crate::{
    config::rate_limit::RateLimitConfig,
    rate_limit::{Buckets, LimitSecret, Scope, Stock},
    telemetry::metrics::{Counter, Metrics},
};

/// The limits of a route, as written; those whose name begins with `route#` are its own.
fn limits(written: &[(&str, &str)]) -> RouteLimits {
    let metrics = Metrics::new("0", "0").unwrap();
    let buckets = Arc::new(Buckets::new(1_024, Default::default(), Counter::default()));
    let stock = Stock { buckets, shared: None, secret: LimitSecret::new(None) };
    let compile = |(name, yaml): &(&str, &str)| {
        let config: RateLimitConfig = serde_yaml::from_str(yaml).unwrap();
        let scope = Scope { name, route: "route", is_named: !name.contains('#') };
        let handle = metrics.rate_limits().limit(name);
        Limit::compile(scope, &config, &stock, handle).unwrap()
    };
    RouteLimits::new(written.iter().map(compile).collect())
}

/// What the most pressing limit says, or the one that refuses.
fn ask(limits: &RouteLimits, method: &Method, caller: &Caller<'_>) -> Result<Option<Report>, Report> {
    match limits.charge(method, &HeaderMap::new(), caller)? {
        Charged::Passed(report) => Ok(report),
        Charged::Pending(_) => panic!("no limit is shared"),
    }
}

/// The name of the limit that had something to say and what was left, or none if it refused.
fn charge(limits: &RouteLimits, method: &Method, address: &str) -> Option<(String, Option<u32>)> {
    let address = Some(address.parse().unwrap());
    let caller = Caller { address, subject: None, api_key: None, claim: &|_| None };
    match ask(limits, method, &caller) {
        Ok(report) => report.map(|report| (report.limit().to_owned(), Some(report.left))),
        Err(report) => Some((report.limit().to_owned(), None)),
    }
}

#[test]
fn the_limit_with_the_fewest_left_speaks() {
    let limits = limits(&[("wide", "{ rate: 100/h, by: route }"), ("narrow", "{ rate: 2/h, by: address }")]);
    let ask = |address| charge(&limits, &Method::GET, address).unwrap();
    assert_eq!(ask("10.0.0.1"), ("narrow".into(), Some(1)));
    assert_eq!(ask("10.0.0.1"), ("narrow".into(), Some(0)));
    assert_eq!(ask("10.0.0.1"), ("narrow".into(), None));
    assert_eq!(ask("10.0.0.2"), ("narrow".into(), Some(1)));
}

#[test]
fn a_refused_request_is_charged_to_no_limit() {
    let limits = limits(&[("first", "{ rate: 4/h, by: route }"), ("second", "{ rate: 1/h, by: address }")]);
    let ask = |address| charge(&limits, &Method::GET, address).unwrap();
    assert_eq!(ask("10.0.0.1"), ("second".into(), Some(0)));
    for _ in 0..10 {
        assert_eq!(ask("10.0.0.1"), ("second".into(), None));
    }
    for address in ["10.0.0.2", "10.0.0.3"] {
        assert_eq!(ask(address), ("second".into(), Some(0)), "three were left of the first");
    }
    assert_eq!(ask("10.0.0.4"), ("first".into(), Some(0)), "of two alike the first");
    assert_eq!(ask("10.0.0.5"), ("first".into(), None));
}

#[test]
fn only_methods_that_are_named_count() {
    let limits = limits(&[("route#1", "{ rate: 1/h, by: route, methods: [POST, PUT] }")]);
    assert_eq!(charge(&limits, &Method::GET, "10.0.0.1"), None);
    assert!(charge(&limits, &Method::PUT, "10.0.0.1").unwrap().1.is_some());
    assert!(charge(&limits, &Method::POST, "10.0.0.1").unwrap().1.is_none());
    assert_eq!(charge(&limits, &Method::GET, "10.0.0.1"), None);
}

#[test]
fn fields_tell_of_the_limit_unless_it_is_to_be_silent() {
    let caller = Caller { address: None, subject: None, api_key: None, claim: &|_| None };
    let fields = |yaml| {
        let limits = limits(&[("per-client", yaml)]);
        let report = ask(&limits, &Method::GET, &caller).ok().unwrap().unwrap();
        report
            .fields()
            .map(|(policy, left)| (policy.to_str().unwrap().to_owned(), left.to_str().unwrap().to_owned()))
    };
    let told = fields("{ rate: 100/s, burst: 200, by: address }").unwrap();
    assert_eq!(told, ("\"per-client\";q=100;w=1".into(), "\"per-client\";r=199;t=1".into()));
    let told = fields("{ rate: 10/m, by: address }").unwrap();
    assert_eq!(told, ("\"per-client\";q=10;w=60".into(), "\"per-client\";r=9;t=6".into()));
    assert_eq!(fields("{ rate: 10/m, by: address, headers: false }"), None);
}

#[test]
fn after_a_refusal_the_time_is_that_to_wait() {
    let limits = limits(&[("slow", "{ rate: 1/m, by: route }")]);
    let caller = Caller { address: None, subject: None, api_key: None, claim: &|_| None };
    let ask = || ask(&limits, &Method::GET, &caller);
    assert!(ask().is_ok());
    let report = ask().err().unwrap();
    assert_eq!(report.retry_after(), 60);
    assert_eq!(report.fields().unwrap().1, "\"slow\";r=0;t=60");
}
