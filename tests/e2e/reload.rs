//! A changed configuration takes effect whole or not at all, and loses no request.

use crate::harness::{Answer, Gate, Gateway, Load, Origin, RawClient, wait_until};

fn saying(text: &str) -> String {
    format!("routes: [{{ name: all, respond: {{ body: {text} }} }}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn post_reload_swaps_and_says_what_changed() {
    let mut gateway = Gateway::new()
        .traffic("routes: [{ name: kept, match: { path: /kept }, respond: { body: kept } }, { name: old, match: { path: /old }, respond: { body: old } }]")
        .start()
        .await;
    let unchanged = gateway.reload().await;
    assert_eq!((unchanged.status, &unchanged.json()["result"]), (200, &"unchanged".into()));

    gateway.write_traffic("routes: [{ name: kept, match: { path: /kept }, respond: { body: kept } }, { name: new, match: { path: /new }, respond: { body: new } }]");
    assert_eq!(gateway.get("/new").await.status, 404, "nothing changes before the reload");
    let applied = gateway.reload().await;

    assert_eq!((applied.status, &applied.json()["result"]), (200, &"applied".into()));
    let changes = applied.json()["changes"].clone();
    assert_eq!(changes["added"], serde_json::json!(["route new"]));
    assert_eq!(changes["removed"], serde_json::json!(["route old"]));
    assert_eq!(gateway.get("/new").await.text(), "new");
    assert_eq!(gateway.get("/old").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads() {
    let mut gateway = Gateway::new().traffic(&saying("one")).start().await;
    gateway.write_traffic(&saying("two"));
    gateway.sighup();
    wait_until("the second answer", async || gateway.get("/").await.text() == "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_is_reloaded_when_it_changes() {
    let mut gateway = Gateway::new()
        .process("reload", "{ watch: true, interval: 20ms }")
        .traffic(&saying("one"))
        .start()
        .await;
    gateway.write_traffic(&saying("two"));
    wait_until("the second answer", async || gateway.get("/").await.text() == "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_with_all_its_faults_and_the_old_one_serves_on() {
    let mut gateway = Gateway::new().traffic(&saying("good")).start().await;
    gateway.write_traffic(
        "routes: [{ name: a, upstream: nowhere }, { name: b, timeouts: { total: 5 }, respond: {} }]",
    );
    let refused = gateway.reload().await;

    assert_eq!((refused.status, &refused.json()["result"]), (422, &"refused".into()));
    let findings = refused.json()["findings"].to_string();
    for fault in ["nowhere", "5s"] {
        assert!(findings.contains(fault), "{fault} is not among {findings}");
    }
    assert_eq!(gateway.get("/").await.text(), "good");
    gateway.wait_metric("proxy_config_reloads_total", &[("result", "failure")], 1.0).await;

    // By SIGHUP there is nobody to answer: the log says why.
    gateway.write_file("process: [");
    gateway.sighup();
    gateway.wait_metric("proxy_config_reloads_total", &[("result", "failure")], 2.0).await;
    gateway.wait_for_stderr("nilegate.yaml").await;
    assert_eq!(gateway.get("/").await.text(), "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_process_section_waits_for_a_restart() {
    let mut gateway = Gateway::new().traffic(&saying("one")).start().await;
    gateway.write_process("threads", "3");
    gateway.write_traffic(&saying("two"));
    let answer = gateway.reload().await;

    assert_eq!((answer.status, &answer.json()["result"]), (409, &"needs_restart".into()));
    assert!(answer.json()["keys"].to_string().contains("threads"), "{answer:?}");
    assert_eq!(gateway.get("/").await.text(), "one", "what runs always equals one file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_keeps_the_configuration_it_began_with() {
    let gate = Gate::closed();
    let hold = gate.clone();
    let origin = Origin::start(move |_| Answer::ok("from the old origin").hold(&hold)).await;
    let mut gateway = Gateway::before(&origin)
        .routes("- { name: all, upstream: origin, headers: { response: { set: { X-Config: old } } } }")
        .start()
        .await;
    let mut client = RawClient::connect(gateway.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.wait_begun(1).await;

    gateway.write_traffic(&saying("new"));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(gateway.get("/").await.text(), "new");
    gate.open();
    let answer = client.response().await.unwrap();
    assert_eq!((answer.text(), answer.header("x-config")), ("from the old origin", Some("old")));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_cost_no_request() {
    let origins = [Origin::saying("ok").await, Origin::saying("ok").await];
    let traffic = |index: usize| {
        format!(
            "upstreams: {{ origin: {{ backends: [\"{}\"] }} }}\nroutes: [{{ name: r{index}, upstream: origin }}]",
            origins[index % 2]
        )
    };
    let mut gateway = Gateway::new().traffic(&traffic(0)).start().await;
    let load = Load::start(gateway.address(), "/", 8);
    for index in 1..=20 {
        gateway.write_traffic(&traffic(index));
        let answer = gateway.reload().await;
        assert_eq!((answer.status, &answer.json()["result"]), (200, &"applied".into()));
        load.wait_for_more(50).await;
    }
    load.stop().await.assert_none_lost();
    assert!(origins.iter().all(|origin| !origin.requests().is_empty()));
    assert_eq!(gateway.metrics().await.sum("proxy_config_reloads_total", &[("result", "success")]), 20.0);
}
