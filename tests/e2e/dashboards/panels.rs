//! What a panel would show.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::prometheus::Prometheus;

/// Dashboards of parts that this traffic does not reach.
const PLANNED: &[&str] = &["graphql"];
/// What Grafana fills in. Those with several values match everything.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "10s"),
    ("$__interval", "5s"),
    ("$__range", "60s"),
    ("$job", ".*"),
    ("$instance", ".*"),
    ("$route", ".*"),
    ("$upstream", ".*"),
];
/// Seconds that a panel shows.
const RANGE: u64 = 60;

/// A file or folder of what is delivered.
pub fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// The panels that would show nothing.
pub async fn empty(prometheus: &Prometheus) -> Vec<String> {
    let (mut empty, mut count) = (Vec::new(), 0);
    for file in fs::read_dir(deploy("grafana/dashboards")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if PLANNED.contains(&name.as_str()) {
            continue;
        }
        let board: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                count += 1;
                let query = target["expr"].as_str().unwrap();
                if !has_data(prometheus, query).await {
                    empty.push(format!("{name}: {}: {query}", panel["title"]));
                }
            }
        }
    }
    assert!(count > 130, "{count} queries");
    empty
}

/// Whether there is a number that is one.
async fn has_data(prometheus: &Prometheus, query: &str) -> bool {
    let filled = VARIABLES.iter().fold(query.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!filled.contains('$'), "an unknown variable: {filled}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (start, end) = ((now - RANGE).to_string(), now.to_string());
    let parameters = [("query", filled.as_str()), ("start", &start), ("end", &end), ("step", "5")];
    let data = prometheus.api("query_range", &parameters).await;
    let series = data["result"].as_array().unwrap();
    let mut values = series.iter().flat_map(|series| series["values"].as_array().unwrap());
    values.any(|value| value[1].as_str().is_some_and(|text| text != "NaN"))
}
