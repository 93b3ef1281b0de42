//! `traffic.routes:`, and what they say of upstreams.

use std::collections::{BTreeMap, BTreeSet};

use super::{fields, upstream, upstream_path};
use crate::config::{
    finding::Problem,
    path,
    route::{ConditionConfig, ConditionTest, MatchConfig, RewriteConfig, RouteConfig, SplitConfig},
    traffic::TrafficConfig,
    values::Name,
};

pub(super) fn check(traffic: &TrafficConfig, problems: &mut Vec<Problem>) {
    let mut used = BTreeSet::new();
    let mut names: BTreeMap<&Name, usize> = BTreeMap::new();
    for (index, route) in traffic.routes.iter().enumerate() {
        let here = format!("traffic.routes[{index}]");
        if let Some(first) = names.get(&route.name) {
            problems.push(
                Problem::new(format!("{here}.name"), format!("duplicate route name `{}`", route.name))
                    .hint(format!("the route at `traffic.routes[{first}]` has it already")),
            );
        } else {
            names.insert(&route.name, index);
        }
        for (path, name) in references(&here, route) {
            if !traffic.upstreams.contains_key(name) {
                let known = traffic.upstreams.keys().map(Name::as_str);
                let problem = Problem::new(path, format!("unknown upstream `{name}`"));
                problems.push(problem.did_you_mean(name.as_str(), known));
            }
            used.insert(name);
        }
        action(&here, route, problems);
        conditions(&here, &route.matches, problems);
        fields::headers(&format!("{here}.headers"), &route.headers, problems);
        for (version, served) in &route.versions {
            fields::headers(&format!("{here}.versions.{version}.headers"), &served.headers, problems);
        }
        if let Some(security) = &route.security_headers {
            fields::security(&format!("{here}.security_headers"), security, problems);
        }
        if let Some(timeouts) = &route.timeouts {
            upstream::timeouts(&format!("{here}.timeouts"), timeouts, problems);
        }
    }
    used.extend(traffic.auth.providers.values().filter_map(|provider| Some(provider.upstream()?.1)));
    for name in traffic.upstreams.keys().filter(|name| !used.contains(name)) {
        let message = format!("no route sends to the upstream `{name}`");
        problems.push(Problem::warning(upstream_path(name.as_str()), message));
    }
}

/// The upstreams that a route names, and where.
fn references<'a>(here: &str, route: &'a RouteConfig) -> Vec<(String, &'a Name)> {
    let one = route.upstream.iter().map(|name| (format!("{here}.upstream"), name));
    let parts = route.split.iter().flatten().enumerate();
    let split = parts.map(|(i, part)| (format!("{here}.split[{i}].upstream"), &part.upstream));
    let versions = route.versions.iter().filter_map(|(version, served)| {
        Some((format!("{here}.versions.{version}.upstream"), served.upstream.as_ref()?))
    });
    one.chain(split).chain(versions).collect()
}

/// What becomes of a matching request: exactly one thing.
fn action(here: &str, route: &RouteConfig, problems: &mut Vec<Problem>) {
    let actions = [
        ("upstream", route.upstream.is_some()),
        ("split", route.split.is_some()),
        ("redirect", route.redirect.is_some()),
        ("respond", route.respond.is_some()),
        ("serve", route.serve.is_some()),
        ("graphql", route.graphql.is_some()),
    ];
    let chosen: Vec<_> = actions.iter().filter(|(_, present)| *present).map(|(key, _)| *key).collect();
    match chosen.as_slice() {
        [] if !route.versions.is_empty() => {}
        [] => problems.push(
            Problem::new(here, format!("the route `{}` does nothing with its requests", route.name))
                .hint("add one of `upstream`, `split`, `redirect`, `respond`, `serve`, `graphql`"),
        ),
        [_] => {}
        [first, second, ..] => problems.push(
            Problem::new(format!("{here}.{second}"), format!("the route has both `{first}` and `{second}`"))
                .hint("keep one of `upstream`, `split`, `redirect`, `respond`, `serve`, `graphql`"),
        ),
    }
    if let Some(parts) = &route.split {
        split(&format!("{here}.split"), parts, problems);
    }
    if let Some(redirect) = &route.redirect {
        if !matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
            let message = format!("expected 301, 302, 303, 307 or 308, found `{}`", redirect.status);
            problems.push(Problem::new(format!("{here}.redirect.status"), message));
        }
        if redirect.to.is_empty() {
            problems.push(Problem::new(format!("{here}.redirect.to"), "the new location is empty"));
        }
        fields::value(&format!("{here}.redirect.to"), &redirect.to, problems);
    }
    if let Some(respond) = &route.respond {
        if !(200..=599).contains(&respond.status) {
            let message = format!("expected from 200 to 599, found `{}`", respond.status);
            problems.push(Problem::new(format!("{here}.respond.status"), message));
        }
        fields::value(&format!("{here}.respond.content_type"), &respond.content_type, problems);
    }
    if let Some(rule) = &route.rewrite {
        rewrite(&format!("{here}.rewrite"), rule, problems);
    }
    if let [key @ ("redirect" | "respond" | "serve" | "graphql")] = chosen.as_slice() {
        without_upstream(here, route, key, problems);
    }
}

/// Keys that need an upstream are not quietly ignored.
fn without_upstream(here: &str, route: &RouteConfig, action: &str, problems: &mut Vec<Problem>) {
    for (key, present) in [
        ("rewrite", route.rewrite.is_some()),
        ("timeouts", route.timeouts.is_some()),
        ("retry", route.retry.is_some()),
        ("versions", !route.versions.is_empty()),
    ] {
        if present {
            let message = format!("`{key}` has no effect on a route with `{action}`");
            problems.push(Problem::new(format!("{here}.{key}"), message));
        }
    }
}

fn split(here: &str, parts: &[SplitConfig], problems: &mut Vec<Problem>) {
    if parts.is_empty() {
        problems.push(Problem::new(here, "the split names no upstream"));
    } else if parts.iter().all(|part| part.weight == 0) {
        problems.push(Problem::new(here, "every weight is 0: nothing would be sent anywhere"));
    }
    for (index, part) in parts.iter().enumerate() {
        if parts[..index].iter().any(|first| first.upstream == part.upstream) {
            let message = format!("the upstream `{}` is in the split already", part.upstream);
            problems.push(Problem::new(format!("{here}[{index}].upstream"), message));
        }
    }
}

fn rewrite(here: &str, rewrite: &RewriteConfig, problems: &mut Vec<Problem>) {
    let prefixes = [("strip_prefix", &rewrite.strip_prefix), ("add_prefix", &rewrite.add_prefix)];
    if rewrite.path.is_some() {
        for (key, _) in prefixes.iter().filter(|(_, prefix)| prefix.is_some()) {
            let message = format!("`{key}` cannot stand together with `path`, which is the whole new path");
            problems.push(Problem::new(format!("{here}.{key}"), message));
        }
    }
    for (key, text) in prefixes.into_iter().chain([("path", &rewrite.path)]) {
        if let Some(text) = text.as_deref().filter(|text| !text.starts_with('/')) {
            problems.push(
                Problem::new(format!("{here}.{key}"), format!("`{text}` does not start with `/`"))
                    .hint(format!("write `/{text}`")),
            );
        }
    }
    if let Some(host) = &rewrite.host {
        fields::value(&format!("{here}.host"), host, problems);
    }
}

fn conditions(here: &str, matches: &MatchConfig, problems: &mut Vec<Problem>) {
    for (section, conditions) in [("headers", &matches.headers), ("query", &matches.query)] {
        for (name, condition) in conditions {
            let path = path::key(&format!("{here}.match.{section}"), name);
            if section == "headers" {
                fields::name(&path, name, problems);
            }
            if let ConditionConfig::Test(ConditionTest::Regex(pattern)) = condition
                && let Err(error) = regex::Regex::new(pattern)
            {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`{pattern}` is not a regular expression: {reason}");
                problems.push(Problem::new(format!("{path}.regex"), message));
            }
        }
    }
}
