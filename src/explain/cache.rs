//! What the cache would do with a request.

use crate::{
    auth::Identity,
    config::{cache::CacheConfig, route::RouteConfig},
    phases::auth::partition,
    routing::{Captures, RequestParts},
    runtime::route::Route,
};

/// One line for each thing worth knowing; none where the route has no cache and voids nothing.
pub fn lines(
    config: &RouteConfig,
    route: &Route,
    parts: &RequestParts<'_>,
    captures: &Captures<'_, '_>,
    identity: Option<&Identity>,
) -> Vec<String> {
    if !matches!(parts.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        let mut voids = vec!["its URL".to_owned()];
        voids.extend(config.on_write.iter().map(|tag| filled(tag, captures)));
        return vec![format!("a success voids {}", voids.join(", "))];
    }
    let (Some(section), Some(cache)) = (&config.cache, &route.cache) else { return Vec::new() };
    let by = cache.policy.partition_by_identity();
    let caller = by.and_then(|by| partition(by, identity?));
    if let Err(bypass) = cache.policy.request(parts.method, parts.headers, parts.query, caller.as_deref()) {
        return vec![format!("left alone: {}", bypass.as_str())];
    }
    let mut lines = vec![format!("key of {}", key(section, config, parts).join(", "))];
    if let Some(partition) = &section.partition {
        lines.push(format!("one copy for each {partition}"));
    } else if section.shared {
        lines.push("one copy for everybody, credentials or not".to_owned());
    }
    let tags = section.tags.iter().map(|tag| filled(tag, captures));
    let tags: Vec<String> = tags.chain(["those of the response".to_owned()]).collect();
    lines.push(format!("tags {}", tags.join(", ")));
    lines.push(lifetime(section));
    lines.push(format!(
        "stale {} while it is refreshed, {} when the upstream fails, unless the response says otherwise",
        section.stale_while_revalidate, section.stale_if_error
    ));
    lines
}

/// The parts that make two requests different. Names only: values may tell who asks.
fn key(section: &CacheConfig, config: &RouteConfig, parts: &RequestParts<'_>) -> Vec<String> {
    let key = &section.key;
    let mut names = vec![format!("route {}", config.name), "scheme".to_owned()];
    if !config.versions.is_empty() {
        names.push("version".to_owned());
    }
    if key.host {
        names.push(format!("host {}", parts.host));
    }
    if key.method {
        names.push("method".to_owned());
    }
    names.push(format!("path {}", parts.path));
    match (&key.query.allow, key.query.ignore.as_slice()) {
        (Some(allow), _) if allow.is_empty() => {}
        (Some(allow), _) => names.push(format!("query parameters {}", allow.join(" "))),
        (None, []) => names.push("query".to_owned()),
        (None, ignore) => names.push(format!("query without {}", ignore.join(" "))),
    }
    if !section.shared && section.partition.is_none() {
        names.push("presence of Authorization".to_owned());
    }
    names.extend(key.headers.iter().map(|name| format!("field {name}")));
    names.extend(key.cookies.iter().map(|name| format!("cookie {name}")));
    names.extend(section.partition.iter().map(ToString::to_string));
    names
}

fn lifetime(section: &CacheConfig) -> String {
    let mut sources = vec!["what the response states".to_owned()];
    if !section.ignore.is_empty() {
        let ignored = serde_json::to_value(&section.ignore).unwrap_or_default();
        sources[0].push_str(&format!(" (without {})", ignored.to_string().replace(['[', ']', '"'], "")));
    }
    let own: Vec<String> = section.ttl.iter().map(|(status, ttl)| format!("{status}: {ttl}")).collect();
    if !own.is_empty() {
        sources.push(format!("the route's ttl ({})", own.join(", ")));
    }
    if section.heuristic {
        sources.push("a tenth of the time since Last-Modified".to_owned());
    }
    format!("lifetime by {}; at most {}", sources.join(", then "), section.max_ttl)
}

/// A template with what the path captured.
fn filled(template: &str, captures: &Captures<'_, '_>) -> String {
    captures
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
