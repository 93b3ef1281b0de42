//! Which requests go where.

use http::Method;

use crate::harness::{Answer, Gateway, Origin};

#[tokio::test(flavor = "multi_thread")]
async fn the_most_precise_route_wins_whatever_the_order() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .routes(
            r#"
            - { name: rest, match: { path: "/**" }, upstream: origin, headers: { response: { set: { X-Route: rest } } } }
            - { name: below, match: { path: "/api/**" }, upstream: origin, headers: { response: { set: { X-Route: below } } } }
            - { name: capture, match: { path: "/api/{id}" }, upstream: origin, headers: { response: { set: { X-Route: capture } } } }
            - { name: exact, match: { path: "/api/me" }, upstream: origin, headers: { response: { set: { X-Route: exact } } } }
            - { name: host, match: { host: "a.example", path: "/**" }, upstream: origin, headers: { response: { set: { X-Route: host } } } }
            - { name: wildcard, match: { host: "*.example", path: "/**" }, upstream: origin, headers: { response: { set: { X-Route: wildcard } } } }
            "#,
        )
        .start()
        .await;
    for (host, path, route) in [
        ("x", "/", "rest"),
        ("x", "/api/a/b", "below"),
        ("x", "/api/7", "capture"),
        ("x", "/api/me", "exact"),
        ("x", "/api/me?a=b", "exact"),
        ("a.example", "/", "host"),
        ("A.EXAMPLE:8080", "/", "host"),
        ("b.example", "/", "wildcard"),
        ("b.a.example", "/", "wildcard"),
        ("example", "/", "rest"),
    ] {
        let answer = gateway.client().get(path).host(host).send().await;
        assert_eq!(answer.header("x-route"), Some(route), "{host}{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn method_header_and_query_choose_among_routes_of_one_path() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .routes(
            r#"
            - { name: all, match: { path: "/x" }, respond: { body: all } }
            - { name: write, match: { path: "/x", method: [POST, PUT] }, respond: { body: write } }
            - { name: beta, match: { path: "/x", headers: { X-Beta: { present: true } } }, respond: { body: beta } }
            - { name: v2, match: { path: "/x", query: { v: "2" } }, respond: { body: v2 } }
            "#,
        )
        .start()
        .await;
    let client = gateway.client();
    assert_eq!(client.get("/x").send().await.text(), "all");
    assert_eq!(client.post("/x", "").send().await.text(), "write");
    assert_eq!(client.request(Method::PUT, "/x").send().await.text(), "write");
    assert_eq!(client.get("/x").header("X-Beta", "").send().await.text(), "beta");
    assert_eq!(client.get("/x?v=2").send().await.text(), "v2");
    assert_eq!(client.get("/x?v=22").send().await.text(), "all");
    assert!(origin.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_rewritten_and_keep_their_query() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .routes(
            r#"
            - { name: strip, match: { path: "/strip/**" }, upstream: origin, rewrite: { strip_prefix: /strip } }
            - { name: swap, match: { path: "/old/**" }, upstream: origin, rewrite: { strip_prefix: /old, add_prefix: /new } }
            - { name: whole, match: { path: "/p/{id}/x" }, upstream: origin, rewrite: { path: "/x/{id}" } }
            - { name: as-it-is, match: { path: "/**" }, upstream: origin }
            "#,
        )
        .start()
        .await;
    let cases = [
        ("/strip/a/b?q=1", "/a/b?q=1"),
        ("/strip/", "/"),
        ("/old/a%20b", "/new/a%20b"),
        ("/p/7/x?q", "/x/7?q"),
        ("/other/%7Ea;b=c%20d?d=%20e", "/other/~a;b=c%20d?d=%20e"),
    ];
    for (sent, _) in cases {
        assert_eq!(gateway.get(sent).await.status, 200, "{sent}");
    }
    assert_eq!(origin.targets(), cases.map(|(_, received)| received));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_fixed_answers_need_no_backend() {
    let gateway = Gateway::new()
        .traffic(
            r#"
            routes:
              - { name: moved, match: { path: "/old/{id}" }, redirect: { to: "/new/{id}{query}", status: 301 } }
              - { name: secure, match: { host: plain.test }, redirect: { to: "https://{host}{path}{query}" } }
              - { name: robots, match: { path: /robots.txt }, respond: { body: "User-agent: *" } }
              - { name: gone, match: { path: /gone }, respond: { status: 410, body: "{}", content_type: application/json } }
            "#,
        )
        .start()
        .await;
    let moved = gateway.get("/old/7?a=b").await;
    assert_eq!((moved.status, moved.header("location")), (301, Some("/new/7?a=b")));
    let secure = gateway.client().get("/a?b").host("plain.test").send().await;
    assert_eq!((secure.status, secure.header("location")), (308, Some("https://plain.test/a?b")));
    let robots = gateway.get("/robots.txt").await;
    assert_eq!((robots.status, robots.text()), (200, "User-agent: *"));
    assert_eq!(robots.header("content-type"), Some("text/plain; charset=utf-8"));
    let gone = gateway.get("/gone").await;
    assert_eq!((gone.status, gone.header("content-type")), (410, Some("application/json")));
    let head = gateway.client().request(Method::HEAD, "/robots.txt").send().await;
    assert_eq!((head.header("content-length"), head.text()), (Some("13"), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_route_gets_a_problem_document() {
    let gateway = Gateway::new()
        .traffic(r#"routes: [{ name: a, match: { path: /a }, respond: { body: a } }]"#)
        .start()
        .await;
    let answer = gateway.get("/b").await;
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["code"]), (&404.into(), &"no_route".into()));
    assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_spreads_by_weight_and_sends_nothing_to_weight_0() {
    let origins = [
        Origin::start(|_| Answer::ok("stable")).await,
        Origin::start(|_| Answer::ok("canary")).await,
        Origin::start(|_| Answer::ok("off")).await,
    ];
    let gateway = Gateway::new()
        .set("stable", &origins[0])
        .set("canary", &origins[1])
        .set("off", &origins[2])
        .traffic(
            r#"
            upstreams:
              stable: { backends: ["@stable@"] }
              canary: { backends: ["@canary@"] }
              off: { backends: ["@off@"] }
            routes:
              - name: canary
                split:
                  - { upstream: stable, weight: 3 }
                  - { upstream: canary, weight: 1 }
                  - { upstream: off, weight: 0 }
            "#,
        )
        .start()
        .await;
    for _ in 0..400 {
        gateway.get("/").await;
    }
    let [stable, canary, off] = origins.map(|origin| origin.requests().len());
    assert_eq!((stable + canary, off), (400, 0));
    // Expected 100; the chance of being farther off than this is below one in a million.
    assert!((55..=150).contains(&canary), "{canary} of 400 went to the canary");
}

const ADMIN_AND_REST: &str = r#"
      - { name: admin, match: { path: "/admin/**" }, respond: { status: 403 } }
      - { name: project, match: { path: "/projects/{id}" }, upstream: origin, rewrite: { path: "/p/{id}" } }
      - { name: rest, upstream: origin }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_servers_read_differently_is_refused() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).routes(ADMIN_AND_REST).start().await;
    for path in
        ["//admin/x", "/a//admin", "/a/../admin/x", "/a/%2e%2e/admin/x", "/projects/a%2Fb", "/projects/a%5cb"]
    {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"suspicious_path".into()), "{path}");
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_escape_leads_around_a_route() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin).routes(ADMIN_AND_REST).start().await;
    for path in ["/%61dmin/x", "/adm%69n", "/%61%64%6D%69%6e/x"] {
        assert_eq!(gateway.get(path).await.status, 403, "{path}");
        assert_eq!(gateway.client().http2().get(path).send().await.status, 403, "{path} over HTTP/2");
    }
    for sent in ["/projects/%31?q=%61", "/%7eann/caf%c3%a9%20x"] {
        assert_eq!(gateway.get(sent).await.status, 200, "{sent}");
    }
    assert_eq!(origin.targets(), ["/p/1?q=%61", "/~ann/caf%C3%A9%20x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_normalised_for_routing_and_the_backend_alike() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::before(&origin)
        .routes(ADMIN_AND_REST)
        .also("paths: { merge_slashes: true, normalize: true, escaped_slashes: keep }")
        .start()
        .await;
    for path in ["//admin/x", "/admin//x", "/a/../admin/x", "/a//../admin/", "/a/%2e%2E//admin/x"] {
        assert_eq!(gateway.get(path).await.status, 403, "{path}");
        assert_eq!(gateway.client().http2().get(path).send().await.status, 403, "{path} over HTTP/2");
    }
    let cases = [
        ("//a///b?q=//", "/a/b?q=//"),
        ("/a/./b/../c", "/a/c"),
        ("/admin/..", "/"),
        ("/projects/group%2Fname?q", "/p/group%2Fname?q"),
        ("/x//projects%2Fy", "/x/projects%2Fy"),
    ];
    for (sent, _) in cases {
        assert_eq!(gateway.get(sent).await.status, 200, "{sent}");
    }
    assert_eq!(origin.targets(), cases.map(|(_, received)| received));

    for path in ["/..", "/a/../../admin/x", "/%2e%2e/admin", "/a/..%2Fadmin", "/a/..;x/admin", "/a%00"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"suspicious_path".into()), "{path}");
    }
    assert_eq!(origin.requests().len(), cases.len());
}
