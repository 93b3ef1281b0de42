//! Traces: what has no effect, and where spans go.

use std::path::Path;

use super::{not_zero, pair_files};
use crate::config::{
    Config,
    finding::Problem,
    trace::{ExportConfig, ExportTlsConfig},
};

const HERE: &str = "process.telemetry.tracing.export";

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    match &config.process.telemetry.tracing {
        None => without_effect(config, problems),
        Some(tracing) => {
            if let Some(to) = &tracing.export {
                export(to, problems);
            }
        }
    }
}

fn without_effect(config: &Config, problems: &mut Vec<Problem>) {
    let listeners = config.process.listeners.iter().enumerate();
    let listeners = listeners
        .filter(|(_, listener)| listener.trace_trust.is_some())
        .map(|(index, _)| format!("process.listeners[{index}].trace_trust"));
    let routes = config.traffic.routes.iter().enumerate();
    let routes = routes
        .filter(|(_, route)| route.tracing.is_some())
        .map(|(index, _)| format!("traffic.routes[{index}].tracing"));
    problems.extend(listeners.chain(routes).map(|path| {
        Problem::new(path, "has no effect without `process.telemetry.tracing`")
            .hint("add `tracing: {}` there, or leave this out")
    }));
}

fn export(export: &ExportConfig, problems: &mut Vec<Problem>) {
    not_zero(format!("{HERE}.interval"), export.interval, problems);
    if let Some(timeout) = export.timeout {
        not_zero(format!("{HERE}.timeout"), timeout, problems);
    }
    if export.batch > export.queue {
        let message = "`batch` is larger than `queue`: it would never be full";
        problems.push(Problem::new(format!("{HERE}.batch"), message));
    }
    let Some(endpoint) = &export.endpoint else { return };
    let uri = endpoint.parse::<http::Uri>();
    if !uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
        let message = format!("`{endpoint}` is not a URL such as `http://127.0.0.1:4317`");
        problems.push(Problem::new(format!("{HERE}.endpoint"), message));
    } else if export.tls.is_some() && !endpoint.starts_with("https:") {
        let message = "`tls` has no effect without an `https` endpoint";
        problems.push(Problem::new(format!("{HERE}.tls"), message));
    }
}

/// The files that TLS towards the collector needs.
pub(super) fn files<'a>(config: &'a Config, files: &mut Vec<(String, &'a Path)>) {
    let export = config.process.telemetry.tracing.as_ref().and_then(|tracing| tracing.export.as_ref());
    let Some(ExportTlsConfig { ca, client_certificate }) = export.and_then(|export| export.tls.as_ref())
    else {
        return;
    };
    if let Some(ca) = ca {
        files.push((format!("{HERE}.tls.ca"), ca.as_path()));
    }
    if let Some(pair) = client_certificate {
        pair_files(&format!("{HERE}.tls.client_certificate"), pair, files);
    }
}
