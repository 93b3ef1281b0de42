//! What is delivered beside the binary fits the binary, and each other: dashboards, rules, alerts
//! and their runbook; images, manifests and packages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod compose;
mod kubernetes;
mod kustomize;
mod package;
#[path = "../e2e/harness/ports.rs"]
#[allow(dead_code, reason = "not all that it offers is needed here")]
mod ports;
mod promql;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nilegate::telemetry::metrics::{FamilyName, Metrics};
use promql::Selector;
use serde_json::Value;

/// Labels that Prometheus adds.
const ADDED: &[&str] = &["job", "instance", "le"];
/// What Prometheus makes itself.
const MADE: &[&str] = &["up"];

/// A path from the top of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn deploy(path: &str) -> PathBuf {
    root("deploy").join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    yaml_at(&deploy(path))
}

fn yaml_at(path: &Path) -> Value {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(deploy(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|own| own == extension));
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

/// All rules of a file of groups.
fn rules(path: &str) -> Vec<Value> {
    items(&yaml(path)["groups"]).flat_map(|group| items(&group["rules"]).cloned()).collect()
}

/// Runs a checking tool; panics with its output when it finds something.
fn run(tool: &str, arguments: &[&str], file: &Path) {
    let output = Command::new(tool).args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{tool} (scripts/dev setup installs it): {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool} {arguments:?} {}\n{out}{err}", file.display());
}

/// What may be asked for: families of the binary, and what recording rules make of them.
struct Known {
    families: Vec<FamilyName>,
    recorded: BTreeSet<String>,
}

impl Known {
    fn new() -> Self {
        let metrics = Metrics::new("0", "0").unwrap();
        let recorded = rules("prometheus/recording.yml");
        Self {
            families: metrics.families().to_vec(),
            recorded: recorded.iter().map(|rule| word(rule, "record").to_owned()).collect(),
        }
    }

    /// What is wrong with a query.
    fn check(&self, query: &str) -> Vec<String> {
        let selectors = promql::selectors(query);
        if selectors.is_empty() {
            return vec![format!("asks for nothing: {query}")];
        }
        selectors.iter().filter_map(|selector| self.problem(selector)).collect()
    }

    fn problem(&self, Selector { name, labels }: &Selector) -> Option<String> {
        if self.recorded.contains(name) || MADE.contains(&name.as_str()) {
            return None;
        }
        let Some(family) = self.families.iter().find(|family| is_series_of(name, family)) else {
            return Some(format!("there is no {name}"));
        };
        let known = |label: &String| family.labels.contains(label) || ADDED.contains(&label.as_str());
        let strange = labels.iter().find(|label| !known(label))?;
        Some(format!("{name} has no label {strange}"))
    }
}

fn is_series_of(name: &str, family: &FamilyName) -> bool {
    if !family.histogram {
        return name == family.name;
    }
    let suffix = name.strip_prefix(&family.name);
    suffix.is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix))
}

#[test]
fn dashboards_ask_for_what_there_is() {
    let known = Known::new();
    let (mut uids, mut problems, mut queries) = (BTreeSet::new(), Vec::new(), 0);
    for path in files("grafana/dashboards", "json") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let board: Value = serde_json::from_str(&read(&path)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(word(&board, "uid"), format!("nilegate-{name}"), "links name the uid");
        assert!(uids.insert(word(&board, "uid").to_owned()));
        assert!(board.get("id").is_none(), "{name}: an id of one Grafana is none of another");
        let mut asked: Vec<&str> = items(&board["panels"])
            .flat_map(|panel| items(&panel["targets"]))
            .map(|target| word(target, "expr"))
            .collect();
        asked.extend(items(&board["annotations"]["list"]).map(|annotation| word(annotation, "expr")));
        queries += asked.len();
        let found = asked.into_iter().flat_map(|query| known.check(query));
        problems.extend(found.map(|problem| format!("{name}: {problem}")));
    }
    assert!(uids.len() == 9 && queries > 100, "{} dashboards, {queries} queries", uids.len());
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn rules_ask_for_what_there_is() {
    let known = Known::new();
    let all = [rules("prometheus/recording.yml"), rules("prometheus/alerts.yml")].concat();
    let problems: Vec<String> = all.iter().flat_map(|rule| known.check(word(rule, "expr"))).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_family_is_shown_or_watched() {
    let boards = files("grafana/dashboards", "json");
    let rules = ["alerts.yml", "recording.yml"].map(|file| deploy("prometheus").join(file));
    let text: String = boards.iter().chain(&rules).map(|path| read(path)).collect();
    let metrics = Metrics::new("0", "0").unwrap();
    let names = metrics.families().iter().map(|family| family.name.as_str());
    let unseen: Vec<&str> = names.filter(|name| !text.contains(name) && !UNSEEN.contains(name)).collect();
    assert!(unseen.is_empty(), "on no dashboard: {unseen:?}");
}

/// Families that are for looking things up, not for looking at.
const UNSEEN: &[&str] = &["process_virtual_memory_bytes"];

#[test]
fn every_alert_is_tried_both_ways_and_explained() {
    let tests: Vec<Value> = files("prometheus/tests", "yml")
        .iter()
        .flat_map(|path| {
            let document: Value = serde_yaml::from_str(&read(path)).unwrap();
            items(&document["tests"])
                .flat_map(|test| items(&test["alert_rule_test"]))
                .cloned()
                .collect::<Vec<_>>()
        })
        .collect();
    let runbook = read(&deploy("README.md"));
    let alerts = rules("prometheus/alerts.yml");
    assert!(alerts.len() >= 40, "{} alerts", alerts.len());
    for alert in &alerts {
        let name = word(alert, "alert");
        let expected = || {
            tests
                .iter()
                .filter(|test| test["alertname"] == name)
                .map(|test| items(&test["exp_alerts"]).count())
        };
        assert!(expected().any(|alerts| alerts > 0), "{name} is never seen firing");
        assert!(expected().any(|alerts| alerts == 0), "{name} is never seen quiet");
        let severity = word(&alert["labels"], "severity");
        assert!(["page", "ticket", "info"].contains(&severity), "{name}");
        assert_entry(&runbook, name, severity);
        assert!(!word(&alert["annotations"], "summary").is_empty(), "{name}");
        assert!(!word(&alert["annotations"], "description").is_empty(), "{name}");
    }
}

/// The runbook says of an alert what it means, what to look at and what to do.
fn assert_entry(runbook: &str, name: &str, severity: &str) {
    let start = format!("| `{name}` | {severity} |");
    let row = runbook.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("deploy/README.md has no row that begins with {start}"));
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    assert!(cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty()), "meaning, check, action: {row}");
}

#[test]
fn the_runbook_names_alerts_and_panels_that_exist() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for path in files("grafana/dashboards", "json") {
        let board: Value = serde_json::from_str(&read(&path)).unwrap();
        known.extend(items(&board["panels"]).map(|panel| word(panel, "title").to_owned()));
    }
    let alerts = rules("prometheus/alerts.yml");
    known.extend(alerts.iter().map(|alert| word(alert, "alert").to_owned()));
    let runbook = read(&deploy("README.md"));
    let rows = runbook.lines().filter(|line| line.starts_with("| `"));
    let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    // Panels and alerts are what begins with a capital letter; signals and settings of others are not.
    let named = named.filter(|code| code.starts_with(char::is_uppercase) && !ELSEWHERE.contains(code));
    let strange: Vec<&str> = named.filter(|code| !known.contains(*code)).collect();
    assert!(strange.is_empty(), "no panel and no alert: {strange:?}");
}

/// What the runbook names beside panels and alerts.
const ELSEWHERE: &[&str] = &["LimitNOFILE", "SIGINT"];

#[test]
fn promtool_accepts_the_configuration_and_its_rules() {
    run("promtool", &["check", "config"], &deploy("prometheus/prometheus.yml"));
}

#[test]
fn amtool_accepts_the_configuration() {
    run("amtool", &["check-config"], &deploy("alertmanager/alertmanager.yml"));
}

/// One test for each file, so that they run beside each other.
macro_rules! promtool_test {
    ($($name:ident: $file:literal,)+) => {
        $(#[test]
        fn $name() {
            run("promtool", &["test", "rules"], &deploy(concat!("prometheus/tests/", $file)));
        })+

        #[test]
        fn every_file_of_alert_tests_is_run() {
            let found = files("prometheus/tests", "yml");
            let found: Vec<&str> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
            let mut run = [$($file),+];
            run.sort_unstable();
            assert_eq!(found, run);
        }
    };
}

promtool_test! {
    alerts_on_abuse: "abuse.yml",
    alerts_on_availability: "availability.yml",
    alerts_on_the_cache: "cache.yml",
    alerts_on_saturation: "saturation.yml",
    alerts_on_objectives_within_hours: "slo.yml",
    alerts_on_the_error_budget_of_days: "slo-days-errors.yml",
    alerts_on_the_latency_budget_of_days: "slo-days-latency.yml",
    alerts_on_telemetry: "telemetry.yml",
    alerts_on_tls: "tls.yml",
    alerts_on_upstreams: "upstreams.yml",
}
