//! Which field decides, and what becomes of the fields.

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin};

async fn saying(fields: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::start(move |_| {
        fields.iter().fold(Answer::ok("x"), |answer, (name, value)| answer.header(name, value))
    })
    .await
}

async fn gateway(origin: &Origin, cache: &str) -> Gateway {
    let traffic = CACHED.replace("cache: {}", &format!("cache: {cache}"));
    Gateway::new().set("origin", origin).traffic(&traffic).start().await
}

/// How often the origin is asked for three requests.
async fn fetches(fields: &'static [(&'static str, &'static str)]) -> usize {
    let origin = saying(fields).await;
    let gateway = gateway(&origin, "{}").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/a").await.status, 200);
    }
    origin.requests().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_arch_2_2_surrogate_control_decides_before_cache_control() {
    assert_eq!(fetches(&[("Cache-Control", "no-store"), ("Surrogate-Control", "max-age=60")]).await, 1);
    assert_eq!(fetches(&[("Cache-Control", "max-age=60"), ("Surrogate-Control", "no-store")]).await, 3);
    assert_eq!(
        fetches(&[("Cache-Control", "no-store"), ("Surrogate-Control", "max-age=60;fastly")]).await,
        3
    );
    assert_eq!(fetches(&[("Surrogate-Control", "no-store, max-age=60;nilegate")]).await, 1);
    assert_eq!(fetches(&[("CDN-Cache-Control", "max-age=60"), ("Surrogate-Control", "no-store")]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_arch_2_1_the_origin_learns_of_the_surrogate_and_clients_do_not() {
    let origin = saying(&[("Surrogate-Control", "max-age=60")]).await;
    let gateway = gateway(&origin, "{}").await;
    for _ in 0..2 {
        let client = gateway.client();
        let answer = client.get("/a").header("Surrogate-Capability", "me=\"ESI/1.0\"").send().await;
        assert_eq!((answer.text(), answer.header("surrogate-control")), ("x", None));
    }
    let asked = origin.only_request();
    assert_eq!(asked.header_values("surrogate-capability"), ["nilegate=\"Surrogate/1.0\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_surrogate_fields_pass_as_they_are() {
    let origin = saying(&[("Surrogate-Control", "no-store"), ("Cache-Control", "max-age=60")]).await;
    let gateway = gateway(&origin, "{ ignore: [surrogate-control] }").await;
    for _ in 0..2 {
        let answer = gateway.client().get("/a").header("Surrogate-Capability", "me=\"x\"").send().await;
        assert_eq!(answer.header("surrogate-control"), Some("no-store"));
    }
    assert_eq!(origin.only_request().header("surrogate-capability"), Some("me=\"x\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_5_2_2_4_fields_that_are_named_reach_only_the_one_who_asked() {
    let origin =
        saying(&[("Cache-Control", "max-age=60, no-cache=\"x-mine\""), ("X-Mine", "1"), ("X-Ours", "2")])
            .await;
    let gateway = gateway(&origin, "{}").await;
    let first = gateway.get("/a").await;
    assert_eq!((first.header("x-mine"), first.header("x-ours")), (Some("1"), Some("2")));
    let second = gateway.get("/a").await;
    assert_eq!((second.header("x-mine"), second.header("x-ours")), (None, Some("2")));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_stripped_reaches_only_the_one_it_is_for() {
    let origin = saying(&[("Cache-Control", "max-age=60"), ("Set-Cookie", "session=1")]).await;
    let gateway = gateway(&origin, "{ set_cookie: strip }").await;
    assert_eq!(gateway.get("/a").await.header("set-cookie"), Some("session=1"));
    assert_eq!(gateway.get("/a").await.header("set-cookie"), None);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_5_2_1_requests_are_obeyed_only_where_the_route_says_so() {
    let origin = saying(&[("Cache-Control", "max-age=60")]).await;
    let gateway = gateway(&origin, "{}").await;
    gateway.get("/a").await;
    for wish in ["no-cache", "no-store", "max-age=0", "min-fresh=90"] {
        gateway.client().get("/a").header("Cache-Control", wish).send().await;
    }
    assert_eq!(gateway.client().get("/b").header("Cache-Control", "only-if-cached").send().await.status, 200);
    assert_eq!(origin.targets(), ["/a", "/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_5_2_1_what_a_request_wishes() {
    let origin = saying(&[("Cache-Control", "max-age=60")]).await;
    let gateway = gateway(&origin, "{ request_directives: obey }").await;
    let client = gateway.client();
    let wish = async |wish: &str| {
        let before = origin.requests().len();
        let answer = client.get("/a").header("Cache-Control", wish).send().await;
        (answer.status, origin.requests().len() - before)
    };
    assert_eq!(wish("only-if-cached").await, (504, 0));
    assert_eq!(wish("max-age=30").await, (200, 1));
    assert_eq!(wish("only-if-cached").await, (200, 0));
    assert_eq!(wish("max-age=30, min-fresh=30").await, (200, 0));
    for other in ["no-cache", "no-store", "min-fresh=90"] {
        assert_eq!(wish(other).await, (200, 1), "{other}");
    }
}
