//! Commands that look at a configuration without running it.

use std::{process::ExitCode, time::SystemTime};

use super::{
    args::{CheckArgs, ExplainArgs, Format},
    output, refused,
};
use crate::{
    config::{Config, finding::Finding, print, schema},
    explain::{self, Operation, Question},
    headers::{EXPLAIN, ExplainKey},
    server,
};

/// `check`: every problem a run would meet, and nothing opened.
pub fn check(args: &CheckArgs) -> ExitCode {
    let compiled = match server::load(&args.config) {
        Ok(compiled) => compiled,
        Err(error) => return refused(&error, args.format),
    };
    let warnings = schema_warnings(&compiled);
    let mut loaded = compiled.loaded;
    loaded.warnings.extend(warnings);
    if args.print {
        match args.format {
            Format::Text => output::text(print::print(&loaded)),
            Format::Json => output::line(format_args!("{:#}", print::to_json(&loaded))),
        }
        return ExitCode::SUCCESS;
    }
    match args.format {
        Format::Text => {
            for warning in &loaded.warnings {
                output::complain(warning);
            }
            output::line(format_args!(
                "{}: fine ({} listeners, {} upstreams, {} routes)",
                args.config.display(),
                loaded.config.process.listeners.len(),
                loaded.config.traffic.upstreams.len(),
                loaded.config.traffic.routes.len(),
            ));
        }
        Format::Json => {
            let warnings = serde_json::to_value(&loaded.warnings).unwrap_or_default();
            output::line(format_args!("{:#}", serde_json::json!({ "ok": true, "findings": warnings })));
        }
    }
    ExitCode::SUCCESS
}

/// What is probably not meant in the schema of GraphQL, or will be slow.
fn schema_warnings(compiled: &server::Compiled) -> Vec<Finding> {
    let Some(graphql) = compiled.snapshot().graphql() else { return Vec::new() };
    let problems = graphql.engine.warnings().iter().cloned();
    let problems = problems.map(|problem| problem.within("traffic.graphql"));
    compiled.loaded.source.findings(problems.collect())
}

/// `schema`: the JSON Schema of the configuration.
pub fn schema() -> ExitCode {
    output::line(format_args!("{:#}", schema::json_schema()));
    ExitCode::SUCCESS
}

/// `explain`: what would become of a request.
pub fn explain(args: &ExplainArgs) -> ExitCode {
    let question = Question::parse(&args.method, &args.url, &args.headers).and_then(|question| {
        let Some(document) = args.query.clone() else { return Ok(question) };
        let operation = Operation::parse(document, args.operation.clone(), args.variables.as_deref())?;
        Ok(Question { operation: Some(operation), ..question })
    });
    let question = match question {
        Ok(question) => question,
        Err(sentence) => {
            output::complain(format_args!("nilegate: {sentence}"));
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
                Format::Text => output::text(explanation),
                Format::Json => {
                    let explanation = serde_json::to_value(&explanation).unwrap_or_default();
                    output::line(format_args!("{explanation:#}"));
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::complain(format_args!("nilegate: not a request: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// `explain --sign`: the field that makes a running gateway explain the request.
fn sign(question: &Question, args: &ExplainArgs, config: &Config) -> ExitCode {
    let Some(explain) = &config.process.telemetry.explain else {
        output::complain("nilegate: the configuration has no `process.telemetry.explain`");
        return ExitCode::FAILURE;
    };
    match question.wished() {
        Some(wished) => {
            let value = ExplainKey::new(explain).sign(&wished, args.lifetime.get(), SystemTime::now());
            output::line(format_args!("{}: {value}", EXPLAIN.as_str()));
            ExitCode::SUCCESS
        }
        None => {
            output::complain(
                "nilegate: a field is signed for one host: give the whole URL, or `-H 'Host: …'`",
            );
            ExitCode::FAILURE
        }
    }
}
