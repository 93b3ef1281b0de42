//! `RateLimit` and `RateLimit-Policy`.

use super::limited;
use crate::harness::{Answer, Gateway, Origin};

#[tokio::test(flavor = "multi_thread")]
async fn responses_tell_what_is_left() {
    let origin = Origin::start(|_| Answer::ok("hello").header("RateLimit", "\"theirs\";r=1")).await;
    let gateway = Gateway::before(&origin)
        .routes("- { name: all, upstream: origin, rate_limit: [per-client] }")
        .also("rate_limits: { per-client: { rate: 2/h, burst: 3, by: address } }")
        .start()
        .await;
    for (left, full_in) in [(2, 1_800), (1, 3_600), (0, 5_400)] {
        let answer = gateway.get("/").await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"per-client\";q=2;w=3600"));
        assert_eq!(answer.header("ratelimit"), Some(&*format!("\"per-client\";r={left};t={full_in}")));
        assert_eq!(answer.header("retry-after"), None);
    }
    let refused = gateway.get("/").await;
    let wait = refused.header("retry-after").unwrap();
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"per-client\";r=0;t={wait}")));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"per-client\";q=2;w=3600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_pressing_limit_speaks_and_silent_ones_do_not() {
    let origin = Origin::saying("hello").await;
    let limits = "[{ rate: 9/h, by: route }, { rate: 2/h, by: 'header:X-Tenant' }]";
    let gateway = limited(&origin, limits).start().await;
    let ask = async |tenant: &str| gateway.client().get("/").header("X-Tenant", tenant).send().await;
    assert!(ask("a").await.header("ratelimit").unwrap().starts_with("\"all#2\";r=1;"));
    for tenant in ["b", "c", "d", "e", "f", "g"] {
        ask(tenant).await;
    }
    assert!(
        ask("h").await.header("ratelimit").unwrap().starts_with("\"all#1\";r=1;"),
        "of two alike the first"
    );
    assert!(ask("i").await.header("ratelimit").unwrap().starts_with("\"all#1\";r=0;"));

    let silent = limited(&origin, "[{ rate: 1/h, by: address, headers: false }]").start().await;
    for status in [200, 429] {
        let answer = silent.get("/").await;
        assert_eq!(answer.status, status);
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_for_other_reasons_tell_it_too() {
    let gateway = Gateway::before("127.0.0.1:1")
        .routes("- { name: all, upstream: origin, rate_limit: [{ rate: 2/h, by: address }] }")
        .start()
        .await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.header("ratelimit")), (502, Some("\"all#1\";r=1;t=1800")));
}
