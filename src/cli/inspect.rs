//! Commands that look at a configuration without running it.

use std::{process::ExitCode, time::SystemTime};

use super::{
    args::{CheckArgs, ExplainArgs, Format},
    refused,
};
use crate::{
    config::{Config, print, schema},
    explain::{self, Question},
    headers::{EXPLAIN, ExplainKey},
    server,
};

/// `check`: every problem a run would meet, and nothing opened.
pub fn check(args: &CheckArgs) -> ExitCode {
    let loaded = match server::load(&args.config) {
        Ok(compiled) => compiled.loaded,
        Err(error) => return refused(&error, args.format),
    };
    if args.print {
        match args.format {
            Format::Text => print!("{}", print::print(&loaded)),
            Format::Json => println!("{:#}", print::to_json(&loaded)),
        }
        return ExitCode::SUCCESS;
    }
    match args.format {
        Format::Text => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            println!(
                "{}: fine ({} listeners, {} upstreams, {} routes)",
                args.config.display(),
                loaded.config.process.listeners.len(),
                loaded.config.traffic.upstreams.len(),
                loaded.config.traffic.routes.len(),
            );
        }
        Format::Json => {
            let warnings = serde_json::to_value(&loaded.warnings).unwrap_or_default();
            println!("{:#}", serde_json::json!({ "ok": true, "findings": warnings }));
        }
    }
    ExitCode::SUCCESS
}

/// `schema`: the JSON Schema of the configuration.
pub fn schema() -> ExitCode {
    println!("{:#}", schema::json_schema());
    ExitCode::SUCCESS
}

/// `explain`: what would become of a request.
pub fn explain(args: &ExplainArgs) -> ExitCode {
    let question = match Question::parse(&args.method, &args.url, &args.headers) {
        Ok(question) => question,
        Err(sentence) => {
            eprintln!("nilegate: {sentence}");
            return ExitCode::FAILURE;
        }
    };
    let compiled = match server::load(&args.config) {
        Ok(compiled) => compiled,
        Err(error) => return refused(&error, args.format),
    };
    if args.sign {
        return sign(&question, args, &compiled.loaded.config);
    }
    match explain::explain(compiled.snapshot(), &question) {
        Ok(explanation) => {
            match args.format {
                Format::Text => print!("{explanation}"),
                Format::Json => {
                    println!("{:#}", serde_json::to_value(&explanation).unwrap_or_default());
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("nilegate: not a request: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `explain --sign`: the field that makes a running gateway explain the request.
fn sign(question: &Question, args: &ExplainArgs, config: &Config) -> ExitCode {
    let Some(explain) = &config.process.telemetry.explain else {
        eprintln!("nilegate: the configuration has no `process.telemetry.explain`");
        return ExitCode::FAILURE;
    };
    match question.wished() {
        Some(wished) => {
            let value = ExplainKey::new(explain).sign(&wished, args.lifetime.get(), SystemTime::now());
            println!("{}: {value}", EXPLAIN.as_str());
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("nilegate: a field is signed for one host: give the whole URL, or `-H 'Host: …'`");
            ExitCode::FAILURE
        }
    }
}
