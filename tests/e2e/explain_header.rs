//! Requests that are explained in their own responses, to whoever could sign the wish.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use ring::hmac;

use crate::harness::{Answer, Gateway, Origin, Response, gateway::Builder};

const FIELD: &str = "X-Nilegate-Explain";
const SECRET: &str = "a secret of the tests, long enough for all";

fn explaining(builder: Builder) -> Builder {
    let telemetry = format!(
        "{{ log: {{ format: text }}, access_log: {{ format: json }}, explain: {{ secret: '{SECRET}', lifetime: 1m }} }}"
    );
    builder.process("telemetry", &telemetry)
}

/// A wish, made as the documentation says and not as the gateway does.
fn wish(secret: &str, method: &str, host: &str, target: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expiry = i64::try_from(now).unwrap() + seconds;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let message = format!("nilegate explain 1\n{method}\n{host}\n{target}\n{expiry}");
    let signature = hmac::sign(&key, message.as_bytes());
    let digits: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{expiry}.{digits}")
}

/// The lines of the explanation, by their first word.
fn lines(answer: &Response) -> Vec<String> {
    answer.headers.get_all(FIELD).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn line(answer: &Response, start: &str) -> String {
    let lines = lines(answer);
    lines
        .iter()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("no {start}: {lines:#?}"))
        .clone()
}

async fn asked(gateway: &Gateway, path: &str, value: &str) -> Response {
    gateway.client().get(path).host("a.test").header(FIELD, value).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_wish_is_answered_and_nothing_of_it_is_kept() {
    let origin = Origin::start(|_| Answer::ok("hello").header("Cache-Control", "max-age=600")).await;
    let gateway = explaining(Gateway::before(&origin))
        .routes(
            "- { name: patients, match: { path: '/patients/{id}' }, upstream: origin,
                 cache: { tags: ['patient:{id}'] }, rate_limit: [{ rate: 100/h, by: address }] }",
        )
        .start()
        .await;
    let path = "/patients/4711?a=1";
    let value = wish(SECRET, "GET", "a.test", path, 30);
    let first = asked(&gateway, path, &value).await;
    assert_eq!(line(&first, "route="), r#"route="patients";pattern="/patients/{id}""#);
    assert_eq!(line(&first, "upstream=").split(';').nth(1), Some("attempts=1"));
    assert!(line(&first, "upstream=").contains(&format!(r#"backend="{origin}""#)));
    assert!(line(&first, "cache=").starts_with(r#"cache="miss""#), "{first:?}");
    let key = line(&first, "cache-key=");
    assert!(
        key.contains("route patients, scheme, host, path, query") && key.contains("patient:{id}"),
        "{key}"
    );
    assert!(line(&first, "limit=").contains("left=99"), "{first:?}");
    assert!(line(&first, "request=").contains(first.header("x-request-id").unwrap()));
    assert_eq!(first.header("cache-control"), Some("no-store"), "no cache on the way keeps it");
    assert!(!lines(&first).concat().contains("4711"), "no identifier: {first:?}");

    gateway.wait_metric("cache_entries", &[], 1.0).await;
    let plain = gateway.client().get(path).host("a.test").send().await;
    assert_eq!((plain.text(), lines(&plain).len()), ("hello", 0));
    assert_eq!(plain.header("cache-control"), Some("max-age=600"));
    assert!(plain.header("cache-status").unwrap().starts_with("nilegate;hit"), "the answer itself is kept");

    let hit = asked(&gateway, path, &value).await;
    let found = line(&hit, "cache=");
    assert!(
        found.starts_with(r#"cache="hit";tier="memory";age="#) && found.contains(";fresh-for=59"),
        "{hit:?}"
    );
    assert_eq!(hit.header("cache-control"), Some("no-store"));
    assert_eq!(origin.only_request().header(FIELD), None, "backends do not see it");
    gateway.wait_metric("proxy_explain_requests_total", &[("result", "answered")], 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_for_the_request_is_answered_like_any_other() {
    let origin = Origin::saying("hello").await;
    let gateway = explaining(Gateway::before(&origin)).start().await;
    let good = wish(SECRET, "GET", "a.test", "/a", 30);
    let cases = [
        ("signature", "/b", good.clone()),
        ("signature", "/a", wish("another secret of the same good length!!", "GET", "a.test", "/a", 30)),
        ("signature", "/a", wish(SECRET, "POST", "a.test", "/a", 30)),
        ("signature", "/a", wish(SECRET, "GET", "b.test", "/a", 30)),
        ("expired", "/a", wish(SECRET, "GET", "a.test", "/a", -1)),
        ("too_long", "/a", wish(SECRET, "GET", "a.test", "/a", 3600)),
        ("malformed", "/a", "1".to_owned()),
        ("malformed", "/a", good.replace('.', "")),
    ];
    for (reason, path, value) in &cases {
        let answer = asked(&gateway, path, value).await;
        assert_eq!((answer.status, lines(&answer).len()), (200, 0), "{reason}: {answer:?}");
        assert_eq!(answer.header("cache-control"), None);
    }
    for (reason, count) in [("signature", 4.0), ("expired", 1.0), ("too_long", 1.0), ("malformed", 2.0)] {
        gateway.wait_metric("proxy_explain_requests_total", &[("result", reason)], count).await;
    }
    assert_eq!(lines(&asked(&gateway, "/a", &good).await).len(), 3);
    assert!(origin.requests().iter().all(|request| request.header(FIELD).is_none()));
    assert!(!gateway.stderr().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_explained_and_name_nobody() {
    let origin = Origin::saying("hello").await;
    let gateway = explaining(Gateway::before(&origin))
        .also(
            "auth: { providers: { staff: { api_keys: { header: X-API-Key, keys: [{ id: lab-7,
               hash: 'sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7' }] } } } }",
        )
        .routes("- { name: all, match: { path: '/in' }, upstream: origin, auth: { with: staff } }")
        .start()
        .await;
    let refused = asked(&gateway, "/in", &wish(SECRET, "GET", "a.test", "/in", 30)).await;
    assert_eq!(refused.status, 401);
    assert_eq!(line(&refused, "identity="), r#"identity="none""#);
    assert!(line(&refused, "refused=").contains(r#"reason="unauthorized""#), "{refused:?}");
    let nowhere = asked(&gateway, "/out", &wish(SECRET, "GET", "a.test", "/out", 30)).await;
    assert!(line(&nowhere, "refused=").starts_with(r#"refused="no_route""#), "{nowhere:?}");
    let value = wish(SECRET, "GET", "a.test", "/in", 30);
    let client = gateway.client();
    let known = client.get("/in").host("a.test").header(FIELD, &value).header("X-API-Key", "open-sesame");
    let known = known.send().await;
    assert_eq!(line(&known, "identity="), r#"identity="api_key";provider="staff""#);
    assert!(!lines(&known).concat().contains("lab-7"), "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_off_unless_configured_and_the_command_signs() {
    let origin = Origin::saying("hello").await;
    let off = Gateway::before(&origin).start().await;
    let answer = asked(&off, "/a", &wish(SECRET, "GET", "a.test", "/a", 30)).await;
    assert_eq!((answer.status, lines(&answer).len()), (200, 0));

    let gateway = explaining(Gateway::before(&origin)).start().await;
    let sign = |gateway: &Gateway| {
        Command::new(env!("CARGO_BIN_EXE_nilegate"))
            .args(["explain", "--sign", "GET", "http://a.test/a?b", "-c"])
            .arg(gateway.directory().join("nilegate.yaml"))
            .output()
            .unwrap()
    };
    assert!(!sign(&off).status.success());
    let output = sign(&gateway);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let field = String::from_utf8(output.stdout).unwrap();
    let value = field.trim().strip_prefix("x-nilegate-explain: ").unwrap();
    assert_eq!(lines(&asked(&gateway, "/a?b", value).await).len(), 3);
}
