//! What a route's cache is told to do, in words: for explanations.

use crate::config::{cache::CacheConfig, route::RouteConfig};

/// The parts that make two requests different. Names only, but for host and path where they are
/// given: values may tell who asks.
pub fn key(section: &CacheConfig, config: &RouteConfig, host: &str, path: &str) -> Vec<String> {
    let named = |name: &str, value: &str| format!("{name} {value}").trim_end().to_owned();
    let key = &section.key;
    let mut names = vec![format!("route {}", config.name), "scheme".to_owned()];
    if !config.versions.is_empty() {
        names.push("version".to_owned());
    }
    if key.host {
        names.push(named("host", host));
    }
    if key.method {
        names.push("method".to_owned());
    }
    names.push(named("path", path));
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

/// What the lifetime of a response goes by.
pub fn lifetime(section: &CacheConfig) -> String {
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
    format!("{}; at most {}", sources.join(", then "), section.max_ttl)
}
