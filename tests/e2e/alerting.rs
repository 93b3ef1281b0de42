//! A real Alertmanager with the configuration that is delivered: who is told, and who is not.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Origin, ports::Port, wait_until};

/// A running Alertmanager. Dropping it ends the process.
struct Alertmanager {
    child: Child,
    port: Port,
    receiver: Origin,
    _directory: TempDir,
}

impl Alertmanager {
    /// Loads what is delivered, faster, with all receivers at one place.
    async fn start() -> Self {
        let (port, directory, receiver) =
            (Port::free(), tempfile::tempdir().unwrap(), Origin::saying("told").await);
        let delivered = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alertmanager/alertmanager.yml");
        let delivered = fs::read_to_string(delivered).unwrap();
        let faster = delivered
            .replace("127.0.0.1:9094", &receiver.to_string())
            .replace("group_wait: 30s", "group_wait: 500ms")
            .replace("group_interval: 5m", "group_interval: 1s");
        assert!(faster.contains("500ms") && faster.contains("1s") && faster.contains(&receiver.to_string()));
        let config = directory.path().join("alertmanager.yml");
        fs::write(&config, faster).unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().display()))
            .arg(format!("--web.listen-address={port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager: scripts/dev setup installs it");
        let alertmanager = Self { child, port, receiver, _directory: directory };
        wait_until("Alertmanager to be ready", async || {
            let answer = alertmanager.client().get("/-/ready").try_send().await;
            answer.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        alertmanager
    }

    fn client(&self) -> Client {
        Client::new(self.port.address())
    }

    /// Sends alerts as Prometheus does: name, severity, further labels.
    async fn fire(&self, alerts: &[(&str, &str, Value)]) {
        let alerts: Vec<Value> = alerts
            .iter()
            .map(|(name, severity, further)| {
                let mut labels = further.clone();
                labels["alertname"] = json!(name);
                labels["severity"] = json!(severity);
                labels["job"] = json!("nilegate");
                labels["instance"] = json!("a:9900");
                json!({ "labels": labels, "annotations": { "summary": name } })
            })
            .collect();
        let client = self.client();
        let request = client.post("/api/v2/alerts", json!(alerts).to_string());
        let answer = request.header("Content-Type", "application/json").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Names and upstreams of the alerts that are held back by others.
    async fn inhibited(&self) -> Vec<String> {
        let all = self.client().get("/api/v2/alerts").send().await.json();
        let held = all
            .as_array()
            .unwrap()
            .iter()
            .filter(|alert| alert["status"]["inhibitedBy"].as_array().is_some_and(|by| !by.is_empty()));
        let mut names: Vec<String> = held.map(|alert| named(&alert["labels"])).collect();
        names.sort_unstable();
        names
    }

    /// What a receiver has been told so far.
    fn told(&self, receiver: &str) -> Vec<String> {
        let requests = self.receiver.requests().into_iter().filter(|request| request.target == receiver);
        let mut names: Vec<String> = requests
            .flat_map(|request| {
                let message: Value = serde_json::from_slice(&request.body).unwrap();
                message["alerts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|alert| named(&alert["labels"]))
                    .collect::<Vec<_>>()
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn named(labels: &Value) -> String {
    let further = labels["upstream"].as_str().or(labels["route"].as_str());
    [labels["alertname"].as_str(), further].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_about_an_upstream_says_what_its_tickets_would() {
    let alertmanager = Alertmanager::start().await;
    let upstream = |name: &str| json!({ "upstream": name });
    alertmanager
        .fire(&[
            ("NoHealthyEndpoints", "page", upstream("one")),
            ("EndpointDown", "ticket", upstream("one")),
            ("CircuitOpen", "ticket", upstream("one")),
            ("EndpointDown", "ticket", upstream("two")),
            ("ErrorBudgetBurnsSlowly", "ticket", json!({ "route": "patients" })),
            ("CacheNearCapacity", "info", json!({})),
        ])
        .await;
    let held = ["CircuitOpen one", "EndpointDown one", "ErrorBudgetBurnsSlowly patients"];
    wait_until("the inhibitions", async || alertmanager.inhibited().await == held).await;
    wait_until("the page", async || alertmanager.told("/page") == ["NoHealthyEndpoints one"]).await;
    wait_until("the ticket", async || alertmanager.told("/ticket") == ["EndpointDown two"]).await;
    // By now all groups have been sent that will be: those that are held back, and infos, to nobody.
    let told = alertmanager.receiver.requests();
    assert!(told.iter().all(|request| ["/page", "/ticket"].contains(&request.target.as_str())));
    assert_eq!(alertmanager.told("/ticket"), ["EndpointDown two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_down_explains_everything_else_about_it() {
    let alertmanager = Alertmanager::start().await;
    alertmanager
        .fire(&[
            ("ProxyDown", "page", json!({})),
            ("NoTraffic", "page", json!({})),
            ("ErrorBudgetBurnsFast", "page", json!({ "route": "patients" })),
            ("FdNearLimit", "ticket", json!({})),
            ("RestartLoop", "page", json!({})),
            ("CertExpiresNow", "page", json!({ "cert": "a.pem" })),
        ])
        .await;
    let held = ["ErrorBudgetBurnsFast patients", "FdNearLimit", "NoTraffic"];
    wait_until("the inhibitions", async || alertmanager.inhibited().await == held).await;
    let pages = ["CertExpiresNow", "ProxyDown", "RestartLoop"];
    wait_until("the pages", async || alertmanager.told("/page") == pages).await;
    assert!(alertmanager.told("/ticket").is_empty());
}
