use http::{HeaderMap, Method, Uri};
use proptest::prelude::*;

use super::*;
use crate::{config::values::OneOrMany, routing::PathPattern};

fn redirect(to: &str, pattern: &str) -> Result<Redirect, Vec<Problem>> {
    let matches = MatchConfig { path: Some(OneOrMany::One(pattern.to_owned())), ..MatchConfig::default() };
    Redirect::compile(&RedirectConfig { to: to.to_owned(), status: 308 }, &matches)
}

fn location(to: &str, pattern: &str, host: &str, path: &str, query: Option<&str>) -> Option<String> {
    let redirect = redirect(to, pattern).unwrap();
    let pattern = PathPattern::parse(pattern).unwrap();
    let request = RequestParts { host, path, query, method: &Method::GET, headers: &HeaderMap::new() };
    let location = redirect.location(&request, &Captures::new(&pattern, path))?;
    Some(location.to_str().unwrap().to_owned())
}

#[test]
fn a_location_is_put_together() {
    let check = |to: &str, pattern: &str, target: &str, expected: &str| {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        assert_eq!(location(to, pattern, "Shop.example.com:8080", path, query).as_deref(), Some(expected));
    };
    check(
        "https://{host}{path}{query}",
        "/**",
        "/a%20b?x=1&y=%2F",
        "https://Shop.example.com/a%20b?x=1&y=%2F",
    );
    check("https://{host}:8443{path}{query}", "/**", "/a", "https://Shop.example.com:8443/a");
    check("https://new.example.com/{rest}", "/old/**", "/old/a/b", "https://new.example.com/a/b");
    check("/v2/{id}?from=v1", "/v1/{id}", "/v1/7?x=1", "/v2/7?from=v1");
    check("https://example.com", "/**", "/a", "https://example.com");
    check("{path}/{query}", "/**", "/a?b", "/a/?b");
    check("https://{host}{path}", "/**", "*", "https://Shop.example.com/");
}

#[test]
fn a_client_cannot_choose_the_host() {
    let check = |to: &str, path: &str, expected: &str| {
        assert_eq!(location(to, "/old/**", "h", path, None).as_deref(), Some(expected), "{to} {path:?}");
    };
    check("/{rest}", "/old//evil.com/x", "/evil.com/x");
    check("/{rest}", "/old///evil.com", "/evil.com");
    check("/{rest}", "/old/\\evil.com", "/%5Cevil.com");
    check("/{rest}", "/old/\t/evil.com", "/%09/evil.com");
    check("{path}", "//evil.com", "/evil.com");
    check("/{rest}", "/old/a\r\nSet-Cookie: x=y", "/a%0D%0ASet-Cookie:%20x=y");
    check("/login?next={path}", "/a&admin=1", "/login?next=%2Fa%26admin%3D1");
    check("/x#{rest}", "/old/a b", "/x#a%20b");
    for to in ["https://{rest}", "https://a{rest}/x", "https://{host}{rest}", "http://a:{rest}/"] {
        let hint = redirect(to, "/**").unwrap_err().remove(0).hint.unwrap();
        assert!(hint.contains("behind the first `/`"), "{to}");
    }
}

#[test]
fn without_a_usable_host_there_is_no_location() {
    for host in ["", ":80", "a b", "a/b", "evil.com\\", "[::1", "user@h", "a\r\nb", "[x]"] {
        assert_eq!(location("https://{host}/", "/**", host, "/", None), None, "{host:?}");
        assert_eq!(location("/a", "/**", host, "/", None).as_deref(), Some("/a"));
    }
    assert_eq!(location("https://{host}/", "/**", "[::1]:80", "/", None).as_deref(), Some("https://[::1]/"));
}

#[test]
fn mistakes_are_reported_with_advice() {
    for (to, part) in [
        ("//cdn.example.com", "write `https://"),
        ("{rest}", "start with `/`"),
        ("example.com", "start with `/`"),
        ("javascript:alert(1)", "start with `/`"),
        ("ftp://a", "start with `/`"),
        ("", "start with `/`"),
        ("https://{path}", "for the client's"),
        ("https:///a", "for the client's"),
        ("/a b", "percent-encoded"),
        ("/a\\b", "percent-encoded"),
        ("/a?b=1{query}", "brings its own"),
        ("/{paht}", "did you mean `{path}`"),
        ("/{id}", "known are"),
        ("/{", "%7B"),
    ] {
        let problem = redirect(to, "/**").unwrap_err().remove(0);
        assert_eq!(problem.path, "to", "{to}");
        assert!(problem.hint.clone().unwrap().contains(part), "{to}: {problem:?}");
    }
    let config = RedirectConfig { to: "a".to_owned(), status: 304 };
    let problems = Redirect::compile(&config, &MatchConfig::default()).unwrap_err();
    assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["status"]);
}

proptest! {
    /// Whatever is sent, the location is a header value and stays where the operator put it.
    #[test]
    fn a_location_stays_on_its_host(
        to in prop::sample::select(vec!["/{rest}", "{path}", "{path}{query}", "https://good.example/{rest}{query}"]),
        path in "/old/(.|[/\\\\@:.?#\r\n\t]|evil\\.com){0,8}",
        query in proptest::option::of(".{0,8}"),
    ) {
        let location = location(to, "/old/**", "h", &path, query.as_deref()).unwrap();
        prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()));
        match location.strip_prefix("https://") {
            Some(after) => prop_assert!(after.starts_with("good.example/")),
            None => {
                prop_assert!(location.starts_with('/') && !location.starts_with("//"));
                prop_assert!(!location.contains('\\'));
                let uri: Uri = location.parse().unwrap();
                prop_assert_eq!(uri.host(), None);
            }
        }
    }
}
