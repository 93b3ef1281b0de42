//! `Server-Timing`: where the time of a request went, for callers that may know.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::is_trusted;
use crate::{
    phases::{cache::Lookup, context::RequestContext},
    runtime::resources::Resources,
};

/// The field by which it is asked for.
const WISH: HeaderName = HeaderName::from_static("x-server-timing");

/// Adds the field to the response if a trusted caller asks for it.
///
/// # Errors
/// If a field cannot be set.
pub fn to_downstream(
    request: &RequestHeader,
    response: &mut ResponseHeader,
    lookup: &Lookup,
    ctx: &RequestContext,
    resources: &Resources,
) -> Result<()> {
    let offered = resources.tracing.as_ref().is_some_and(|tracing| tracing.server_timing);
    if !offered || response.status.is_informational() {
        return Ok(());
    }
    // Whom to trust is known sooner than what a field holds.
    if !is_trusted(ctx) || request.headers.get(&WISH).is_none_or(|wish| wish != "1") {
        return Ok(());
    }
    let mapped = ctx.mapped.as_ref().map(|bodies| bodies.list().iter().map(|body| body.took).sum());
    let asked = lookup.took.or_else(|| lookup.tier.map(|_| Duration::ZERO));
    let waited = lookup.waited.unwrap_or_default();
    let text = metrics(&[
        ("cache", asked.map(|took| took + waited)),
        ("upstream", ctx.attempts.first_byte),
        ("mapping", mapped),
    ]);
    match HeaderValue::try_from(text) {
        // The services' own come first.
        Ok(value) if !value.is_empty() => response.append_header("Server-Timing", value).map(drop),
        _ => Ok(()),
    }
}

/// The metrics that there are, in milliseconds.
fn metrics(all: &[(&str, Option<Duration>)]) -> String {
    let mut text = String::new();
    for (name, took) in all.iter().filter_map(|(name, took)| Some((name, (*took)?))) {
        let gap = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{gap}{name};dur={:.3}", took.as_secs_f64() * 1e3);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_no_part_is_left_out() {
        let micros = |n| Some(Duration::from_micros(n));
        assert_eq!(
            metrics(&[("cache", micros(12)), ("upstream", None), ("mapping", micros(2_500))]),
            "cache;dur=0.012, mapping;dur=2.500"
        );
        assert_eq!(metrics(&[("cache", None)]), "");
    }
}
