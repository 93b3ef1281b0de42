//! The command line: what was asked for, and the exit code of the answer.

mod admin;
mod args;
mod demo;
mod generate;
mod inspect;
mod output;

use std::process::ExitCode;

use clap::Parser;

pub use args::Args;
use args::{Command, Format, RunArgs};

use crate::{config::finding::ConfigError, server, telemetry::log};

/// Exit code for a configuration that is wrong (sysexits `EX_USAGE`).
pub const EXIT_CONFIG: u8 = 64;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match args.command() {
        Command::Run(run) => self::run(&run),
        Command::Check(check) => inspect::check(&check),
        Command::Schema => inspect::schema(),
        Command::Explain(explain) => inspect::explain(&explain),
        Command::Demo(demo) => demo::run(&demo),
        Command::Healthcheck(check) => admin::healthcheck(&check),
        Command::Purge(purge) => admin::purge(&purge),
        Command::Stats(stats) => admin::stats(&stats),
        Command::Versions(versions) => admin::versions(&versions),
        Command::Generate(what) => generate::generate(&what),
    }
}

fn run(args: &RunArgs) -> ExitCode {
    let compiled = match server::load(&args.config) {
        Ok(compiled) => compiled,
        Err(error) => return refused(&error, Format::Text),
    };
    let options = server::Options { path: args.config.clone(), upgrade: args.upgrade, beside: Vec::new() };
    serve(compiled, options)
}

fn serve(compiled: server::Compiled, options: server::Options) -> ExitCode {
    let lines = compiled.metrics().process().log_lines();
    let log = match log::init(&compiled.loaded.config.process.telemetry.log, lines) {
        Ok(log) => log,
        Err(error) => {
            output::complain(format_args!("nilegate: the log cannot be set up: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match server::run(compiled, options, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refused(&error, Format::Text),
    }
}

/// Prints what is wrong with a configuration.
fn refused(error: &ConfigError, format: Format) -> ExitCode {
    match format {
        Format::Text => output::complain(error),
        Format::Json => output::line(format_args!("{:#}", error.to_json())),
    }
    ExitCode::from(EXIT_CONFIG)
}
