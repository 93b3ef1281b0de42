//! Dashboards and rules before a real Prometheus that scrapes a gateway to which everything
//! happens that they are about.

mod panels;
mod prometheus;
mod stage;
mod traffic;

use std::{collections::BTreeSet, env, process::Command, time::Instant};

use self::{panels::deploy, prometheus::Prometheus, stage::Stage};
use crate::{harness::Gateway, metrics::promtool_accepts};

/// Rounds of traffic before the panels are looked at: enough for rates.
const ROUNDS: usize = 8;
/// Rounds until everything must have been seen.
const MOST_ROUNDS: usize = 24;
/// What the traffic cannot make happen to a healthy process within half a minute.
const UNFED: &[&str] = &[
    // Nothing is lost, full or about to end.
    "proxy_access_log_dropped_total",
    "proxy_draining",
    "proxy_label_overflow_total",
    // Gauges that are seldom above zero at the moment of a scrape.
    "cache_breaker_state",
    "cache_write_queue_bytes",
    "cache_write_queue_entries",
    "proxy_access_log_queue_length",
    "proxy_http2_streams",
    "proxy_runtime_queue_depth",
    "proxy_span_queue_length",
    "proxy_upstream_queue_length",
    "rate_limit_breaker_state",
    // Only what somebody else wrote into Redis.
    "cache_corrupted_values_total",
    "rate_limit_backend_connect_errors_total",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_something_and_every_family_is_fed() {
    let mut stage = Stage::set().await;
    let gateway = stage.gateway().await;
    let prometheus = Prometheus::scraping(gateway.admin_address()).await;
    let mut fed = BTreeSet::new();
    let mut empty = Vec::new();
    for round in 1..=MOST_ROUNDS {
        let begun = Instant::now();
        {
            // Gauges have to be looked at while something goes on.
            let traffic = traffic::round(&mut stage, &gateway, round);
            tokio::pin!(traffic);
            loop {
                tokio::select! {
                    () = &mut traffic => break,
                    () = note_fed(&gateway, &mut fed) => {}
                }
            }
        }
        note_fed(&gateway, &mut fed).await;
        prometheus.wait_scrape_after(begun).await;
        if round >= ROUNDS {
            empty = panels::empty(&prometheus).await;
            let unfed = unfed(&gateway, &fed).await;
            eprintln!(
                "round {round}: {} panels without data, families that nothing feeds: {unfed:?}",
                empty.len()
            );
            if empty.is_empty() && unfed.is_empty() {
                break;
            }
        }
    }
    assert!(empty.is_empty(), "panels without data: {empty:#?}");
    let unfed = unfed(&gateway, &fed).await;
    assert!(unfed.is_empty(), "families that nothing feeds: {unfed:#?}");
    assert!(fed.len() >= 90, "{} families are fed", fed.len());
    let wrong = prometheus.rules_without_data().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    promtool_accepts(gateway.admin("/metrics").await.text());
    ask_another_judge(prometheus.url());
}

/// A program of whoever runs the tests, if there is one: it is given the dashboards and Prometheus.
#[expect(clippy::disallowed_methods, reason = "said to the tests, not to the gateway")]
fn ask_another_judge(prometheus: String) {
    if let Ok(judge) = env::var("NILEGATE_DASHBOARD_JUDGE") {
        let status = Command::new(&judge).arg(deploy("grafana/dashboards")).arg(prometheus).status();
        assert!(status.unwrap().success(), "{judge} finds fault");
    }
}

/// Adds the families of which a sample is above zero now.
async fn note_fed(gateway: &Gateway, fed: &mut BTreeSet<String>) {
    let metrics = gateway.metrics().await;
    for name in metrics.names() {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        // `…_count` alone: the sum of a histogram of times may round to nothing.
        if metrics.sum(name, &[]) > 0.0 && !name.ends_with("_sum") {
            fed.insert(family.unwrap_or(name).to_owned());
        }
    }
}

/// The families of the scrape that nothing has fed.
async fn unfed(gateway: &Gateway, fed: &BTreeSet<String>) -> Vec<String> {
    let scrape = gateway.admin("/metrics").await;
    let names = scrape.text().lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let expected = names.filter(|name| !UNFED.contains(name) && !name.starts_with("graphql_"));
    expected.filter(|name| !fed.contains(*name)).map(str::to_owned).collect()
}
