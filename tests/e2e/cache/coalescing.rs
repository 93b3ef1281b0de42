//! One fetch for many.

use super::CACHED;
use crate::harness::{Answer, Gate, Gateway, Origin, RawClient, wait::in_time, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_requests_for_one_cold_object_are_one_fetch() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |_| Answer::ok("x".repeat(2000)).header("Cache-Control", "max-age=60").hold(&gate)
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let client = gateway.client();
    let requests = (0..500).map(|_| client.get("/cold").send());
    let all = futures::future::join_all(requests);
    let open = async {
        in_time("the fetch", origin.wait_begun(1)).await;
        // Whoever is not there yet would hit what the fetch has left.
        wait_until("others that wait", async || {
            gateway.metrics().await.sum("proxy_requests_in_flight", &[]) >= 2.0
        })
        .await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(all, open);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text().len() == 2000));
    assert_eq!(origin.requests().len(), 1);
    let said = |part: &str| {
        let statuses = answers.iter().filter_map(|answer| answer.header("cache-status"));
        statuses.filter(|status| status.contains(part)).count()
    };
    assert_eq!((said("fwd=uri-miss;fwd-status=200;ttl="), said(";stored")), (1, 1));
    // Whoever came after the fetch had ended hit what it had left.
    assert!(said("fwd=miss;") > 0 && said("fwd=miss;") + said(";hit;") == 499, "rfc9211 section 2.6");
    assert_eq!(said(";collapsed"), said("fwd=miss;"));
    assert_eq!(said("?0"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_follow_a_fill_that_is_under_way() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |_| {
            // A length would let the head wait for the body.
            let answer = Answer::status(200).chunked(["first half, ", "second half"]);
            answer.header("Cache-Control", "max-age=60").hold_body(&gate)
        }
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let mut first = RawClient::connect(gateway.address()).await;
    first.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    in_time("the head", first.head()).await.unwrap();
    let mut second = RawClient::connect(gateway.address()).await;
    second.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = in_time("the head for the second", second.head()).await.unwrap();
    assert_eq!(head.status, 200, "before the body is complete");
    gate.open();
    assert!(String::from_utf8(second.at_least(23).await).unwrap().contains("second half"));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_survives_the_client_that_began_it() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |_| {
            Answer::status(200).chunked(["all of it"]).header("Cache-Control", "max-age=60").hold_body(&gate)
        }
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let mut first = RawClient::connect(gateway.address()).await;
    first.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    in_time("the head", first.head()).await.unwrap();
    drop(first);
    gate.open();
    let second = gateway.client().get("/a").host("a").send().await;
    assert_eq!(second.text(), "all of it");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_kept_holds_nobody_up() {
    let gate = Gate::closed();
    let origin = Origin::start({
        let gate = gate.clone();
        move |_| Answer::ok("mine").header("Cache-Control", "no-store").hold(&gate)
    })
    .await;
    let gateway = Gateway::new().set("origin", &origin).traffic(CACHED).start().await;
    let client = gateway.client();
    let all = futures::future::join_all((0..20).map(|_| client.get("/private").send()));
    let open = async {
        in_time("the fetch", origin.wait_begun(1)).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(all, open);
    assert!(answers.iter().all(|answer| answer.text() == "mine"));
    assert_eq!(origin.requests().len(), 20);
    let statuses = answers.iter().map(|answer| answer.header("cache-status").unwrap());
    let in_vain = statuses.filter(|status| status.contains(";collapsed=?0")).count();
    assert!((1..20).contains(&in_vain), "rfc9211 section 2.6: {in_vain} waited in vain");
}
