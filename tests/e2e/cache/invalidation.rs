//! What a write makes void (RFC 9111 section 4.4).

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin};

/// Keeps every GET for a minute; a write answers with what `written` makes of it.
async fn origin(written: impl Fn() -> Answer + Send + Sync + 'static) -> Origin {
    Origin::start(move |request| match request.method.as_str() {
        "GET" => Answer::ok("x").header("Cache-Control", "max-age=60"),
        _ => written(),
    })
    .await
}

/// The paths that the gateway no longer has after a `POST /list`.
async fn gone_after_a_write(origin: &Origin, gateway: &Gateway) -> Vec<String> {
    let paths = ["/list", "/list/1", "/list/2", "/other"];
    for path in paths {
        gateway.get(path).await;
    }
    let before = origin.requests().len();
    gateway.client().post("/list", "new").send().await;
    for path in paths {
        gateway.get(path).await;
    }
    origin.targets().split_off(before + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_4_a_write_voids_its_url_and_those_it_names() {
    let origin =
        origin(|| Answer::status(201).header("Location", "/list/1").header("Content-Location", "list/2#top"))
            .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    assert_eq!(gone_after_a_write(&origin, &gateway).await, ["/list", "/list/1", "/list/2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_4_an_absolute_url_of_the_same_host_and_port_counts_too() {
    let origin = origin(|| Answer::status(204)).await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let own = format!("http://{}/list/1", gateway.address());
    origin.script(move |request| match request.method.as_str() {
        "GET" => Answer::ok("x").header("Cache-Control", "max-age=60"),
        _ => Answer::status(303).header("Location", &own),
    });
    assert_eq!(gone_after_a_write(&origin, &gateway).await, ["/list", "/list/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_4_no_write_voids_what_is_of_another_host() {
    let origin = origin(|| {
        Answer::status(201)
            .header("Location", "http://127.0.0.1:1/list/1")
            .header("Content-Location", "//other.example/list/2")
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    assert_eq!(gone_after_a_write(&origin, &gateway).await, ["/list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_4_a_failed_write_voids_nothing() {
    let origin = origin(|| Answer::status(409).header("Location", "/list/1")).await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    assert_eq!(gone_after_a_write(&origin, &gateway).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_voids_what_was_asked_for_with_parameters_that_do_not_count() {
    let origin = origin(|| Answer::status(204)).await;
    for (key, first, second) in [
        ("query: { ignore: ['utm_*'] }", "/a?utm_source=x", "/a?utm_source=y"),
        ("query: { allow: [] }", "/a?x", "/a"),
        ("query: { sort: true }", "/a?y=1&x=2", "/a?x=2&y=1"),
    ] {
        let traffic = CACHED.replace("cache: {}", &format!("cache: {{ key: {{ {key} }} }}"));
        let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
        let before = origin.requests().len();
        gateway.get(first).await;
        gateway.get(second).await;
        assert_eq!(origin.requests().len(), before + 1, "{key}: one entry");
        gateway.client().request(http::Method::PUT, second).send().await;
        gateway.get(first).await;
        assert_eq!(origin.requests().len(), before + 3, "{key}: gone after the write");
    }
}
