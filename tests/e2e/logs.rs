//! What the process writes down, and how that is changed while it runs.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::harness::{Client, Gateway, Origin, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_is_changed_while_it_runs() {
    let gateway = Gateway::new().traffic("routes: [{ name: all, respond: { body: ok } }]").start().await;
    let admin = Client::new(gateway.admin_address());
    let log = async |method: &str, filter: &str| {
        let method = method.parse().unwrap();
        admin.request(method, "/log").body(filter.to_owned()).send().await
    };
    let level = async || admin.get("/log").send().await.json()["level"].as_str().unwrap().to_owned();
    let configured = level().await;

    assert_eq!(log("PUT", "warn,nilegate::runtime=debug\n").await.status, 200);
    assert_eq!(level().await, "warn,nilegate::runtime=debug");

    let refused = log("PUT", "loud").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("log_filter")));
    assert!(refused.text().contains("`loud` is not a level"), "{}", refused.text());
    assert_eq!(level().await, "warn,nilegate::runtime=debug", "a mistake changes nothing");

    assert_eq!(log("PUT", "error").await.status, 200);
    let before = gateway.stderr().len();
    assert_eq!(Client::new(gateway.admin_address()).post("/reload", "").send().await.status, 200);
    assert!(!gateway.stderr()[before..].contains("configuration unchanged"), "it is held back");

    assert_eq!(log("DELETE", "").await.status, 200);
    assert_eq!(level().await, configured);
    assert_eq!(Client::new(gateway.admin_address()).post("/reload", "").send().await.status, 200);
    assert!(gateway.stderr()[before..].contains("configuration unchanged"), "{}", gateway.stderr());
    assert_eq!(log("PATCH", "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn sampling_leaves_out_what_went_well_and_keeps_errors() {
    let origin = Origin::saying("hello").await;
    let gateway = Gateway::before(&origin)
        .process("telemetry", "{ log: { format: text }, access_log: { format: json, sample: 0 } }")
        .routes("- { name: a, match: { path: /a }, upstream: origin }")
        .start()
        .await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/a").await.status, 200);
    }
    assert_eq!(gateway.get("/nowhere").await.status, 404);
    gateway.wait_for_log("the request that failed", |line| line["error"] == "no_route").await;
    assert_eq!(gateway.access_log().len(), 1);
    gateway.wait_metric("proxy_access_log_skipped_total", &[], 5.0).await;
    gateway.wait_metric("proxy_access_log_lines_total", &[], 1.0).await;
}

/// `auto` is what the formats are unless the file says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn programs_get_json_and_a_terminal_gets_lines_for_readers() {
    let origin = Origin::saying("hello").await;
    let mut gateway = Gateway::before(&origin)
        .process("telemetry", "{}")
        .process("shutdown", r#"{ pid_file: "@dir@/pid", upgrade_socket: "@dir@/upgrade.sock" }"#)
        .start()
        .await;
    assert_eq!(gateway.get("/a").await.status, 200);
    gateway.sigterm();
    assert!(gateway.wait_exit().await.success());
    assert_eq!(gateway.access_log()[0]["status"], 200, "a file gets JSON");
    let stderr = gateway.stderr();
    assert!(stderr.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{stderr}");

    let (directory, screen) = (gateway.directory().to_owned(), gateway.directory().join("screen"));
    let command =
        format!("{} run -c {}", env!("CARGO_BIN_EXE_nilegate"), directory.join("nilegate.yaml").display());
    let mut terminal = Command::new("script")
        .args(["-qfec", &command])
        .arg(&screen)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("script, of Debian's bsdutils");
    wait_until("the gateway on the terminal", async || gateway.admin_status("/readyz").await == Some(200))
        .await;
    assert_eq!(gateway.get("/a").await.status, 200);
    let shown = || fs::read_to_string(&screen).unwrap_or_default();
    wait_until("the request on the screen", async || shown().contains("Z 200 GET ")).await;
    assert!(shown().contains("nilegate starts") && !shown().contains("{\""), "{}", shown());
    let pid = fs::read_to_string(directory.join("pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    assert!(terminal.wait().unwrap().success());
}
