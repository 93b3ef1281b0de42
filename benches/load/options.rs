//! The command line of the bench.

use std::{fmt, path::PathBuf};

use clap::{Parser, ValueEnum};

/// Measures nilegate under load over loopback.
#[derive(Parser)]
pub struct Options {
    /// Seconds of load in one round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Rounds; the median of them is reported.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rounds: u32,
    /// Kept-alive connections that carry the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// What is measured.
    #[arg(long, value_delimiter = ',', default_values_t = Scenario::ALL)]
    pub scenarios: Vec<Scenario>,
    /// What it is measured on.
    #[arg(long, value_delimiter = ',', default_values_t = Target::ALL)]
    pub targets: Vec<Target>,
    /// A collector that takes OTLP over gRPC, for the targets that are traced.
    #[arg(long, default_value = "http://127.0.0.1:4317")]
    pub collector: String,
    /// Where the figures go as JSON.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench/load.json"))]
    pub json: PathBuf,
    /// Keeps each proxy on CPU 0 and everything else on CPU 1. Needs `taskset`.
    #[arg(long)]
    pub pin: bool,
    /// Fails when a figure misses its goal.
    #[arg(long)]
    pub assert: bool,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Options {
    /// The targets that are processes of their own.
    pub fn proxies(&self) -> impl Iterator<Item = Target> {
        self.targets.iter().copied().filter(|target| *target != Target::Direct)
    }
}

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Answers of 1 KB, kept-alive connections.
    Pass1k,
    /// Answers of 100 KB, kept-alive connections.
    Pass100k,
    /// Answers of 1 KB from the memory of those that have a cache.
    Hit1k,
    /// Memory of 2,000 idle connections.
    Idle2000,
    /// Memory while 512 MB go up and 512 MB come down.
    Stream512m,
}

impl Scenario {
    /// What is measured unless told otherwise.
    const ALL: [Self; 4] = [Self::Pass1k, Self::Pass100k, Self::Idle2000, Self::Stream512m];
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass1k => "pass1k",
            Self::Pass100k => "pass100k",
            Self::Hit1k => "hit1k",
            Self::Idle2000 => "idle2000",
            Self::Stream512m => "stream512m",
        })
    }
}

/// Who answers the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The origin itself.
    Direct,
    /// A bare Pingora proxy in front of it.
    Bare,
    /// nilegate in front of it.
    Nilegate,
    /// The same with tracing, one request in a hundred sampled.
    Traced1,
    /// The same with tracing, every request sampled.
    Traced100,
}

impl Target {
    /// What it is measured on unless told otherwise.
    const ALL: [Self; 3] = [Self::Direct, Self::Bare, Self::Nilegate];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Bare => "bare",
            Self::Nilegate => "nilegate",
            Self::Traced1 => "traced1",
            Self::Traced100 => "traced100",
        })
    }
}
