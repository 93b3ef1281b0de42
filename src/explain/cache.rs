//! What the cache would do with a request.

use crate::{
    auth::Identity,
    config::route::RouteConfig,
    phases::{
        auth::partition,
        cache::words::{key, lifetime},
    },
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
    let mut lines = vec![format!("key of {}", key(section, config, parts.host, parts.path).join(", "))];
    if let Some(partition) = &section.partition {
        lines.push(format!("one copy for each {partition}"));
    } else if section.shared {
        lines.push("one copy for everybody, credentials or not".to_owned());
    }
    let tags = section.tags.iter().map(|tag| filled(tag, captures));
    let tags: Vec<String> = tags.chain(["those of the response".to_owned()]).collect();
    lines.push(format!("tags {}", tags.join(", ")));
    lines.push(format!("lifetime by {}", lifetime(section)));
    lines.push(format!(
        "stale {} while it is refreshed, {} when the upstream fails, unless the response says otherwise",
        section.stale_while_revalidate, section.stale_if_error
    ));
    lines
}

/// A template with what the path captured.
fn filled(template: &str, captures: &Captures<'_, '_>) -> String {
    captures
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
