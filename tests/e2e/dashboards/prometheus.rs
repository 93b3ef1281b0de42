//! A real Prometheus with the configuration and the rules that are delivered.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Instant,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use super::panels::deploy;
use crate::harness::{Client, ports::Port, wait_until};

/// A running server. Dropping it ends the process.
pub struct Prometheus {
    child: Child,
    port: Port,
    _directory: TempDir,
}

impl Prometheus {
    /// Loads what is delivered, faster, and scrapes this address.
    pub async fn scraping(target: SocketAddr) -> Self {
        let (port, directory) = (Port::free(), tempfile::tempdir().unwrap());
        for file in ["recording.yml", "alerts.yml"] {
            fs::copy(deploy("prometheus").join(file), directory.path().join(file)).unwrap();
        }
        let delivered = fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
        let faster = delivered.replace("15s", "1s").replace("127.0.0.1:9900", &target.to_string());
        assert!(faster != delivered && faster.contains(&target.to_string()));
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, faster).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={port}"))
            .arg("--enable-feature=exemplar-storage")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus: scripts/dev setup installs it");
        let prometheus = Self { child, port, _directory: directory };
        wait_until("Prometheus to be ready", async || {
            let answer = prometheus.client().get("/-/ready").try_send().await;
            answer.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        prometheus
    }

    fn client(&self) -> Client {
        Client::new(self.port.address())
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.port)
    }

    /// The answer to a call of its API.
    pub async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let answer = self.client().get(&format!("/api/v1/{path}?{}", query.join("&"))).send().await;
        assert_eq!(answer.status, 200, "{path} {parameters:?}: {}", answer.text());
        answer.json()["data"].clone()
    }

    /// Waits for a scrape that has begun after this moment.
    pub async fn wait_scrape_after(&self, moment: Instant) {
        wait_until("a scrape", async || {
            let targets = self.api("targets", &[]).await;
            let target = &targets["activeTargets"][0];
            let Some(last) = target["lastScrape"].as_str() else { return false };
            let Ok(last) = humantime::parse_rfc3339_weak(&last.replace('T', " ")[..19]) else { return false };
            // Cut to whole seconds: it was that late, or later.
            target["health"] == "up" && last.elapsed().is_ok_and(|since| since <= moment.elapsed())
        })
        .await;
    }

    /// Rules that Prometheus could not evaluate.
    pub async fn rules_without_data(&self) -> Vec<String> {
        let all = self.api("rules", &[]).await;
        let groups = all["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let (mut count, mut wrong) = (0, Vec::new());
        for rule in rules {
            count += 1;
            if rule["health"] != "ok" {
                wrong.push(format!("{}: {}", rule["name"], rule["lastError"]));
            }
        }
        assert!(count > 50, "{count} rules are loaded");
        wrong
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
