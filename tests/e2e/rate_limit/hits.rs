//! Responses from the cache are charged like any other, once.

use crate::harness::{Answer, Gateway, Origin, RawClient, wait_until};

async fn cached(origin: &Origin, rate: &str) -> Gateway {
    Gateway::before(origin)
        .routes(&format!(
            "- {{ name: all, upstream: origin, cache: {{}}, rate_limit: [{{ rate: {rate}, by: address }}] }}"
        ))
        .start()
        .await
}

async fn fresh() -> Origin {
    Origin::start(|_| Answer::ok("kept").header("Cache-Control", "max-age=3600")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_charged_once_wherever_its_answer_comes_from() {
    let origin = fresh().await;
    let gateway = cached(&origin, "20/h").await;
    let client = gateway.client();
    let left = |answer: &crate::harness::Response| {
        assert_eq!(answer.status, 200, "{answer:?}");
        let field = answer.header("ratelimit").unwrap().split_once("r=").unwrap().1;
        field.split_once(';').unwrap().0.parse::<u32>().unwrap()
    };
    assert_eq!(left(&client.get("/").send().await), 19, "a miss");
    assert_eq!(left(&client.get("/").send().await), 18, "a hit before Pingora");
    assert_eq!(left(&client.clone().http2().get("/").send().await), 17, "a hit of Pingora's");
    let closing = client.get("/").header("Connection", "close").send().await;
    assert_eq!(left(&closing), 16, "one that the fast path leaves alone");
    assert_eq!(left(&client.request(http::Method::HEAD, "/").send().await), 15);
    assert_eq!(left(&client.post("/", "x").send().await), 14, "what goes past the cache");
    assert_eq!(origin.requests().len(), 2);
    gateway.wait_metric("rate_limit_requests_total", &[("result", "passed")], 6.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_hit_keeps_its_connection() {
    let origin = fresh().await;
    let gateway = cached(&origin, "2/h").await;
    let mut client = RawClient::connect(gateway.address()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = client.response().await.expect("the connection stays open");
        statuses.push(answer.status);
        if answer.status == 429 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(answer.header("retry-after").is_some() && answer.text().contains("rate_limited"));
            assert!(answer.header("ratelimit").unwrap().contains(";r=0;"));
        }
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    let head = gateway.client().request(http::Method::HEAD, "/").send().await;
    assert_eq!((head.status, head.body.len()), (429, 0));
    // Of the refusals, the cache knows nothing.
    gateway.wait_metric("cache_requests_total", &[], 2.0).await;
    gateway.wait_metric("proxy_request_errors_total", &[("reason", "rate_limited")], 3.0).await;
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_in_the_background_is_nobodys_request() {
    let origin = Origin::start(|_| {
        Answer::ok("kept").header("Cache-Control", "max-age=0, stale-while-revalidate=3600")
    })
    .await;
    let gateway = cached(&origin, "9/h").await;
    gateway.get("/").await;
    gateway.get("/").await;
    wait_until("the refresh", async || origin.requests().len() == 2).await;
    gateway.wait_metric("rate_limit_requests_total", &[("result", "passed")], 2.0).await;
    let answer = gateway.get("/").await;
    assert!(answer.header("ratelimit").unwrap().contains(";r=6;"), "{answer:?}");
}
