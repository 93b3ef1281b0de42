//! Load over loopback: what a request costs through nilegate, through a bare
//! Pingora proxy, and straight to the origin. See `benches/README.md`.
//!
//! The origin and the load generator share one thread of this process; each
//! proxy is a process of its own with one worker thread. Rounds are interleaved
//! (direct, bare, nilegate, direct, …) so that a machine that changes its mood
//! changes it for all; what is reported is the median.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench reports to the terminal")]

mod client;
mod options;
mod origin;
mod process;
mod report;
mod scenarios;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    options::{Options, Scenario},
    origin::Origin,
    process::Launcher,
    report::Report,
};

/// Any failure of the bench itself: it ends the run with this message.
type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(report) if options.assert && !report.passes() => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Report, Error> {
    process::raise_file_limit(8192)?;
    if options.pin {
        process::pin_self_to_cpu(1)?;
    }
    let launcher = Launcher::new(options)?;
    // One thread carries origin and load: with a proxy between them it is never the narrow point.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let origin = Origin::start().await?;
        let mut report = Report::default();
        for scenario in &options.scenarios {
            eprintln!("{scenario} …");
            match scenario {
                Scenario::Pass1k => {
                    scenarios::pass(&mut report, &launcher, &origin, options, "pass1k").await?
                }
                Scenario::Pass100k => {
                    scenarios::pass(&mut report, &launcher, &origin, options, "pass100k").await?;
                }
                Scenario::Hit1k => scenarios::pass(&mut report, &launcher, &origin, options, "hit1k").await?,
                Scenario::Idle2000 => scenarios::idle(&mut report, &launcher, &origin, options).await?,
                Scenario::Stream512m => scenarios::stream(&mut report, &launcher, &origin, options).await?,
            }
        }
        Ok::<_, Error>(report)
    })?;
    report.print();
    report.write(&options.json)?;
    Ok(report)
}
