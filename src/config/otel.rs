//! OpenTelemetry's variables of the environment: what they say where the file is silent.
//!
//! They are put into `process.telemetry.tracing` before it is read, so that they are checked and
//! shown like what the file says. As OpenTelemetry wants it, an empty variable counts as none,
//! and a bad one is named in a warning and ignored.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod export;
mod values;

use self::values::{set, text, value};
use super::{
    finding::Problem,
    tree::{Node, Value},
};

/// Where the section is.
const HERE: &str = "process.telemetry.tracing";

/// The environment, and what is wrong with it.
struct Environment<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

/// A variable that is set.
struct Variable {
    name: &'static str,
    value: String,
}

impl Environment<'_> {
    fn get(&self, name: &'static str) -> Option<Variable> {
        let value = (self.env)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(Variable { name, value })
    }

    /// The first of these that is set.
    fn first(&self, names: &[&'static str]) -> Option<Variable> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Notes that a variable is ignored.
    fn ignore(&mut self, name: &str, why: &str) {
        self.problems.push(Problem::warning(HERE, format!("`{name}` is ignored: {why}")));
    }

    /// Whether a variable says `true`.
    fn is_true(&mut self, names: &[&'static str]) -> bool {
        let Some(Variable { name, value }) = self.first(names) else { return false };
        let said = ["true", "false"].into_iter().find(|word| value.eq_ignore_ascii_case(word));
        if said.is_none() {
            self.ignore(name, &format!("`{value}` is neither `true` nor `false`"));
        }
        said == Some("true")
    }
}

/// Adds what the environment says to the section, if there is one. Returns what was ignored.
pub(super) fn complete(tree: &mut Node, env: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut env = Environment { env, problems: Vec::new() };
    if let Some(section) = section(tree) {
        sampler(section, &mut env);
        propagators(section, &mut env);
        export::complete(section, &mut env);
    }
    env.problems
}

fn section(tree: &mut Node) -> Option<&mut Node> {
    let section = ["process", "telemetry", "tracing"].into_iter().try_fold(tree, values::entry)?;
    matches!(section.value, Value::Map(_)).then_some(section)
}

fn sampler(section: &mut Node, env: &mut Environment<'_>) {
    let Some(Variable { name, value: sampler }) = env.get("OTEL_TRACES_SAMPLER") else { return };
    // The two belong together.
    let sampling = value(section, &["sampling"]);
    if sampling.is_some_and(|it| it.get("ratio").is_some() || it.get("parent_based").is_some()) {
        return;
    }
    let (kind, parent_based) = match sampler.strip_prefix("parentbased_") {
        Some(root) => (root, true),
        None => (sampler.as_str(), false),
    };
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio(env),
        _ => return env.ignore(name, &format!("there is no sampler `{sampler}` here")),
    };
    set(section, &["sampling", "ratio"], Value::Float(ratio));
    set(section, &["sampling", "parent_based"], Value::Bool(parent_based));
}

fn ratio(env: &mut Environment<'_>) -> f64 {
    let Some(Variable { name, value }) = env.get("OTEL_TRACES_SAMPLER_ARG") else { return 1.0 };
    match value.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
        _ => {
            env.ignore(name, &format!("`{value}` is no number from 0 to 1"));
            1.0
        }
    }
}

fn propagators(section: &mut Node, env: &mut Environment<'_>) {
    let Some(Variable { name, value }) = env.get("OTEL_PROPAGATORS") else { return };
    let mut formats = Vec::new();
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            // Goes with every format.
            "baggage" => {}
            "tracecontext" | "b3" | "b3multi" | "jaeger" if formats.contains(&word) => {}
            "tracecontext" | "b3" | "b3multi" | "jaeger" => formats.push(word),
            _ => env.ignore(name, &format!("there is no propagator `{word}` here")),
        }
    }
    let list = |formats: &[&str], section: &Node| {
        Value::List(formats.iter().map(|format| Node::new(text(format), section.place)).collect())
    };
    if !formats.is_empty() {
        let accept = list(&formats, section);
        set(section, &["accept"], accept);
    }
    formats.retain(|format| *format != "tracecontext");
    if !formats.is_empty() {
        let also_send = list(&formats, section);
        set(section, &["also_send"], also_send);
    }
}

#[cfg(test)]
mod tests;
