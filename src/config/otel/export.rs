//! Where spans are sent, and how.

use super::{
    Environment, Variable,
    values::{entry, pairs, set, text, value},
};
use crate::config::{
    finding::Problem,
    trace::{ExportConfig, ExportProtocol},
    tree::{Node, Value},
};

/// As the schema has it.
const QUEUE_MAX: i128 = 10_000_000;
const BATCH_MAX: i128 = 65_536;

pub(super) fn complete(section: &mut Node, env: &mut Environment<'_>) {
    let endpoint = env.first(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    let wanted = match env.get("OTEL_TRACES_EXPORTER") {
        Some(Variable { value, .. }) if value == "none" => false,
        Some(Variable { name, value }) if value != "otlp" => {
            env.ignore(name, &format!("there is no exporter `{value}` here"));
            true
        }
        _ => true,
    };
    if endpoint.is_some() && wanted {
        set(section, &["export"], Value::Map(Vec::new()));
    }
    if env.is_true(&["OTEL_SDK_DISABLED"])
        && let Value::Map(entries) = &mut section.value
    {
        // Traces are still passed on: propagation is not the SDK's.
        entries.retain(|(key, _)| key.name != "export");
    }
    let Some(export) = entry(section, "export").filter(|export| matches!(export.value, Value::Map(_))) else {
        return;
    };
    protocol(export, env);
    if let Some(variable) = endpoint {
        self::endpoint(export, &variable, env);
    }
    tls(export, env);
    headers(export, env);
    compression(export, env);
    timeout(export, env);
    batches(export, env);
    resource(export, env);
}

fn protocol(export: &mut Node, env: &mut Environment<'_>) {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let Some(Variable { name, value }) = env.first(&names) else { return };
    match value.as_str() {
        "grpc" | "http/protobuf" => set(export, &["protocol"], text(&value)),
        _ => env.ignore(name, &format!("`{value}` is not spoken here: `grpc` and `http/protobuf` are")),
    }
}

/// How OTLP will be spoken; `None`: as the file says, which makes no sense.
fn spoken(export: &Node) -> Option<ExportProtocol> {
    match export.get("protocol").map(|node| &node.value) {
        None => Some(ExportProtocol::default()),
        Some(Value::Text(word)) if word == "grpc" => Some(ExportProtocol::Grpc),
        Some(Value::Text(word)) if word == "http" || word == "http/protobuf" => Some(ExportProtocol::Http),
        Some(_) => None,
    }
}

fn endpoint(export: &mut Node, Variable { name, value }: &Variable, env: &mut Environment<'_>) {
    let Some(protocol) = spoken(export) else { return };
    let insecure = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
    let mut url = value.clone();
    if protocol == ExportProtocol::Grpc && !url.contains("://") {
        url.insert_str(0, if env.is_true(&insecure) { "http://" } else { "https://" });
    }
    let uri = url.parse::<http::Uri>().ok();
    if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
        return env.ignore(name, &format!("`{value}` is not a URL"));
    }
    // The one for all signals is the base of each.
    if protocol == ExportProtocol::Http && *name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
        url = format!("{}/v1/traces", url.trim_end_matches('/'));
    }
    set(export, &["endpoint"], text(&url));
}

fn tls(export: &mut Node, env: &mut Environment<'_>) {
    let ca = env.first(&["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]);
    let certificate =
        env.first(&["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]);
    let key = env.first(&["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]);
    let is_tls = match export.get("endpoint").map(|node| &node.value) {
        Some(Value::Text(url)) => url.starts_with("https:"),
        _ => false,
    };
    if !is_tls {
        for Variable { name, .. } in [ca, certificate, key].into_iter().flatten() {
            env.ignore(name, "the endpoint is not `https`");
        }
        return;
    }
    if let Some(Variable { value, .. }) = ca {
        set(export, &["tls", "ca"], text(&value));
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) if value(export, &["tls", "client_certificate"]).is_none() => {
            set(export, &["tls", "client_certificate", "certificate"], text(&certificate.value));
            set(export, &["tls", "client_certificate", "key"], text(&key.value));
        }
        (Some(Variable { name, .. }), None) | (None, Some(Variable { name, .. })) => {
            env.ignore(name, "certificate and key are needed both");
        }
        _ => {}
    }
}

fn headers(export: &mut Node, env: &mut Environment<'_>) {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let Some(Variable { name, value }) = env.first(&names) else { return };
    if export.get("headers").is_some() {
        return;
    }
    // A value may be a token: none is shown.
    let Ok(pairs) = pairs(&value) else { return env.ignore(name, "not a list of `name=value`") };
    for (header, value) in pairs {
        let sound =
            http::HeaderName::try_from(&header).is_ok() && http::HeaderValue::from_str(&value).is_ok();
        if sound {
            set(export, &["headers", &header], Value::Text(value));
        } else {
            env.problems.push(Problem::warning(
                super::HERE,
                format!("a field in `{name}` is ignored: it is not fit to be sent"),
            ));
        }
    }
}

/// The exporter reads these variables itself, too: what they say is read here as it is there.
fn compression(export: &mut Node, env: &mut Environment<'_>) {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"] {
        let Some(Variable { name, value: coding }) = env.get(name) else { continue };
        let gzip = match coding.to_ascii_lowercase().as_str() {
            "gzip" => true,
            "none" => false,
            _ => {
                env.ignore(name, &format!("`{coding}` is not spoken here: `gzip` and `none` are"));
                continue;
            }
        };
        if gzip && value(export, &["gzip"]).is_some_and(|said| said.value == Value::Bool(false)) {
            let text = format!(
                "`{name}` has exports compressed although `gzip` is `false`: the exporter cannot be told \
                 otherwise but by `OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=none`"
            );
            env.problems.push(Problem::warning(super::HERE, text));
        }
        return set(export, &["gzip"], Value::Bool(gzip));
    }
}

/// A number from 1 on.
fn number(variable: Option<Variable>, max: i128, env: &mut Environment<'_>) -> Option<i128> {
    let Variable { name, value } = variable?;
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    if number.is_none() {
        env.ignore(name, &format!("`{value}` is no number from 1 to {max}"));
    }
    number
}

/// Both limits hold.
fn timeout(export: &mut Node, env: &mut Environment<'_>) {
    let max = i128::from(u32::MAX);
    let one = env.first(&["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
    let one = number(one, max, env);
    let whole = number(env.get("OTEL_BSP_EXPORT_TIMEOUT"), max, env);
    if let Some(millis) = one.into_iter().chain(whole).min() {
        set(export, &["timeout"], text(&format!("{millis}ms")));
    }
}

fn batches(export: &mut Node, env: &mut Environment<'_>) {
    if let Some(millis) = number(env.get("OTEL_BSP_SCHEDULE_DELAY"), i128::from(u32::MAX), env) {
        set(export, &["interval"], text(&format!("{millis}ms")));
    }
    let defaults = ExportConfig::default();
    let queue = number(env.get("OTEL_BSP_MAX_QUEUE_SIZE"), QUEUE_MAX, env);
    if let Some(queue) = queue {
        set(export, &["queue"], Value::Int(queue));
    }
    let room = match export.get("queue").map(|node| &node.value) {
        None => i128::try_from(defaults.queue).unwrap_or(QUEUE_MAX),
        Some(Value::Int(room)) => *room,
        // Whatever else it is will be found out.
        Some(_) => return,
    };
    let batch = number(env.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), BATCH_MAX, env);
    match batch {
        Some(batch) if batch > room && export.get("batch").is_none() => {
            env.ignore("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "it is larger than the queue");
            set(export, &["batch"], Value::Int(room));
        }
        Some(batch) => set(export, &["batch"], Value::Int(batch)),
        // A small queue has small batches.
        None if queue.is_some() && i128::try_from(defaults.batch).is_ok_and(|batch| batch > room) => {
            set(export, &["batch"], Value::Int(room));
        }
        None => {}
    }
}

fn resource(export: &mut Node, env: &mut Environment<'_>) {
    if let Some(Variable { value, .. }) = env.get("OTEL_SERVICE_NAME") {
        set(export, &["resource", "service.name"], Value::Text(value));
    }
    let Some(Variable { name, value }) = env.get("OTEL_RESOURCE_ATTRIBUTES") else { return };
    match pairs(&value) {
        Ok(pairs) => {
            for (key, value) in pairs {
                set(export, &["resource", &key], Value::Text(value));
            }
        }
        Err(()) => env.ignore(name, "not a list of `key=value`"),
    }
}
