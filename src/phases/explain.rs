//! Explaining a request in its own response, to whoever could sign the wish.
//!
//! The answer is one structured field (RFC 9651, a dictionary) on several lines, each about one
//! part. It is added behind the cache, and tells other caches to keep nothing. It names what is
//! configured and what was decided: no caller, no value of a claim, no key or tag of an entry.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::{
    cache::{Lookup, words},
    context::RequestContext,
    rejection::Rejection,
    route,
};
use crate::{
    auth::Kind,
    cache::entry::Stamp,
    headers::{EXPLAIN, Wished},
    runtime::resources::Resources,
    telemetry::{cache::CacheResult, metrics::ExplainResult},
};

/// Finds out whether the request is to be explained. The wish goes no further.
pub fn begin(request: &mut RequestHeader, ctx: &mut RequestContext, resources: &Resources) {
    let Some(key) = &resources.explain else { return };
    let Some(value) = request.remove_header(&EXPLAIN) else { return };
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let wished = Wished { method: &request.method, host: route::parts(request).host, target };
    let checked = key.check(value.as_bytes(), &wished, SystemTime::now());
    ctx.explained = checked.is_ok();
    resources.metrics.explain().asked(checked.err().unwrap_or(ExplainResult::Answered));
}

/// What the cache did, as far as it was asked.
#[derive(Clone, Copy, Default)]
pub struct Cached {
    /// The result.
    pub result: Option<CacheResult>,
    /// How that was found out.
    pub lookup: Lookup,
}

/// Explains the request in its response, if that was wished.
///
/// # Errors
/// If a field cannot be set.
pub fn to_downstream(
    response: &mut ResponseHeader,
    cached: Cached,
    refusal: Option<&Rejection>,
    ctx: &RequestContext,
) -> Result<()> {
    if !ctx.explained || response.status.is_informational() {
        return Ok(());
    }
    for line in [
        request(ctx),
        taken(ctx),
        version(ctx),
        caller(ctx),
        cache(cached, ctx),
        kept(ctx),
        limit(ctx),
        attempts(ctx),
        refused(refusal.or(ctx.rejection.as_ref())),
    ]
    .into_iter()
    .flatten()
    {
        if let Ok(value) = HeaderValue::try_from(line.0) {
            response.append_header(EXPLAIN, value)?;
        }
    }
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    response.remove_header("cdn-cache-control");
    response.remove_header("surrogate-control");
    Ok(())
}

fn request(ctx: &RequestContext) -> Option<Line> {
    let mut line = Line::new("request", ctx.id());
    if let Some(trace) = &ctx.trace {
        line.text("trace", trace.trace.hex().as_str());
    }
    if let Some(listener) = &ctx.listener {
        line.text("listener", &listener.name);
    }
    if let Some(snapshot) = &ctx.snapshot {
        line.number("generation", snapshot.generation);
    }
    line.millis("so-far", Some(ctx.started_at.elapsed()));
    Some(line)
}

fn taken(ctx: &RequestContext) -> Option<Line> {
    let plan = ctx.plan.as_ref()?;
    let mut line = Line::new("route", &plan.route.name);
    line.text("pattern", &plan.pattern);
    if plan.rewritten.is_some() {
        line.flag("rewritten");
    }
    Some(line)
}

fn version(ctx: &RequestContext) -> Option<Line> {
    let version = ctx.version.as_ref()?;
    let mut line = Line::new("version", version.versions.name(version.wish.version));
    line.text("source", version.wish.origin.as_str());
    if let Some(served) = ctx.served() {
        line.text("spoken", version.versions.name(served.spoken));
        if let Some(mapping) = &served.mapping {
            line.text("mappings", &mapping.names.join(" "));
        }
    }
    Some(line)
}

fn caller(ctx: &RequestContext) -> Option<Line> {
    ctx.plan.as_ref()?.route.auth.as_ref()?;
    let Some(identity) = &ctx.identity else { return Some(Line::new("identity", "none")) };
    let mut line = Line::new(
        "identity",
        match identity.kind() {
            Kind::Token => "token",
            Kind::ApiKey => "api_key",
            Kind::Password => "password",
            Kind::Forwarded => "forwarded",
        },
    );
    line.text("provider", identity.provider());
    Some(line)
}

fn cache(Cached { result, lookup }: Cached, ctx: &RequestContext) -> Option<Line> {
    let mut line = Line::new("cache", result?.as_str());
    if let Some(tier) = lookup.tier {
        line.text("tier", tier.as_str());
    }
    line.millis("lookup", lookup.took);
    line.millis("waited", lookup.waited);
    let cache = ctx.cache.as_deref()?;
    if let Some(bypass) = cache.bypass {
        line.text("bypass", bypass.as_str());
    }
    if let Some(reason) = cache.not_stored {
        line.text("not-stored", reason.as_str());
    }
    if let Some(times) = &cache.times {
        let now = Stamp::now();
        line.number("age", times.age(now));
        line.number("fresh-for", times.fresh_until.since(now).as_secs());
    }
    if cache.stored {
        line.flag("stored");
    }
    if cache.varies {
        line.flag("varies");
    }
    Some(line)
}

/// How the route's cache is told to keep responses.
fn kept(ctx: &RequestContext) -> Option<Line> {
    let plan = ctx.plan.as_ref()?;
    let routes = &ctx.snapshot.as_ref()?.config.routes;
    let config = routes.iter().find(|config| config.name.as_str() == plan.route.name)?;
    let section = config.cache.as_ref()?;
    let mut line = Line::new("cache-key", &words::key(section, config, "", "").join(", "));
    if !section.tags.is_empty() {
        line.text("tags", &section.tags.join(", "));
    }
    line.text("lifetime", &words::lifetime(section));
    Some(line)
}

fn limit(ctx: &RequestContext) -> Option<Line> {
    let report = ctx.rate_limit.as_ref()?;
    let mut line = Line::new("limit", report.limit());
    line.number("left", report.left().into());
    line.number("seconds", report.seconds().into());
    Some(line)
}

fn attempts(ctx: &RequestContext) -> Option<Line> {
    let (target, attempts) = (ctx.target()?, &ctx.attempts);
    let mut line = Line::new("upstream", target.name());
    line.number("attempts", attempts.count.into());
    let Some(attempt) = attempts.current.attempt() else { return Some(line) };
    line.text("backend", attempt.backend().name());
    if attempts.reused {
        line.flag("reused");
    }
    line.millis("connect", attempts.connect[0]);
    line.millis("tls", attempts.connect[1]);
    line.millis("first-byte", attempts.first_byte);
    if let Some(failure) = attempts.failure {
        line.text("failed-before", failure.as_str());
    }
    Some(line)
}

fn refused(refusal: Option<&Rejection>) -> Option<Line> {
    let refusal = refusal?;
    let mut line = Line::new("refused", refusal.code());
    line.text("reason", refusal.reason().as_str());
    Some(line)
}

/// One member of the dictionary.
struct Line(String);

impl Line {
    fn new(key: &str, value: &str) -> Self {
        let mut line = Self(String::with_capacity(96));
        line.0.push_str(key);
        line.quoted(value);
        line
    }

    /// A string holds nothing but printable ASCII (RFC 9651 section 3.3.3).
    fn quoted(&mut self, value: &str) {
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                ' '..='~' => self.0.push(c),
                _ => self.0.push('?'),
            }
        }
        self.0.push('"');
    }

    fn text(&mut self, key: &str, value: &str) {
        self.0.extend([";", key]);
        self.quoted(value);
    }

    fn number(&mut self, key: &str, value: u64) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, ";{key}={value}");
    }

    fn millis(&mut self, key: &str, time: Option<Duration>) {
        if let Some(time) = time {
            let _ = write!(self.0, ";{key}-ms={:.3}", time.as_secs_f64() * 1e3);
        }
    }

    fn flag(&mut self, key: &str) {
        self.0.extend([";", key]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_structured_field_whatever_it_is_told() {
        let mut line = Line::new("route", "a \"quoted\" \\ name\nü");
        line.text("pattern", "/{id}");
        line.number("left", 7);
        line.millis("lookup", Some(Duration::from_micros(12)));
        line.millis("waited", None);
        line.flag("stored");
        assert_eq!(line.0, r#"route="a \"quoted\" \\ name??";pattern="/{id}";left=7;lookup-ms=0.012;stored"#);
        assert_eq!(sfv::Parser::parse_dictionary(line.0.as_bytes()).unwrap().len(), 1);
    }
}
