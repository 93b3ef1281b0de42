use proptest::prelude::*;

use super::*;
use crate::{config::values::OneOrMany, routing::PathPattern};

fn matches(path: &str) -> MatchConfig {
    MatchConfig { path: Some(OneOrMany::One(path.to_owned())), ..MatchConfig::default() }
}

fn rewrite(yaml: &str, pattern: &str) -> Result<Rewrite, Vec<Problem>> {
    Rewrite::compile(&serde_yaml::from_str(yaml).unwrap(), &matches(pattern))
}

fn apply(yaml: &str, pattern: &str, target: &str) -> Option<String> {
    let rewrite = rewrite(yaml, pattern).unwrap();
    let pattern = PathPattern::parse(pattern).unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    rewrite.apply(path, query, &Captures::new(&pattern, path))
}

#[test]
fn prefixes_are_cut_and_added_by_whole_segments() {
    let check = |yaml: &str, target: &str, expected: Option<&str>| {
        assert_eq!(apply(yaml, "/**", target).as_deref(), expected, "{yaml} {target}");
    };
    for strip in ["strip_prefix: /api", "strip_prefix: /api/"] {
        check(strip, "/api/x/y?q=1", Some("/x/y?q=1"));
        check(strip, "/api", Some("/"));
        check(strip, "/api/", Some("/"));
        check(strip, "/api?", Some("/?"));
        check(strip, "/apix", None);
        check(strip, "/x/api", None);
        check(strip, "/api//evil.com", Some("/evil.com"));
        check(strip, "*", None);
    }
    check("add_prefix: /v2/", "/x", Some("/v2/x"));
    check("add_prefix: /v2", "/", Some("/v2/"));
    let both = "{strip_prefix: /api, add_prefix: /v2}";
    check(both, "/api/x", Some("/v2/x"));
    check(both, "/api", Some("/v2"));
    check(both, "/api/", Some("/v2/"));
    check(both, "/other", Some("/v2/other"));
    check("host: a.internal", "/x?q", None);
}

#[test]
fn a_template_takes_what_was_captured() {
    let check = |template: &str, pattern: &str, target: &str, expected: &str| {
        let yaml = format!("path: '{template}'");
        assert_eq!(apply(&yaml, pattern, target).as_deref(), Some(expected), "{template} {target}");
    };
    let pattern = "/api/{version}/patients/{id}";
    check("/patients/{id}/{version}", pattern, "/api/v1/patients/4%32?full=1", "/patients/4%32/v1?full=1");
    check("/new/{rest}", "/old/**", "/old/a/b/", "/new/a/b/");
    check("/new/{rest}", "/old/**", "/old", "/new/");
    check("/{rest}", "/old/**", "/old//evil.com/x", "/evil.com/x");
    check("/{rest}", "/old/**", "/old", "/");
    check("/{id}", "/old/{id}", "/old/a?b", "/a?b");
}

#[test]
fn bytes_that_would_end_the_path_are_encoded() {
    let rewrite = rewrite("path: '/{id}'", "/{id}").unwrap();
    let pattern = PathPattern::parse("/{id}").unwrap();
    let path = "/a?b#c\r\nd é";
    let target = rewrite.apply(path, None, &Captures::new(&pattern, path));
    assert_eq!(target.as_deref(), Some("/a%3Fb%23c%0D%0Ad%20%C3%A9"));
}

#[test]
fn the_host_for_the_backend_is_checked() {
    for good in ["a.internal", "a.internal:8080", "'[::1]:80'", "'[::1]'", "10.0.0.1:1"] {
        let yaml = format!("host: {good}");
        let host = rewrite(&yaml, "/**").unwrap().host().unwrap().to_str().unwrap().to_owned();
        assert_eq!(host, good.trim_matches('\''));
    }
    for bad in
        ["'*.a'", "'a b'", "'a:0'", "'a:99999'", "'a:'", "':80'", "'::1'", "\"a\\r\\nb\"", "'http://a'"]
    {
        assert_eq!(rewrite(&format!("host: {bad}"), "/**").unwrap_err()[0].path, "host", "{bad}");
    }
}

#[test]
fn mistakes_are_reported_together() {
    let check = |yaml: &str, pattern: &str, expected: &[(&str, &str)]| {
        let problems = rewrite(yaml, pattern).unwrap_err();
        let found: Vec<(&str, &str)> =
            problems.iter().map(|p| (p.path.as_str(), p.hint.as_deref().unwrap_or(&p.message))).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((path, text), (expected_path, part)) in found.iter().zip(expected) {
            assert_eq!(path, expected_path);
            assert!(text.contains(part), "{text}");
        }
    };
    check("path: '/{vesrion}'", "/{version}", &[("path", "did you mean `{version}`")]);
    check("path: '/{rest}'", "/{version}", &[("path", "end in `/**`")]);
    check("path: '{rest}'", "/**", &[("path", "does not start with `/`")]);
    check("path: '/a?b={rest}'", "/**", &[("path", "client's query is kept")]);
    check("path: '/a/../{rest}'", "/**", &[("path", "percent-encoded")]);
    check("path: '/{a'", "/**", &[("path", "%7B")]);
    check("{path: /a, add_prefix: /b}", "/**", &[("path", "remove `strip_prefix`")]);
    check(
        "{strip_prefix: api, add_prefix: /, host: 'a b'}",
        "/**",
        &[("strip_prefix", "such as `/api`"), ("add_prefix", "such as `/api`"), ("host", "such as")],
    );
    check("strip_prefix: '/{x}'", "/**", &[("strip_prefix", "use `path`")]);
    check("strip_prefix: '/a//b'", "/**", &[("strip_prefix", "percent-encoded")]);
    check("strip_prefix: '/apo'", "/api/**", &[("strip_prefix", "compare it")]);
}

proptest! {
    #[test]
    fn a_target_has_one_leading_slash_and_keeps_its_query(
        yaml in prop::sample::select(vec![
            "strip_prefix: /a", "add_prefix: /b", "{strip_prefix: /a, add_prefix: /b}", "path: '/{rest}'", "path: '/b{rest}'",
        ]),
        path in "/{0,3}(a|/|.){0,8}",
        query in proptest::option::of("[a-z=&/?]{0,6}"),
    ) {
        let rewrite = rewrite(yaml, "/**").unwrap();
        let pattern = PathPattern::any();
        if let Some(target) = rewrite.apply(&path, query.as_deref(), &Captures::new(&pattern, &path)) {
            prop_assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
            if let Some(query) = query {
                let ending = format!("?{query}");
                prop_assert!(target.ends_with(&ending));
            }
        }
    }
}
