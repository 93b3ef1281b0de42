use super::*;

const PROCESS: &str = "process: { listeners: [{ address: 127.0.0.1:1 }] }\n";

/// The problems of a configuration, as `path: message`.
fn problems(text: &str) -> Vec<String> {
    let config: Config = serde_yaml::from_str(text).unwrap();
    check(&config).into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[track_caller]
fn traffic(text: &str, expected: &[&str]) {
    assert_eq!(problems(&format!("{PROCESS}traffic: {text}")), expected);
}

#[track_caller]
fn route(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|e| format!("traffic.routes[0]{e}")).collect();
    let text = format!("{{ upstreams: {{ a: {{ backends: [x:1] }} }}, routes: [{{ name: r, {text} }}] }}");
    let mut found = problems(&format!("{PROCESS}traffic: {text}"));
    found.retain(|problem| !problem.contains("no route sends"));
    assert_eq!(found, expected);
}

#[track_caller]
fn upstream(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|e| format!("traffic.upstreams.a{e}")).collect();
    let text = format!("{{ upstreams: {{ a: {{ {text} }} }}, routes: [{{ name: r, upstream: a }}] }}");
    assert_eq!(problems(&format!("{PROCESS}traffic: {text}")), expected);
}

#[track_caller]
fn process(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|e| format!("process.{e}")).collect();
    assert_eq!(problems(&format!("process: {{ {text} }}")), expected);
}

#[test]
fn references_must_exist_and_be_used() {
    traffic(
        "{ upstreams: { catalogue: { backends: [x:1] } }, routes: [{ name: r, upstream: catalog }] }",
        &[
            "traffic.routes[0].upstream: unknown upstream `catalog`",
            "traffic.upstreams.catalogue: no route sends to the upstream `catalogue`",
        ],
    );
    route(
        "split: [{ upstream: a, weight: 1 }, { upstream: b, weight: 1 }]",
        &[".split[1].upstream: unknown upstream `b`"],
    );
}

#[test]
fn a_route_does_exactly_one_thing() {
    route("upstream: a", &[]);
    route("match: {}", &[": the route `r` does nothing with its requests"]);
    route("upstream: a, respond: {}", &[".respond: the route has both `upstream` and `respond`"]);
    route(
        "respond: {}, rewrite: { host: h }, retry: {}",
        &[
            ".rewrite: `rewrite` has no effect on a route with `respond`",
            ".retry: `retry` has no effect on a route with `respond`",
        ],
    );
}

#[test]
fn route_names_are_unique() {
    traffic(
        "{ routes: [{ name: r, respond: {} }, { name: r, respond: {} }] }",
        &["traffic.routes[1].name: duplicate route name `r`"],
    );
}

#[test]
fn a_split_sends_somewhere_and_nowhere_twice() {
    route("split: []", &[".split: the split names no upstream"]);
    route(
        "split: [{ upstream: a, weight: 0 }]",
        &[".split: every weight is 0: nothing would be sent anywhere"],
    );
    route(
        "split: [{ upstream: a, weight: 1 }, { upstream: a, weight: 2 }]",
        &[".split[1].upstream: the upstream `a` is in the split already"],
    );
}

#[test]
fn statuses_fit_what_they_are_for() {
    route(
        "redirect: { to: /x, status: 304 }",
        &[".redirect.status: expected 301, 302, 303, 307 or 308, found `304`"],
    );
    route("respond: { status: 100 }", &[".respond.status: expected from 200 to 599, found `100`"]);
    route("redirect: { to: \"\" }", &[".redirect.to: the new location is empty"]);
}

#[test]
fn rewrites_do_not_contradict_themselves() {
    route(
        "upstream: a, rewrite: { path: /x, add_prefix: /y }",
        &[".rewrite.add_prefix: `add_prefix` cannot stand together with `path`, which is the whole new path"],
    );
    route(
        "upstream: a, rewrite: { strip_prefix: x }",
        &[".rewrite.strip_prefix: `x` does not start with `/`"],
    );
}

#[test]
fn conditions_compile() {
    route(
        "upstream: a, match: { query: { q: { regex: \"(\" } }, headers: { \"a b\": x } }",
        &[
            ".match.headers[\"a b\"]: `a b` is not a header name",
            ".match.query.q.regex: `(` is not a regular expression: unclosed group",
        ],
    );
}

#[test]
fn header_rules_hold_header_fields() {
    traffic(
        "{ headers: { request: { set: { \"a b\": x, X-A: \"a\\nb\" }, remove: [\"\"] } }, \
         security_headers: { frame_options: \"\\n\" }, forwarding: { request_id_header: \"a:\" } }",
        &[
            "traffic.forwarding.request_id_header: `a:` is not a header name",
            "traffic.headers.request.remove[0]: `` is not a header name",
            "traffic.headers.request.set.X-A: not a header value: it holds a line break or another \
             control character",
            "traffic.headers.request.set[\"a b\"]: `a b` is not a header name",
            "traffic.security_headers.frame_options: not a header value: it holds a line break or another \
             control character",
        ],
    );
}

#[test]
fn upstreams_can_be_reached() {
    upstream(
        "backends: [x:1, localhost, x:1]",
        &[
            ".backends[1]: `localhost` is not `host:port`: the port is missing",
            ".backends[2]: duplicate backend `x:1`",
        ],
    );
    upstream(
        "backends: [{ address: \":1\" }]",
        &[".backends[0].address: `:1` is not `host:port`: the host is not a name or an address"],
    );
    upstream(
        "backends: [x:1], protocol: auto",
        &[".protocol: `protocol: auto` needs `tls`: ALPN is part of TLS"],
    );
    upstream("backends: [x:1], protocol: auto, tls: {}", &[]);
    upstream(
        "backends: [x:1], balance: { consistent_hash: { header: \"a b\" } }",
        &[".balance.consistent_hash.header: `a b` is not a header name"],
    );
}

#[test]
fn probes_and_periods_make_sense() {
    upstream(
        "backends: [x:1], health_check: { path: live, interval: \"0\" }, timeouts: { read: 0s }",
        &[
            ".health_check.path: `live` does not start with `/`",
            ".health_check.interval: must be longer than zero",
            ".timeouts.read: a timeout of 0 would fail every request",
        ],
    );
    upstream(
        "backends: [x:1], circuit_breaker: { failure_ratio: 0 }, ejection: { period: 0s }, keepalive: { http2_ping: 0s }",
        &[
            ".circuit_breaker.failure_ratio: must be more than 0",
            ".ejection.period: must be longer than zero",
            ".keepalive.http2_ping: must be longer than zero",
        ],
    );
    upstream("backends: [x:1], ejection: { consecutive_failures: 0, period: 0s }", &[]);
}

#[test]
fn addresses_do_not_collide() {
    process(
        "listeners: [{ address: 127.0.0.1:1 }, { address: 0.0.0.0:1 }, { address: \"[::1]:0\" }]",
        &[
            "listeners[1].address: the address `0.0.0.0:1` is taken by `listener-1` already",
            "listeners[2].address: port 0 is not a port to listen on",
        ],
    );
    process(
        "listeners: [{ address: 127.0.0.1:1 }, { address: 127.0.0.2:1 }]",
        &["listeners[1]: duplicate listener name `listener-1`"],
    );
    process(
        "listeners: [{ address: 0.0.0.0:9900 }], admin: {}",
        &["admin.address: the admin port needs an address of its own: `listener-9900` listens here"],
    );
}

#[test]
fn a_shutdown_ends_before_it_is_ended() {
    let listeners = "listeners: [{ address: 127.0.0.1:1 }]";
    process(
        &format!("{listeners}, shutdown: {{ drain_timeout: 30s }}"),
        &["shutdown.drain_timeout: must be at most 29s"],
    );
    process(
        &format!("{listeners}, shutdown: {{ drain_timeout: 20s, delay: 10s }}"),
        &["shutdown.delay: `delay` and `drain_timeout` together must be at most 29s"],
    );
}

#[test]
fn logs_go_somewhere() {
    let listeners = "listeners: [{ address: 127.0.0.1:1 }]";
    process(
        &format!("{listeners}, telemetry: {{ access_log: {{ output: file }} }}"),
        &["telemetry.access_log.output: `output: file` needs the key `file`"],
    );
    process(
        &format!("{listeners}, telemetry: {{ access_log: {{ file: /x }} }}"),
        &["telemetry.access_log.file: `file` has no effect without `output: file`"],
    );
}

#[test]
fn wishes_to_explain_are_signed_with_a_secret_and_soon_over() {
    let explain = |keys: &str| {
        format!("listeners: [{{ address: 127.0.0.1:1 }}], telemetry: {{ explain: {{ {keys} }} }}")
    };
    process(
        &explain("secret: short"),
        &["telemetry.explain.secret: shorter than 32 bytes: it can be guessed"],
    );
    let secret = "secret: 0123456789abcdef0123456789abcdef";
    for lifetime in ["0s", "61m"] {
        let expected = "telemetry.explain.lifetime: must be at least 1s and at most 1h";
        process(&explain(&format!("{secret}, lifetime: {lifetime}")), &[expected]);
    }
    process(&explain(&format!("{secret}, lifetime: 1h")), &[]);
}

#[test]
fn tls_files_are_listed_with_their_keys() {
    let text = "process: { listeners: [{ address: 127.0.0.1:1, tls: { \
                certificates: [{ certificate: c, key: k }], client_auth: { ca: l } } }] }\n\
                traffic: { upstreams: { a.b: { backends: [x:1], tls: { ca: u, \
                client_certificate: { certificate: p, key: q } } } } }";
    let config: Config = serde_yaml::from_str(text).unwrap();
    let files = referenced_files(&config);
    let files: Vec<String> = files.iter().map(|(path, file)| format!("{path}={}", file.display())).collect();
    assert_eq!(
        files,
        [
            "process.listeners[0].tls.certificates[0].certificate=c",
            "process.listeners[0].tls.certificates[0].key=k",
            "process.listeners[0].tls.client_auth.ca=l",
            "traffic.upstreams[\"a.b\"].tls.ca=u",
            "traffic.upstreams[\"a.b\"].tls.client_certificate.certificate=p",
            "traffic.upstreams[\"a.b\"].tls.client_certificate.key=q",
        ]
    );
}

#[test]
fn callers_are_not_told_apart_by_credentials() {
    let with = |field: &str, expected: &[&str]| {
        traffic(
            &format!(
                "{{ api_versions: {{ versions: {{ v1: {{}} }}, default: v1, consumer: 'header:{field}' }}, \
                 auth: {{ providers: {{ k: {{ api_keys: {{ header: X-Key, keys: [] }} }} }} }}, \
                 upstreams: {{ a: {{ backends: [x:1] }} }}, \
                 routes: [{{ name: r, upstream: a, auth: {{ with: k }} }}] }}"
            ),
            expected,
        );
    };
    with("X-Client-Id", &[]);
    for field in ["x-key", "Authorization", "Cookie"] {
        let message = format!("`{field}` carries credentials, which metrics and reports would show");
        with(field, &[&format!("traffic.api_versions.consumer: {message}")]);
    }
}
