//! The response as JSON (October 2021, section 7): errors first, so that nobody overlooks them.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    call::CallRecord,
    complete::Errors,
    errors::{GraphqlError, PathStep},
    execute::Context,
    response::{SlotId, Tree},
};

/// What a response is made of.
pub(super) struct Report<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) tree: &'a Tree,
    /// The text of the tree's parts.
    pub(super) text: &'a [u8],
    pub(super) errors: &'a Errors,
    pub(super) cost: u64,
    pub(super) calls: &'a [CallRecord],
}

/// The response of an operation that was executed.
pub(super) fn response(report: &Report<'_>) -> Bytes {
    let mut out = Vec::with_capacity(report.text.len() + report.text.len() / 4 + 64);
    out.push(b'{');
    if !report.errors.is_empty() {
        errors(report.errors.iter(), &mut out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":");
    report.tree.write(report.cx, report.text, SlotId::ROOT, &mut out);
    if report.cx.ask.trace {
        out.extend_from_slice(b",\"extensions\":");
        value(&extensions(report), &mut out);
    }
    out.push(b'}');
    out.into()
}

/// The response to a request that is not executed: it has no `data`.
pub(super) fn refusal(list: &[GraphqlError]) -> Bytes {
    let mut out = vec![b'{'];
    errors(list.iter(), &mut out);
    out.push(b'}');
    out.into()
}

fn errors<'a>(list: impl Iterator<Item = &'a GraphqlError>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"errors\":[");
    for (place, error) in list.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        value(&error_value(error), out);
    }
    out.push(b']');
}

fn error_value(error: &GraphqlError) -> Value {
    let mut members = Map::new();
    members.insert("message".to_owned(), Value::from(&*error.message));
    if !error.locations.is_empty() {
        let place = |at: &super::schema::Position| json!({"line": at.line, "column": at.column});
        members.insert("locations".to_owned(), error.locations.iter().map(place).collect());
    }
    if !error.path.is_empty() {
        let step = |step: &PathStep| match step {
            PathStep::Key(key) => Value::from(&**key),
            PathStep::Index(index) => Value::from(*index),
        };
        members.insert("path".to_owned(), error.path.iter().map(step).collect());
    }
    let mut extensions = Map::new();
    extensions.insert("code".to_owned(), Value::from(error.code.as_str()));
    extensions.extend(error.extensions.iter().map(|(name, value)| (name.clone(), value.clone())));
    members.insert("extensions".to_owned(), extensions.into());
    members.into()
}

/// What a caller who may see it is told besides the data.
fn extensions(report: &Report<'_>) -> Value {
    let call = |call: &CallRecord| {
        let mut members = json!({
            "field": &*call.field,
            "service": &*call.service,
            "method": call.method.as_str(),
            "target": &*call.target,
            "parents": call.parents,
            "cache": call.cache.as_str(),
            "startedMs": millis(call.started),
            "tookMs": millis(call.took),
        });
        match call.result {
            Ok(status) => members["status"] = status.as_u16().into(),
            Err(failure) => members["failure"] = failure.to_string().into(),
        }
        members
    };
    json!({
        "cost": { "requested": report.cost, "max": report.cx.limits.cost },
        "errors": report.errors.total,
        "trace": { "calls": report.calls.iter().map(call).collect::<Vec<_>>() },
    })
}

/// Milliseconds with three digits after the point.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn value(value: &Value, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, value);
}
