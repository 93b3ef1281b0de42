//! `@source`, and the texts that sources and calls share.

use std::str::FromStr;

use async_graphql_value::ConstValue;
use http::HeaderName;

use super::Report;
use crate::{
    config::values::Period,
    grammar::is_connection_field,
    graphql::{
        directives::Applied,
        schema::{Position, Schema, Source},
        template::{Place, Reads, Template},
    },
};

pub(super) fn source(directive: &Applied<'_>, schema: &Schema, report: &mut Report) -> Source {
    let route = directive.text("route").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#{}\\\"<>^`|".contains(c);
    if !route.starts_with('/')
        || !route.chars().all(is_plain)
        || route.split('/').skip(1).any(|segment| matches!(segment, "." | ".."))
        || route.contains("//")
    {
        let hint = "write the path prefix of a route, such as `/api/patients`";
        report.hint(directive.place("route"), format!("`{route}` is no path"), hint);
    }
    let timeout = directive.text("timeout").map(Period::from_str);
    if let Some(Err(message)) = &timeout {
        report.add(directive.place("timeout"), message.clone());
    }
    if let Some(Ok(period)) = &timeout
        && period.get().is_zero()
    {
        report.add(directive.place("timeout"), "must be longer than zero");
    }
    let no_parent = "a source has no parent";
    let reads = Reads { schema, args: &[], parent: Err(no_parent), claims: true, called: &[] };
    Source {
        name: directive.text("name").unwrap_or_default().into(),
        route: route.trim_end_matches('/').into(),
        timeout: timeout.and_then(Result::ok).map(Period::get),
        headers: headers(directive, &reads, report),
        max_concurrent: directive.int("maxConcurrent").and_then(|max| usize::try_from(max).ok()),
    }
}

pub(super) fn headers(
    directive: &Applied<'_>,
    reads: &Reads<'_>,
    report: &mut Report,
) -> Vec<(HeaderName, Template)> {
    let at = directive.place("headers");
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    for (name, value) in directive.members("headers") {
        // GraphQL's names have no dashes: `X_Tenant` is `X-Tenant`.
        let Ok(name) = HeaderName::from_str(&name.replace('_', "-")) else {
            report.add(at, format!("`{name}` is no name of a header field"));
            continue;
        };
        const OURS: [&str; 5] = ["host", "content-length", "content-type", "cookie", "accept-encoding"];
        if is_connection_field(&name) || OURS.contains(&name.as_str()) {
            report.add(at, format!("`{name}` cannot be set"));
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            report.add(at, format!("`{name}` is set twice"));
        }
        if let Some(template) = scalar_template(value, Place::Text, reads, report, at) {
            headers.push((name, template));
        }
    }
    headers
}

/// A template, or a number or a truth value as one.
pub(super) fn scalar_template(
    value: &ConstValue,
    place: Place,
    reads: &Reads<'_>,
    report: &mut Report,
    at: Position,
) -> Option<Template> {
    let text = match value {
        ConstValue::String(text) => text.clone(),
        ConstValue::Number(number) => number.to_string(),
        ConstValue::Boolean(value) => value.to_string(),
        other => {
            report.add(at, format!("`{other}` is no text, number or truth value"));
            return None;
        }
    };
    Template::compile(&text, place, reads).map_err(|problems| report.all(at, problems)).ok()
}
