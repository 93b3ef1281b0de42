//! What becomes of a request once its route is known.

use super::Share;
use crate::{
    config::route::ServeConfig,
    phases::{auth, route},
    routing::{Captures, RequestParts},
    runtime::{
        route::{Action, Route, Served, Target},
        snapshot::Snapshot,
    },
    upstream::ResolvedTimeouts,
};

/// A request as its route sees it.
pub(super) struct Seen<'a, 'r> {
    pub snapshot: &'a Snapshot,
    /// With its path as sent.
    pub sent: &'a RequestParts<'r>,
    /// With the path that was matched.
    pub parts: &'a RequestParts<'a>,
    pub captures: &'a Captures<'a, 'a>,
}

/// What becomes of it.
pub(super) struct Becomes {
    pub action: String,
    pub target: Option<String>,
    pub host: Option<String>,
    pub upstreams: Vec<Share>,
}

/// What the route does with it; `served` is how it serves the version it is for.
pub(super) fn of(seen: &Seen<'_, '_>, route: &Route, served: Option<&Served>) -> Becomes {
    let local = |action: String| Becomes { action, target: None, host: None, upstreams: Vec::new() };
    match &route.action {
        Action::Proxy(_) | Action::Versioned => proxied(seen, route, served),
        Action::Redirect(redirect) => {
            let to = redirect.location(seen.parts, seen.captures);
            let to = to.as_ref().and_then(|to| to.to_str().ok()).unwrap_or("(needs a host)");
            local(format!("redirected with {} to {to}", redirect.status().as_u16()))
        }
        Action::Respond { status, content_type, body } => {
            let kind = content_type.to_str().unwrap_or("");
            local(format!("answered with {}, {} bytes of {kind}", status.as_u16(), body.len()))
        }
        Action::Serve(ServeConfig::CacheStats) => {
            local("answered with the statistics of the cache".to_owned())
        }
        Action::Graphql(_) => local("answered by GraphQL, from the services behind other routes".to_owned()),
        Action::VersionList => local("answered with the list of the versions".to_owned()),
    }
}

fn proxied(seen: &Seen<'_, '_>, route: &Route, served: Option<&Served>) -> Becomes {
    let Seen { snapshot, sent, parts, captures } = *seen;
    let rewritten = match served {
        Some(served) => Some(route::versioned(served, parts, captures, snapshot)),
        None => route.rewrite.as_ref().and_then(|r| r.apply(parts.path, parts.query, captures)),
    };
    let target = rewritten.or_else(|| route::normalised(sent, parts));
    let target = target.unwrap_or_else(|| route::joined(sent.path, sent.query));
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let concealed = auth::without_credentials(route, path, query);
    let target = concealed.unwrap_or(target);
    let split = match (&route.action, served) {
        (_, Some(served)) => Some(&served.upstreams),
        (Action::Proxy(split), None) => Some(split),
        _ => None,
    };
    let shares = split.iter().flat_map(|split| split.shares());
    let host = route.rewrite.as_ref().and_then(|rewrite| rewrite.host());
    Becomes {
        action: "proxied".to_owned(),
        target: Some(target),
        host: Some(host.and_then(|host| host.to_str().ok()).unwrap_or(parts.host).to_owned()),
        upstreams: shares.map(|(target, share)| describe_share(snapshot, target, share)).collect(),
    }
}

fn describe_share(snapshot: &Snapshot, target: &Target, share: f64) -> Share {
    let name = target.name();
    let section = snapshot.config.upstreams.iter().find(|(key, _)| key.as_str() == name);
    let section = section.map(|(_, section)| section);
    let balance = section.and_then(|s| serde_json::to_value(&s.balance).ok());
    let balance = balance.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let ResolvedTimeouts { connect, first_byte, read, write, total, tunnel } = target.timeouts;
    let mut timeouts = format!(
        "connect {connect:?}, first byte {first_byte:?}, read {read:?}, write {write:?}, tunnel {tunnel:?}",
    );
    if let Some(total) = total {
        timeouts.push_str(&format!(", total {total:?}"));
    }
    Share {
        name: name.to_owned(),
        percent: share * 100.0,
        balance: balance.unwrap_or_default(),
        backends: section
            .map_or_else(Vec::new, |s| s.backends.iter().map(|b| b.address().to_owned()).collect()),
        timeouts,
        attempts: target.retry().attempts(),
        concurrency: section.and_then(|section| section.concurrency.clone()),
    }
}
