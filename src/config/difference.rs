//! What differs between two configurations, in the words of the operator.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use serde_json::Value;

use super::traffic::TrafficConfig;

/// Names of the parts of `traffic:` that differ.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// In the new configuration only.
    pub added: Vec<String>,
    /// In the old configuration only.
    pub removed: Vec<String>,
    /// In both, but different.
    pub changed: Vec<String>,
    /// How many upstreams, routes, rate limits and auth providers are the same in both.
    pub kept: usize,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
        write!(
            f,
            "added {}; removed {}; changed {}; kept {}",
            list(&self.added),
            list(&self.removed),
            list(&self.changed),
            self.kept
        )
    }
}

/// The parts of `traffic:` that differ: upstreams, routes and rate limits by name, the rest by key.
pub fn traffic(old: &TrafficConfig, new: &TrafficConfig) -> Changes {
    let mut changes = Changes::default();
    let upstreams: BTreeSet<_> = old.upstreams.keys().chain(new.upstreams.keys()).collect();
    for name in upstreams {
        let label = format!("upstream {name}");
        changes.note(label, old.upstreams.get(name), new.upstreams.get(name));
    }
    let names: BTreeSet<_> = old.routes.iter().chain(&new.routes).map(|route| &route.name).collect();
    for name in names {
        let find = |config: &'_ TrafficConfig| config.routes.iter().position(|r| r.name == *name);
        let (before, after) = (find(old), find(new));
        let label = format!("route {name}");
        changes.note(label, before.map(|i| &old.routes[i]), after.map(|i| &new.routes[i]));
    }
    let limits: BTreeSet<_> = old.rate_limits.keys().chain(new.rate_limits.keys()).collect();
    for name in limits {
        let label = format!("rate limit {name}");
        changes.note(label, old.rate_limits.get(name), new.rate_limits.get(name));
    }
    let providers: BTreeSet<_> = old.auth.providers.keys().chain(new.auth.providers.keys()).collect();
    for name in providers {
        let label = format!("auth provider {name}");
        changes.note(label, old.auth.providers.get(name), new.auth.providers.get(name));
    }
    changes.note("graphql".to_owned(), old.graphql.as_ref(), new.graphql.as_ref());
    if old.paths != new.paths {
        changes.changed.push("paths".to_owned());
    }
    if old.forwarding != new.forwarding {
        changes.changed.push("forwarding".to_owned());
    }
    if old.headers != new.headers {
        changes.changed.push("headers".to_owned());
    }
    if old.security_headers != new.security_headers {
        changes.changed.push("security_headers".to_owned());
    }
    changes
}

impl Changes {
    fn note<T: PartialEq>(&mut self, label: String, old: Option<&T>, new: Option<&T>) {
        match (old, new) {
            (None, Some(_)) => self.added.push(label),
            (Some(_), None) => self.removed.push(label),
            (Some(old), Some(new)) if old != new => self.changed.push(label),
            (Some(_), Some(_)) => self.kept += 1,
            (None, None) => {}
        }
    }
}

/// The keys below `root` whose values differ, such as `process.listeners[0].address`.
pub fn keys<T: Serialize>(root: &str, old: &T, new: &T) -> Vec<String> {
    let mut found = Vec::new();
    let value = |config: &T| serde_json::to_value(config).unwrap_or(Value::Null);
    collect(root, &value(old), &value(new), &mut found);
    found
}

fn collect(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let get = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                collect(&format!("{path}.{key}"), &get(a), &get(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                collect(&format!("{path}[{index}]"), a, b, found);
            }
        }
        _ if old != new => found.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> TrafficConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn names_what_was_added_removed_and_changed() {
        let old = parse(json!({
            "upstreams": {"a": {"backends": ["127.0.0.1:1"]}, "b": {"backends": ["127.0.0.1:2"]}},
            "routes": [{"name": "one", "upstream": "a"}],
        }));
        let new = parse(json!({
            "upstreams": {"a": {"backends": ["127.0.0.1:9"]}, "c": {"backends": ["127.0.0.1:3"]}},
            "routes": [{"name": "one", "upstream": "a"}],
            "forwarding": {"via": true},
        }));
        let changes = traffic(&old, &new);
        assert_eq!(changes.added, ["upstream c"]);
        assert_eq!(changes.removed, ["upstream b"]);
        assert_eq!(changes.changed, ["upstream a", "forwarding"]);
        assert_eq!(changes.kept, 1);
    }

    #[test]
    fn keys_point_at_the_deepest_difference() {
        let old = json!({"listeners": [{"address": "a", "http2": true}], "threads": 1});
        let new = json!({"listeners": [{"address": "b", "http2": true}], "threads": 2});
        assert_eq!(keys("process", &old, &new), ["process.listeners[0].address", "process.threads"]);
    }
}
