//! Fresh, stale, confirmed, gone.

use super::CACHED;
use crate::harness::{Answer, Gateway, Origin, wait::in_time, wait_until};

/// An answer that is fresh so long and says which one it is.
fn fresh(origin: &Origin, seconds: u64) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    origin.script(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Answer::ok(format!("answer {number}")).header("Cache-Control", &format!("max-age={seconds}"))
    });
}

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::new().set("origin", origin).traffic(CACHED).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_request_never_reaches_the_origin() {
    let origin = Origin::saying("").await;
    fresh(&origin, 60);
    let gateway = gateway(&origin).await;

    let first = gateway.get("/patients/1").await;
    let second = gateway.get("/patients/1").await;

    assert_eq!((first.text(), second.text()), ("answer 1", "answer 1"));
    assert_eq!(first.header("age"), None);
    assert!(second.header("age").unwrap().parse::<u64>().unwrap() < 5);
    assert!(
        first.header("cache-status").unwrap().contains("fwd=uri-miss"),
        "{:?}",
        first.header("cache-status")
    );
    assert!(first.header("cache-status").unwrap().contains("stored"));
    assert!(second.header("cache-status").unwrap().contains("hit"), "{:?}", second.header("cache-status"));
    assert_eq!(origin.requests().len(), 1);
    let log = gateway.wait_for_log("a hit in the access log", |line| line["cache"] == "hit").await;
    assert_eq!(log["status"], 200);
    gateway.wait_metric("cache_requests_total", &[("route", "kept"), ("result", "hit")], 1.0).await;
    gateway.wait_metric("cache_requests_total", &[("route", "kept"), ("result", "miss")], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_clients_get_the_same_copy() {
    let origin = Origin::saying("").await;
    fresh(&origin, 60);
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    let h2 = gateway.client().http2().get("/a").send().await;
    assert_eq!((h2.text(), origin.requests().len()), ("answer 1", 1));
    assert!(h2.header("age").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_is_answered_from_a_get() {
    let origin = Origin::saying("").await;
    fresh(&origin, 60);
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    let head = gateway.client().request(http::Method::HEAD, "/a").send().await;
    assert_eq!((head.status, head.text(), head.header("content-length")), (200, "", Some("8")));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_confirmed_by_its_validator() {
    let origin = Origin::start(|request| match request.header("if-none-match") {
        Some("\"v1\"") => Answer::status(304).header("ETag", "\"v1\"").header("X-Confirmed", "yes"),
        _ => Answer::ok("body").header("ETag", "\"v1\"").header("Cache-Control", "max-age=0"),
    })
    .await;
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    let again = gateway.get("/a").await;
    assert_eq!((again.status, again.text()), (200, "body"));
    assert_eq!(again.header("x-confirmed"), Some("yes"), "fields of the 304 are taken over");
    assert_eq!(origin.requests()[1].header("if-none-match"), Some("\"v1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_copy_gets_304_from_the_store() {
    let origin =
        Origin::start(|_| Answer::ok("body").header("ETag", "\"v1\"").header("Cache-Control", "max-age=60"))
            .await;
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    for validator in ["\"v1\"", "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
        let answer = gateway.client().get("/a").header("If-None-Match", validator).send().await;
        assert_eq!((answer.status, answer.text()), (304, ""), "{validator}");
        assert_eq!(answer.header("etag"), Some("\"v1\""));
    }
    // HTTP/2 hits take another way through the gateway.
    for client in [gateway.client(), gateway.client().http2()] {
        for other in ["\"v2\"", "v1", "w/\"v1\"", "W\"v1\""] {
            let answer = client.get("/a").header("If-None-Match", other).send().await;
            assert_eq!((answer.status, answer.text()), (200, "body"), "{other}");
        }
        let answer = client.get("/a").header("If-None-Match", "W/\"v1\"").send().await;
        assert_eq!((answer.status, answer.text()), (304, ""));
    }
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_while_revalidate_answers_at_once_and_refreshes_behind() {
    let origin = Origin::saying("").await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    origin.script(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Answer::ok(format!("answer {number}")).header("Cache-Control", "max-age=0, stale-while-revalidate=60")
    });
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    let stale = gateway.get("/a").await;
    assert_eq!(stale.text(), "answer 1");
    in_time("the refresh", origin.wait_begun(2)).await;
    wait_until("the new copy is served", async || gateway.get("/a").await.text() == "answer 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_origin_leaves_the_stale_copy() {
    let mut origin =
        Origin::start(|_| Answer::ok("last known").header("Cache-Control", "max-age=0, stale-if-error=60"))
            .await;
    let gateway = gateway(&origin).await;
    gateway.get("/a").await;
    origin.kill().await;
    let stale = gateway.get("/a").await;
    assert_eq!((stale.status, stale.text()), (200, "last known"));
    // What follows a failed attempt is the last answer of its connection, and says so.
    assert_eq!(stale.header("connection"), Some("close"));
    gateway.wait_metric("cache_stale_served_total", &[("reason", "if_error")], 1.0).await;
}

/// An origin that answers once with this `Cache-Control`, and 503 ever after.
async fn failing_after_one(cache_control: &'static str) -> Origin {
    let first = std::sync::atomic::AtomicBool::new(true);
    Origin::start(move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Answer::ok("last known").header("Cache-Control", cache_control),
        false => Answer::status(503),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc5861_4_an_error_is_replaced_by_the_stale_copy() {
    // Without a word of the response the route's window counts, which is a minute.
    for cache_control in ["max-age=1, stale-if-error=60", "max-age=1"] {
        let origin = failing_after_one(cache_control).await;
        let gateway = gateway(&origin).await;
        gateway.get("/a").await;
        in_time("the copy to be stale", async {
            while gateway
                .get("/a")
                .await
                .header("cache-status")
                .is_some_and(|status| !status.contains("ttl=-"))
            {}
        })
        .await;
        let stale = gateway.get("/a").await;
        assert_eq!((stale.status, stale.text()), (200, "last known"), "{cache_control}");
        assert!(origin.requests().len() > 1, "the origin was asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_2_4_what_must_be_revalidated_is_never_served_stale() {
    for forbidden in ["max-age=0, must-revalidate", "s-maxage=0", "no-cache", "max-age=0, proxy-revalidate"] {
        let origin = Origin::start(|_| Answer::status(503)).await;
        let gateway = gateway(&origin).await;
        origin.script(move |_| {
            Answer::ok("last known").header("Cache-Control", forbidden).header("ETag", "\"v1\"")
        });
        assert_eq!(gateway.get("/a").await.text(), "last known");
        origin.script(|_| Answer::status(503));
        assert_eq!(gateway.get("/a").await.status, 503, "{forbidden}");
        assert_eq!(origin.requests()[1].header("if-none-match"), Some("\"v1\""), "{forbidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_live_side_by_side() {
    let origin = Origin::start(|request| {
        let language = request.header("accept-language").unwrap_or("none").to_owned();
        Answer::ok(language).header("Vary", "Accept-Language").header("Cache-Control", "max-age=60")
    })
    .await;
    let gateway = gateway(&origin).await;
    for forwards in [["fwd=uri-miss", "fwd=vary-miss", "fwd=vary-miss"], ["hit"; 3]] {
        for (language, forward) in ["de", "fr", "sw"].into_iter().zip(forwards) {
            let answer = gateway.client().get("/a").header("Accept-Language", language).send().await;
            assert_eq!(answer.text(), language);
            let status = answer.header("cache-status").unwrap();
            assert!(status.contains(forward), "{language}: {status}");
        }
    }
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_decides_where_the_origin_says_nothing() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/missing" => Answer::status(404),
        _ => Answer::ok("x"),
    })
    .await;
    let gateway = Gateway::new()
        .set("origin", &origin)
        .traffic(&CACHED.replace("cache: {}", "cache: { ttl: { '404': 60s }, x_cache: true }"))
        .start()
        .await;
    for _ in 0..2 {
        gateway.get("/missing").await;
        gateway.get("/there").await;
    }
    assert_eq!(gateway.get("/missing").await.header("x-cache"), Some("HIT"));
    let targets = origin.targets();
    assert_eq!(targets.iter().filter(|target| *target == "/missing").count(), 1, "{targets:?}");
    assert_eq!(targets.iter().filter(|target| *target == "/there").count(), 2, "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_not_served_stale_after_a_refresh_has_learned_so() {
    let origin = Origin::start(|_| {
        Answer::ok("there").header("Cache-Control", "max-age=0, stale-while-revalidate=600")
    })
    .await;
    let gateway = gateway(&origin).await;
    assert_eq!(gateway.get("/a").await.text(), "there");
    origin.script(|_| Answer::status(404));
    gateway.get("/a").await;
    in_time("the refresh", origin.wait_begun(2)).await;
    wait_until("the answer that it is gone", async || gateway.get("/a").await.status == 404).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/a").await.status, 404);
    }
    origin.script(|_| Answer::status(503));
    assert_eq!(gateway.get("/a").await.status, 503, "nor instead of an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9111_4_1_a_304_does_not_turn_one_variant_into_everybodys() {
    let origin = Origin::start(|request| {
        let answer = match request.header("if-none-match") {
            Some(_) => Answer::status(304).header("Vary", "").header("Cache-Control", "max-age=60"),
            None => Answer::ok(request.header("accept-language").unwrap_or("none").repeat(2000))
                .header("Content-Type", "text/plain")
                .header("Vary", "Accept-Language")
                .header("Cache-Control", "max-age=0"),
        };
        answer.header("ETag", "\"v1\"")
    })
    .await;
    let traffic = CACHED.replace("cache: {}", "cache: { compress: { encodings: [gzip] } }");
    let gateway = Gateway::new().set("origin", &origin).traffic(&traffic).start().await;
    let read = async |language: &'static str, encoding: &'static str| {
        let client = gateway.client();
        let request = client.get("/a").header("Accept-Language", language);
        request.header("Accept-Encoding", encoding).send().await
    };
    for status in ["fwd=uri-miss", "fwd=stale;fwd-status=304", "hit"] {
        let answer = read("de", "gzip").await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("vary"), Some("Accept-Language, Accept-Encoding"));
        assert!(answer.header("cache-status").unwrap().contains(status), "{status}");
    }
    assert_eq!(read("fr", "identity").await.text(), "fr".repeat(2000));
    assert_eq!(read("de", "identity").await.text(), "de".repeat(2000));
    let (into, out) =
        ([("encoding", "gzip"), ("direction", "in")], [("encoding", "gzip"), ("direction", "out")]);
    gateway.wait_metric("proxy_compression_bytes_total", &into, 4000.0).await;
    let out = gateway.metrics().await.sum("proxy_compression_bytes_total", &out);
    assert!(out > 0.0 && out < 1000.0, "{out}");
}
