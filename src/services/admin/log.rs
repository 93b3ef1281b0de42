//! What the process logs, changed while it runs.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{json_response, problem};
use crate::{
    config::telemetry::LogLevel,
    telemetry::log::{LogError, LogHandle},
};

/// What is logged now.
pub fn show(log: &LogHandle) -> Response<Vec<u8>> {
    json_response(StatusCode::OK, &json!({ "level": log.level() }))
}

/// Takes a filter, such as `info,nilegate::upstream=debug`, in force until the next one or the end.
pub fn change(log: &LogHandle, body: Option<Bytes>) -> Response<Vec<u8>> {
    let level = body.and_then(|body| String::from_utf8(body.to_vec()).ok());
    let Some(level) = level.map(|text| LogLevel(text.trim().to_owned())) else {
        return problem(StatusCode::BAD_REQUEST, "body_unreadable", "The body is not a filter in UTF-8.");
    };
    let before = log.level();
    let changed = log.set_level(&level);
    if changed.is_ok() {
        tracing::warn!(before = before.0, now = level.0, "what is logged was changed");
    }
    report(log, changed)
}

/// Goes back to what the configuration says.
pub fn reset(log: &LogHandle) -> Response<Vec<u8>> {
    let changed = log.reset();
    if changed.is_ok() {
        tracing::warn!(now = log.level().0, "what is logged was changed back");
    }
    report(log, changed)
}

fn report(log: &LogHandle, changed: Result<(), LogError>) -> Response<Vec<u8>> {
    match changed {
        Ok(()) => show(log),
        Err(LogError::Level(found)) => {
            let hint = found.hint.unwrap_or_default();
            problem(StatusCode::BAD_REQUEST, "log_filter", &format!("{}: {hint}", found.message))
        }
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string()),
    }
}
