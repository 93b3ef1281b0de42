use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::config::route::ConditionConfig;

fn config(yaml: &str) -> MatchConfig {
    serde_yaml::from_str(yaml).unwrap()
}

/// Builds a table of routes named `0`, `1` …
fn table(routes: &[&str]) -> Result<RouteTable<usize>, Vec<Problem>> {
    let configs: Vec<MatchConfig> = routes.iter().map(|yaml| config(yaml)).collect();
    build(&configs)
}

fn build(configs: &[MatchConfig]) -> Result<RouteTable<usize>, Vec<Problem>> {
    let names: Vec<String> = (0..configs.len()).map(|index| index.to_string()).collect();
    let entries = configs.iter().zip(&names).enumerate();
    RouteTable::build(entries.map(|(value, (matches, name))| Entry { name, matches, value }))
}

/// A request as a story: method, `host/path?query`, header fields.
#[derive(Clone, Debug)]
struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    fn get(target: &str) -> Self {
        let (target, query) = target.split_once('?').map_or((target, None), |(t, q)| (t, Some(q.to_owned())));
        let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
        let (host, path) = (host.to_owned(), path.to_owned());
        Self { method: Method::GET, host, path, query, headers: HeaderMap::new() }
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
        }
    }
}

fn find(table: &RouteTable<usize>, request: Request) -> Option<usize> {
    table.find(&request.parts()).map(|matched| *matched.value)
}

#[test]
fn the_best_host_with_a_matching_route_decides() {
    let table = table(&[
        "{}",
        "{host: '*.example.com', path: /a/**}",
        "{host: 'api.example.com', path: /a/b}",
        "{host: ['*.eu.example.com', '[::1]'], path: /a}",
    ])
    .unwrap();
    let check = |target, expected| assert_eq!(find(&table, Request::get(target)), Some(expected), "{target}");
    check("API.example.com:8080/a/b", 2);
    check("api.example.com./a/c", 1);
    check("api.example.com/x", 0);
    check("x.eu.example.com/a", 3);
    check("x.eu.example.com/a/b", 1);
    check("[0:0::1]:80/a", 3);
    check("example.com/a", 0);
    check("/a", 0);
}

#[test]
fn the_most_specific_path_with_holding_conditions_decides() {
    let table = table(&[
        "{path: /**, method: GET}",
        "{path: '/api/{version}/patients/{id}', method: [GET]}",
        "{path: /api/v1/patients/me, headers: {x-user: {present: true}}}",
        "{path: /api/**, method: [POST]}",
        "{path: /api/**, method: [POST], query: {dry: '1'}}",
        "{path: /api}",
    ])
    .unwrap();
    let check =
        |request: Request, expected| assert_eq!(find(&table, request.clone()), expected, "{request:?}");
    check(Request::get("/api/v1/patients/me").header("x-user", ""), Some(2));
    check(Request::get("/api/v1/patients/me"), Some(1));
    check(Request::get("/api/v1/patients/me").method(Method::HEAD), Some(1));
    check(Request::get("/api/v1/patients/me").method(Method::POST), Some(3));
    check(Request::get("/api/v1/patients/me?dry=%31").method(Method::POST), Some(4));
    check(Request::get("/api/v1/patients/").method(Method::POST), Some(3));
    check(Request::get("/api"), Some(5));
    check(Request::get("/api/").method(Method::POST), Some(3));
    check(Request::get("/api/"), Some(0));
    check(Request::get("/apis").method(Method::POST), None);
}

#[test]
fn a_match_tells_its_pattern_and_captures() {
    let table = table(&["{path: ['/api/{version}/patients/{id}', '/files/**']}"]).unwrap();
    let request = Request::get("h/api/v2/patients/%34");
    let matched = table.find(&request.parts()).unwrap();
    assert_eq!(matched.pattern, "/api/{version}/patients/{id}");
    assert_eq!(matched.captures.iter().collect::<Vec<_>>(), [("version", "v2"), ("id", "%34")]);
    let request = Request::get("h/files/a/b");
    let matched = table.find(&request.parts()).unwrap();
    assert_eq!((matched.pattern, matched.captures.get("rest")), ("/files/**", Some("a/b")));
}

#[test]
fn order_in_the_file_decides_last() {
    let table = table(&["{headers: {a: '1'}}", "{headers: {b: '1'}}"]).unwrap();
    assert_eq!(find(&table, Request::get("/").header("a", "1").header("b", "1")), Some(0));
    assert_eq!(find(&table, Request::get("/").header("b", "1")), Some(1));
}

#[test]
fn explain_tells_why_in_order_of_precedence() {
    let table = table(&[
        "{path: /a/**}",
        "{host: x.com, path: '/a/{id}', method: POST}",
        "{path: '/a/{id}', headers: {x-canary: '1'}}",
        "{path: /b}",
        "{}",
    ])
    .unwrap();
    let request = Request::get("x.com/a/1");
    let considered = table.explain(&request.parts());
    let found: Vec<_> =
        considered.iter().map(|c| (c.route, c.host.as_str(), c.pattern, &c.outcome)).collect();
    let failed = |text: &str| Outcome::Failed(text.to_owned());
    assert_eq!(
        found,
        [
            ("1", "x.com", "/a/{id}", &failed("method is not POST")),
            ("2", "any host", "/a/{id}", &failed("header `x-canary` is not `1`")),
            ("0", "any host", "/a/**", &Outcome::Chosen),
            ("4", "any host", "/**", &Outcome::Outranked),
        ]
    );
}

#[test]
fn overlaps_are_reported_and_only_certain_ones() {
    let check = |routes: &[&str], path: &str, part: &str| {
        let problems = table(routes).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path);
        assert!(problems[0].message.contains(part), "{problems:?}");
    };
    check(&["{}", "{path: /**}"], "[1].match.path", "overlaps with route `0`: both take `/**`");
    check(&["{}", "{}"], "[1].match", "overlaps with route `0`");
    check(
        &["{host: a.com, path: '/{x}'}", "{host: [b.com, A.com.], path: [/c, '/{y}']}"],
        "[1].match.path[1]",
        "`/{y}` of `a.com`",
    );
    check(&["{method: [GET]}", "{method: [HEAD, GET]}"], "[1].match", "overlaps");
    check(&["{method: [GET]}", "{method: HEAD}"], "[1].match", "never gets `/**`: route `0`");
    check(&["{headers: {a: {prefix: x}}}", "{headers: {A: xy}}"], "[1].match", "never gets");
    check(&["{path: ['/{a}', '/{b}']}"], "[0].match.path[1]", "taken twice by this route");
    for fine in [
        ["{method: HEAD}", "{method: GET}"],
        ["{headers: {a: xy}}", "{headers: {a: {prefix: x}}}"],
        ["{}", "{method: GET}"],
        ["{query: {a: x}}", "{headers: {a: x}}"],
        ["{host: a.com}", "{host: b.com}"],
        ["{path: /a}", "{path: /a/}"],
        ["{path: '/{a}'}", "{path: '/{a}/**'}"],
    ] {
        assert!(table(&fine).is_ok(), "{fine:?}");
    }
}

#[test]
fn all_problems_of_all_routes_are_reported() {
    let problems = table(&[
        "{host: ['a b', c.com, C.com], path: [a, /b], method: get}",
        "{path: [], host: []}",
        "{path: /x, headers: {h: {regex: '('}}}",
        "{path: /x}",
        "{path: /x}",
    ])
    .unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "[0].match.host[0]",
            "[0].match.host[2]",
            "[0].match.path[0]",
            "[0].match.method",
            "[1].match.host",
            "[1].match.path",
            "[2].match.headers.h.regex",
            "[4].match.path",
        ]
    );
}

// === The rules, written a second time and naively ===

/// How well a route suits a request, smaller first; `None` when it does not take it.
type Rank = (Reverse<usize>, Vec<u8>, Reverse<usize>, usize);

fn rank(route: &MatchConfig, index: usize, request: &Request) -> Option<Rank> {
    let everything = [String::from("/**")];
    let hosts: Vec<Option<&str>> = match &route.host {
        None => vec![None],
        Some(hosts) => hosts.as_slice().iter().map(|h| Some(h.as_str())).collect(),
    };
    let paths = route.path.as_ref().map_or(&everything[..], |paths| paths.as_slice());
    let conditions = naive_conditions(route, request)?;
    let ranks = hosts.into_iter().filter_map(|host| naive_host(host, &request.host)).flat_map(|host| {
        let paths = paths.iter().filter_map(|path| naive_path(path, &request.path));
        paths.map(move |path| (Reverse(host), path, Reverse(conditions), index))
    });
    ranks.min()
}

fn naive_host(pattern: Option<&str>, authority: &str) -> Option<usize> {
    let host = authority.split(':').next().unwrap().trim_end_matches('.').to_lowercase();
    match pattern {
        None => Some(0),
        Some(exact) if exact == host => Some(1000),
        Some(pattern) => {
            let suffix = pattern.strip_prefix('*')?;
            host.ends_with(suffix).then_some(suffix.len())
        }
    }
}

/// For each segment: 0 literal, 1 capture, 2 `**`. Ending sorts before all.
fn naive_path(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut kinds = Vec::new();
    let mut segments = path[1..].split('/');
    for part in pattern[1..].split('/') {
        let segment = segments.next();
        match (part, segment) {
            ("**", _) => {
                kinds.push(2);
                return Some(kinds);
            }
            (_, None | Some("")) if part.starts_with('{') => return None,
            (_, Some(_)) if part.starts_with('{') => kinds.push(1),
            (_, Some(segment)) if part == segment => kinds.push(0),
            _ => return None,
        }
    }
    segments.next().is_none().then_some(kinds)
}

fn naive_conditions(route: &MatchConfig, request: &Request) -> Option<usize> {
    let mut count = 0;
    if let Some(methods) = &route.method {
        let takes = |m: &String| *m == request.method.as_str() || (m == "GET" && request.method == "HEAD");
        methods.as_slice().iter().any(takes).then_some(())?;
        count += 1;
    }
    for (name, condition) in &route.headers {
        let ConditionConfig::Exact(value) = condition else { unreachable!("not generated") };
        (request.headers.get(name)?.to_str().ok()? == value).then_some(())?;
        count += 1;
    }
    for (name, condition) in &route.query {
        let ConditionConfig::Exact(value) = condition else { unreachable!("not generated") };
        let expected = format!("{name}={value}");
        request.query.as_ref()?.split('&').any(|pair| pair == expected).then_some(())?;
        count += 1;
    }
    Some(count)
}

fn route_strategy() -> impl Strategy<Value = MatchConfig> {
    let host = select(vec!["a.x.y", "x.y", "*.y", "*.x.y", "b.y"]).prop_map(str::to_owned);
    let segments = vec(select(vec!["a", "b", "{c}", "{d}"]), 0..4);
    let end = select(vec!["", "", "/", "/**", "/**"]);
    let path = (segments, end).prop_map(|(segments, end)| {
        let mut path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        path.push_str(end);
        if path.is_empty() { "/".to_owned() } else { path }
    });
    let method = select(vec!["GET", "HEAD", "POST"]).prop_map(str::to_owned);
    let exact = |names: Vec<&'static str>| {
        let condition = select(vec!["1", "2"]).prop_map(|v| ConditionConfig::Exact(v.to_owned()));
        proptest::collection::btree_map(select(names).prop_map(str::to_owned), condition, 0..2)
    };
    (
        option::of(vec(host, 1..3).prop_map(OneOrMany::Many)),
        option::of(vec(path, 1..3).prop_map(OneOrMany::Many)),
        option::of(vec(method, 1..3).prop_map(OneOrMany::Many)),
        exact(vec!["h", "i"]),
        exact(vec!["p", "q"]),
    )
        .prop_map(|(host, path, method, headers, query)| MatchConfig {
            host,
            path,
            method,
            headers,
            query,
        })
}

fn request_strategy() -> impl Strategy<Value = Request> {
    let host = select(vec!["a.x.y", "A.X.Y:80", "b.a.x.y", "x.y.", "b.y", "c.y", "y", "other", ""]);
    let path = vec(select(vec!["/a", "/b", "/c", "/"]), 1..5).prop_map(|parts| parts.concat());
    let method = select(vec![Method::GET, Method::HEAD, Method::POST]);
    let query = option::of(select(vec!["p=1", "q=2", "p=2&q=1", "p=1&q=2"]).prop_map(str::to_owned));
    let field = (select(vec!["h", "i"]), select(vec!["1", "2"]));
    (host, path, method, query, vec(field, 0..2)).prop_map(|(host, path, method, query, fields)| {
        let headers = fields
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Request { method, host: host.to_owned(), path, query, headers }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_table_agrees_with_a_naive_search(
        candidates in vec(route_strategy(), 1..14),
        requests in vec(request_strategy(), 1..24),
    ) {
        let mut routes: Vec<MatchConfig> = Vec::new();
        for candidate in candidates {
            routes.push(candidate);
            // An overlap: the next property is about those.
            if build(&routes).is_err() {
                routes.pop();
            }
        }
        let table = build(&routes).unwrap();
        for request in requests {
            let best = routes.iter().enumerate().filter_map(|(i, route)| rank(route, i, &request)).min();
            let expected = best.map(|rank| rank.3);
            prop_assert_eq!(find(&table, request.clone()), expected, "{:?}", request);
            let explained = table.explain(&request.parts());
            let chosen = explained.iter().find(|c| c.outcome == Outcome::Chosen);
            prop_assert_eq!(chosen.map(|c| c.route.to_owned()), expected.map(|i| i.to_string()));
        }
    }

    /// A route refused as unreachable by its only host and path would never have been chosen.
    #[test]
    fn a_refused_route_is_never_the_best(
        mut routes in vec(route_strategy(), 2..8),
        requests in vec(request_strategy(), 1..24),
    ) {
        for route in &mut routes {
            let first = |list: &OneOrMany<String>| OneOrMany::One(list.as_slice()[0].clone());
            route.host = route.host.as_ref().map(first);
            route.path = route.path.as_ref().map(first);
        }
        let Err(problems) = build(&routes) else { return Ok(()) };
        for problem in problems {
            let index: usize = problem.path[1..problem.path.find(']').unwrap()].parse().unwrap();
            if !problem.message.contains("never gets") && !problem.message.contains("overlaps") {
                continue;
            }
            for request in &requests {
                let best = routes.iter().enumerate().filter_map(|(i, r)| rank(r, i, request)).min();
                prop_assert_ne!(best.map(|rank| rank.3), Some(index), "{:?} {:?}", problem, request);
            }
        }
    }
}
