//! The harness tells the truth: its clients and origins against each other, without a gateway.

use std::time::Duration;

use http::Method;

use crate::harness::{
    Answer, Client, Gate, Load, Origin, RawClient,
    h2_origin::{BrokenH2Origin, H2Answer, H2Origin},
    metrics::Metrics,
    ports::Port,
    tls::Authority,
};

#[tokio::test(flavor = "multi_thread")]
async fn origin_records_requests_byte_for_byte() {
    let origin = Origin::saying("hello").await;
    let request = "POST /a?b=c HTTP/1.1\r\nhOsT: x\r\nA: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";
    let mut client = RawClient::connect(origin.address()).await;
    client.send(request).await;
    assert_eq!(client.response().await.unwrap().text(), "hello");

    let seen = origin.only_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a?b=c"));
    assert_eq!(seen.header_values("a"), ["1", "2"]);
    assert_eq!(seen.headers[0], ("hOsT".to_owned(), "x".to_owned()));
    assert_eq!(seen.body, b"abcde");
    assert_eq!([seen.head, seen.raw_body].concat(), request.as_bytes());
    assert_eq!(origin.received(), [request.as_bytes()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_shape_the_answer() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/chunked" => Answer::status(201).header("X", "y").chunked(["a", "bc"]).trailer("T", "1"),
        "/until-close" => Answer::status(200).until_close("to the end"),
        "/cut" => Answer::ok("0123456789").cut_after(50),
        "/drip" => Answer::ok("slow").drip(16, Duration::from_millis(1)),
        "/garbage" => Answer::garbage(),
        "/304" => Answer::status(304),
        _ => Answer::nothing(),
    })
    .await;
    let client = Client::new(origin.address());

    let chunked = client.get("/chunked").send().await;
    assert_eq!((chunked.status, chunked.text(), chunked.header("x")), (201, "abc", Some("y")));
    assert_eq!(chunked.trailers["t"], "1");
    assert_eq!(client.get("/until-close").send().await.text(), "to the end");
    assert_eq!(client.get("/drip").send().await.text(), "slow");
    assert_eq!(client.get("/304").send().await.status, 304);
    assert_eq!(client.request(Method::HEAD, "/drip").send().await.header("content-length"), Some("4"));
    for broken in ["/cut", "/garbage", "/nothing"] {
        assert!(client.get(broken).try_send().await.is_err(), "{broken}");
    }
    let mut raw = RawClient::connect(origin.address()).await;
    raw.send("GET /cut HTTP/1.1\r\n\r\n").await;
    assert_eq!(raw.read_to_end().await.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_hold_answers_back() {
    let (all, body) = (Gate::closed(), Gate::closed());
    let (hold, hold_body) = (all.clone(), body.clone());
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/all" => Answer::ok("held").hold(&hold),
        _ => Answer::ok("held").hold_body(&hold_body),
    })
    .await;

    let mut first = RawClient::connect(origin.address()).await;
    first.send("GET /all HTTP/1.1\r\n\r\n").await;
    origin.wait_begun(1).await;
    let mut second = RawClient::connect(origin.address()).await;
    second.send("GET /body HTTP/1.1\r\n\r\n").await;
    assert_eq!(second.head().await.unwrap().status, 200);
    assert_eq!(second.at_least(1).await, b"h");

    body.open();
    assert_eq!(second.at_least(3).await, b"eld");
    all.open();
    assert_eq!(first.response().await.unwrap().text(), "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_die_and_revive_on_the_same_port() {
    let mut origin = Origin::saying("alive").await;
    let client = Client::new(origin.address());
    let mut kept = RawClient::connect(origin.address()).await;
    kept.send("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(kept.response().await.unwrap().status, 200);

    origin.kill().await;
    assert!(kept.is_closed().await);
    assert!(client.get("/").try_send().await.is_err());

    origin.revive().await;
    assert_eq!(client.get("/").send().await.text(), "alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_counts_what_is_lost_and_only_that() {
    let origin = Origin::saying("fine").await;
    let load = Load::start(origin.address(), "/", 4);
    load.wait_for_more(200).await;
    load.stop().await.assert_none_lost();

    // Announced closing loses nothing; a connection closed under a request does.
    let origin = Origin::start(|_| Answer::ok("bye").close()).await;
    let load = Load::start(origin.address(), "/", 4);
    load.wait_for_more(200).await;
    load.stop().await.assert_none_lost();

    let origin = Origin::start(|request| match request.connection {
        0 => Answer::nothing(),
        1 => Answer::status(500),
        _ => Answer::ok("fine"),
    })
    .await;
    let load = Load::start(origin.address(), "/", 2);
    load.wait_for_more(200).await;
    origin.script(|_| Answer::ok("fine"));
    let tally = load.stop().await;
    assert_eq!(tally.failed.get("closed before the answer"), Some(&1), "{tally:?}");
    assert!(tally.failed.contains_key("status 500"), "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_origin_and_client_exchange_trailers_over_plain_text_and_tls() {
    let script = |request: &crate::harness::h2_origin::H2Request| {
        assert_eq!(request.path, "/x");
        H2Answer::ok(&["a", "b"]).header("x", "y").trailer("t", "1")
    };
    let authority = Authority::new();
    let leaf = authority.leaf(&["origin.test"]);
    let plain = H2Origin::start(script).await;
    let secure = H2Origin::start_tls(leaf.server(None, &["h2"]), script).await;

    for client in [
        Client::new(plain.address()).http2(),
        Client::new(secure.address()).http2().tls(authority.client(None, &["h2"]), "origin.test"),
    ] {
        let answer = client.post("/x", "body").send().await;
        assert_eq!((answer.text(), answer.header("x")), ("ab", Some("y")));
        assert_eq!(answer.trailers["t"], "1");
    }
    assert_eq!(plain.requests()[0].body, "body");
    assert_eq!(secure.requests()[0].method, "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broken_http2_origin_takes_requests_and_breaks_the_answer() {
    let origin = BrokenH2Origin::start().await;
    let address = origin.to_string().parse().unwrap();
    assert!(Client::new(address).http2().post("/", "x").try_send().await.is_err());
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_is_trusted_only_by_those_who_know_it() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let origin =
        H2Origin::start_tls(ours.leaf(&["a.test"]).server(Some(&ours), &["h2"]), |_| H2Answer::ok(&["ok"]))
            .await;
    let client = Client::new(origin.address()).http2();
    let me = ours.leaf(&["me"]);
    let get = async |config, name| client.clone().tls(config, name).get("/").try_send().await.is_ok();

    assert!(get(ours.client(Some(&me), &["h2"]), "a.test").await);
    assert!(!get(ours.client(None, &["h2"]), "a.test").await, "a client without a certificate");
    assert!(!get(theirs.client(Some(&me), &["h2"]), "a.test").await, "an unknown authority");
    assert!(!get(ours.client(Some(&me), &["h2"]), "b.test").await, "another name");
}

#[test]
fn ports_are_handed_out_once() {
    let ports: Vec<Port> = (0..50).map(|_| Port::free()).collect();
    let mut addresses: Vec<_> = ports.iter().map(Port::address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 50);
}

#[test]
fn metrics_are_found_by_name_and_labels() {
    let metrics = Metrics::parse(
        "# HELP a b\n# TYPE a counter\na 1\nb{x=\"1\",y=\"q\\\"}, z\"} 2\nb{x=\"2\",y=\"\"} 3.5\nc{le=\"+Inf\"} 7\n",
    );
    assert_eq!(metrics.sum("a", &[]), 1.0);
    assert_eq!(metrics.sum("b", &[]), 5.5);
    assert_eq!(metrics.sum("b", &[("y", "q\"}, z")]), 2.0);
    assert!(metrics.has("c", &[("le", "+Inf")]) && !metrics.has("d", &[]));
    assert_eq!(metrics.names(), ["a", "b", "c"]);
}
