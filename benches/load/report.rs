//! Medians, goals, the table and the JSON file.

use std::{fs, path::Path, time::Duration};

use serde_json::json;

use crate::{Error, client::Outcome, options::Target};

/// Most CPU per request of nilegate, as a multiple of the bare proxy's, on small answers.
const CPU_RATIO_GOAL: f64 = 1.15;

/// One round of one target.
pub struct Sample {
    /// What the load generator saw.
    pub outcome: Outcome,
    /// CPU time the proxy used, all threads.
    pub cpu: Option<Duration>,
    /// Its resident memory afterwards, in bytes.
    pub rss: Option<u64>,
}

/// Memory of one target before and during something, in bytes.
pub struct Memory {
    /// What was done.
    pub scenario: &'static str,
    /// By whom.
    pub target: Target,
    /// Resident before.
    pub before: u64,
    /// Resident at the highest.
    pub after: u64,
    /// Most growth allowed, in megabytes (10^6 bytes).
    pub goal_mb: u32,
}

impl Memory {
    fn growth_mb(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / 1e6
    }
}

/// All that was measured.
#[derive(Default)]
pub struct Report {
    passes: Vec<(&'static str, Target, Vec<Sample>)>,
    memories: Vec<Memory>,
}

/// The medians of one target in one scenario.
struct Line {
    scenario: &'static str,
    target: Target,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: Option<f64>,
    rss_mb: Option<f64>,
    failed: u64,
}

impl Report {
    /// Adds a round.
    pub fn pass(&mut self, scenario: &'static str, target: Target, sample: Sample) {
        match self.passes.iter_mut().find(|(s, t, _)| *s == scenario && *t == target) {
            Some((_, _, samples)) => samples.push(sample),
            None => self.passes.push((scenario, target, vec![sample])),
        }
    }

    /// Adds a figure of memory.
    pub fn memory(&mut self, memory: Memory) {
        self.memories.push(memory);
    }

    /// Whether every goal that was measured is met and no request failed.
    pub fn passes(&self) -> bool {
        self.cpu_ratio("pass1k").is_none_or(|ratio| ratio <= CPU_RATIO_GOAL)
            && self.lines().iter().all(|line| line.failed == 0)
            && self
                .memories
                .iter()
                .all(|m| m.target != Target::Nilegate || m.growth_mb() < f64::from(m.goal_mb))
    }

    fn lines(&self) -> Vec<Line> {
        let line = |(scenario, target, samples): &(&'static str, Target, Vec<Sample>)| Line {
            scenario,
            target: *target,
            per_second: median(samples.iter().map(|s| s.outcome.per_second())),
            p50_ms: median(samples.iter().map(|s| s.outcome.percentile_ms(0.50))),
            p99_ms: median(samples.iter().map(|s| s.outcome.percentile_ms(0.99))),
            cpu_us: optional_median(
                samples.iter().map(|s| Some(s.cpu?.as_secs_f64() * 1e6 / s.outcome.ok.max(1) as f64)),
            ),
            rss_mb: optional_median(samples.iter().map(|s| Some(s.rss? as f64 / 1e6))),
            failed: samples.iter().map(|s| s.outcome.failed).sum(),
        };
        self.passes.iter().map(line).collect()
    }

    /// CPU per request of nilegate over that of the bare proxy.
    fn cpu_ratio(&self, scenario: &str) -> Option<f64> {
        let lines = self.lines();
        let cpu = |target| lines.iter().find(|l| l.scenario == scenario && l.target == target)?.cpu_us;
        Some(cpu(Target::Nilegate)? / cpu(Target::Bare)?)
    }

    /// CPU per request with tracing over that without, where both were measured.
    fn traced(&self) -> Vec<(Target, &'static str, f64)> {
        let lines = self.lines();
        let without =
            |scenario| lines.iter().find(|l| l.scenario == scenario && l.target == Target::Nilegate)?.cpu_us;
        let traced = lines.iter().filter(|l| matches!(l.target, Target::Traced1 | Target::Traced100));
        traced.filter_map(|l| Some((l.target, l.scenario, l.cpu_us? / without(l.scenario)?))).collect()
    }

    /// Prints the table.
    pub fn print(&self) {
        if !self.passes.is_empty() {
            println!(
                "{:<13}{:<10}{:>12}{:>10}{:>10}{:>14}{:>9}{:>8}",
                "scenario", "target", "requests/s", "p50 ms", "p99 ms", "cpu us/req", "rss MB", "failed"
            );
        }
        for line in self.lines() {
            println!(
                "{:<13}{:<10}{:>12.0}{:>10.2}{:>10.2}{:>14}{:>9}{:>8}",
                line.scenario,
                line.target.to_string(),
                line.per_second,
                line.p50_ms,
                line.p99_ms,
                line.cpu_us.map_or("-".to_owned(), |us| format!("{us:.2}")),
                line.rss_mb.map_or("-".to_owned(), |mb| format!("{mb:.1}")),
                line.failed,
            );
        }
        for (target, scenario, ratio) in self.traced() {
            println!("{scenario}: {target} / nilegate CPU {ratio:.2}x");
        }
        for scenario in ["pass1k", "pass100k"] {
            if let Some(ratio) = self.cpu_ratio(scenario) {
                // Only small answers have a goal: there the proxy's own work dominates.
                let verdict =
                    if scenario == "pass1k" { verdict(ratio <= CPU_RATIO_GOAL) } else { "for the record" };
                println!("{scenario}: nilegate / bare CPU {ratio:.2}x, goal {CPU_RATIO_GOAL}x: {verdict}");
            }
        }
        for memory in &self.memories {
            println!(
                "{:<13}{:<10}{:>8.1} MB → {:>6.1} MB  growth {:>6.1} MB, goal {} MB: {}",
                memory.scenario,
                memory.target.to_string(),
                memory.before as f64 / 1e6,
                memory.after as f64 / 1e6,
                memory.growth_mb(),
                memory.goal_mb,
                verdict(memory.growth_mb() < f64::from(memory.goal_mb)),
            );
        }
    }

    /// Writes the figures as JSON.
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let passes: Vec<_> = self
            .lines()
            .iter()
            .map(|line| {
                json!({
                    "scenario": line.scenario,
                    "target": line.target.to_string(),
                    "requests_per_second": line.per_second,
                    "p50_ms": line.p50_ms,
                    "p99_ms": line.p99_ms,
                    "cpu_us_per_request": line.cpu_us,
                    "rss_mb": line.rss_mb,
                    "failed": line.failed,
                })
            })
            .collect();
        let memory: Vec<_> = self
            .memories
            .iter()
            .map(|m| {
                json!({
                    "scenario": m.scenario,
                    "target": m.target.to_string(),
                    "before_bytes": m.before,
                    "after_bytes": m.after,
                    "growth_mb": m.growth_mb(),
                    "goal_mb": m.goal_mb,
                })
            })
            .collect();
        let document = json!({
            "cpu_ratio_pass1k": self.cpu_ratio("pass1k"),
            "cpu_ratio_pass100k": self.cpu_ratio("pass100k"),
            "passes": self.passes(),
            "load": passes,
            "memory": memory,
        });
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(file, serde_json::to_string_pretty(&document)? + "\n")?;
        Ok(())
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "pass" } else { "FAIL" }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

fn optional_median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Option<Vec<f64>> = values.collect();
    Some(median(values?.into_iter())).filter(|value| *value > 0.0)
}
