//! A service that is asked who it is.

use super::{echo, refusal};
use crate::harness::{Answer, Gateway, Origin};

const TRAFFIC: &str = "\
upstreams:
  origin: { backends: ['@origin@'] }
  verifier: { backends: ['@verifier@'], retry: { attempts: 1 }, ejection: { consecutive_failures: 0 } }
auth:
  providers:
    legacy:
      forward:
        upstream: verifier
        path: /verify?v=1
        host: verify.internal
        send: [Authorization, Cookie]
        identity: { subject: X-Sub, roles: X-Groups, claims: { tenant: X-Org } }
        cache: @cache@
        timeout: 1s
routes:
  - name: all
    upstream: origin
    auth: { with: legacy, forward: { X-User-Id: subject, X-Tenant: 'claim:tenant', X-Roles: roles } }
";

/// Knows `ann`, refuses `bob`, forbids `eve`, and has its troubles with others.
async fn verifier() -> Origin {
    Origin::start(|request| match request.header("cookie").unwrap_or("") {
        "ann" => Answer::status(204).header("X-Sub", "ann").header("X-Groups", "a, b").header("X-Org", "n"),
        "nameless" => Answer::status(204),
        "bob" => Answer::status(401),
        "eve" => Answer::status(403),
        "gone" => Answer::nothing(),
        _ => Answer::status(500),
    })
    .await
}

async fn gateway(origin: &Origin, verifier: &Origin, cache: &str) -> Gateway {
    Gateway::new()
        .set("origin", origin)
        .set("verifier", verifier)
        .set("cache", cache)
        .traffic(TRAFFIC)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn its_word_is_remembered_for_a_while() {
    let (origin, verifier) = (echo().await, verifier().await);
    let gateway = gateway(&origin, &verifier, "1h").await;
    for _ in 0..5 {
        let answer = gateway.client().get("/secret?q=1").header("Cookie", "ann").send().await;
        assert_eq!(answer.text(), "ann|n|a,b");
    }
    let asked = verifier.only_request();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/verify?v=1"));
    assert_eq!((asked.header("host"), asked.header("cookie")), (Some("verify.internal"), Some("ann")));
    assert_eq!(asked.headers.len(), 3, "host, user agent and the credentials: {asked:?}");
    let other = gateway.client().get("/").header("Cookie", "ann").header("Authorization", "x").send().await;
    assert_eq!(other.status, 200);
    assert_eq!(verifier.requests().len(), 2, "other credentials are another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_memory_it_is_asked_each_time() {
    let (origin, verifier) = (echo().await, verifier().await);
    let gateway = gateway(&origin, &verifier, "0s").await;
    for _ in 0..3 {
        gateway.client().get("/").header("Cookie", "ann").send().await;
    }
    assert_eq!((verifier.requests().len(), origin.requests().len()), (3, 3));
    assert_eq!(verifier.connections(), 1, "over one connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_failures_are_told_apart() {
    let (origin, mut verifier) = (echo().await, verifier().await);
    let gateway = gateway(&origin, &verifier, "1h").await;
    let ask = async |cookie: &str| gateway.client().get("/").header("Cookie", cookie).send().await;
    assert_eq!(refusal(&ask("bob").await), (401, "credentials_refused".to_owned()));
    assert_eq!(refusal(&ask("eve").await), (403, "forbidden".to_owned()));
    for trouble in ["nameless", "gone", "other"] {
        let answer = ask(trouble).await;
        assert_eq!(refusal(&answer), (503, "auth_unavailable".to_owned()), "{trouble}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(refusal(&gateway.get("/").await), (401, "credentials_missing".to_owned()));
    assert_eq!(ask("ann").await.status, 200);
    verifier.kill().await;
    assert_eq!(ask("ann").await.status, 200, "remembered");
    assert_eq!(ask("new").await.status, 503);
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_those_who_may_not_ask() {
    let (origin, verifier) = (echo().await, verifier().await);
    let limits =
        "name: all\n    rate_limit: [{ rate: 1/h, burst: 3, by: address }, { rate: 9/h, by: identity }]";
    let gateway = Gateway::new()
        .set("origin", &origin)
        .set("verifier", &verifier)
        .set("cache", "0s")
        .traffic(&TRAFFIC.replace("name: all", limits))
        .start()
        .await;
    let ask = async |cookie: &str| gateway.client().get("/").header("Cookie", cookie).send().await.status;
    assert_eq!([ask("ann").await, ask("bob").await, ask("bob").await], [200, 401, 401]);
    assert_eq!([ask("bob").await, ask("ann").await], [429, 429]);
    assert_eq!((verifier.requests().len(), origin.requests().len()), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_asked_about_at_once_than_may_ask() {
    let (origin, verifier) = (echo().await, verifier().await);
    let limits = "name: all\n    rate_limit: [{ rate: 2/h, by: address }]";
    let traffic = TRAFFIC.replace("name: all", limits);
    let gateway = Gateway::new().set("origin", &origin).set("verifier", &verifier).set("cache", "0s");
    let gateway = gateway.traffic(&traffic).start().await;
    let ask = async || gateway.client().get("/").header("Cookie", "bob").send().await.status;
    let asked = [ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask()];
    let refused = futures::future::join_all(asked).await.into_iter().filter(|status| *status == 429).count();
    assert_eq!((refused, verifier.requests().len()), (6, 2));
}
