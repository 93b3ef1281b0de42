//! `traffic.rate_limits:`, and what routes name of them.

use std::{collections::BTreeSet, time::Duration};

use crate::config::{
    Config,
    finding::Problem,
    path,
    rate_limit::{RateLimitConfig, RateLimitUse},
    values::Name,
};

/// The longest that an empty bucket may take to fill.
const SLOWEST: Duration = Duration::from_secs(366 * 86_400);

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let traffic = &config.traffic;
    let can_share = config.process.limits_redis().is_some();
    let one = |here: &str, limit: &RateLimitConfig, problems: &mut Vec<Problem>| {
        if limit.shared && !can_share {
            problems.push(
                Problem::new(format!("{here}.shared"), "there is no Redis to share the limit by")
                    .hint("add `process.rate_limits.redis` or `process.cache.redis`"),
            );
        }
        numbers(here, limit, problems);
    };
    for (name, limit) in &traffic.rate_limits {
        one(&place(name), limit, problems);
    }
    let mut used = BTreeSet::new();
    for (index, route) in traffic.routes.iter().enumerate() {
        for (position, entry) in route.rate_limit.iter().enumerate() {
            let here = format!("traffic.routes[{index}].rate_limit[{position}]");
            let name = match entry {
                RateLimitUse::Own(limit) => {
                    one(&here, limit, problems);
                    continue;
                }
                RateLimitUse::Named(name) => name,
            };
            if !traffic.rate_limits.contains_key(name) {
                let known = traffic.rate_limits.keys().map(Name::as_str);
                let problem = Problem::new(here, format!("unknown rate limit `{name}`"));
                problems.push(problem.did_you_mean(name.as_str(), known));
            } else if route.rate_limit[..position].contains(entry) {
                let message = format!("the rate limit `{name}` is in the list already");
                problems.push(Problem::new(here, message));
            }
            used.insert(name);
        }
    }
    for name in traffic.rate_limits.keys().filter(|name| !used.contains(name)) {
        problems.push(Problem::warning(place(name), format!("no route names the rate limit `{name}`")));
    }
}

fn numbers(here: &str, limit: &RateLimitConfig, problems: &mut Vec<Problem>) {
    let fills = (limit.rate.period / limit.rate.requests.get()).checked_mul(limit.burst().get());
    if fills.is_none_or(|fills| fills > SLOWEST) {
        let message =
            format!("a burst of {} at {} takes longer than a year to refill", limit.burst(), limit.rate);
        problems.push(Problem::new(format!("{here}.burst"), message));
    }
    let methods = limit.methods.iter().flat_map(|methods| methods.as_slice());
    for method in methods.filter(|method| http::Method::from_bytes(method.as_bytes()).is_err()) {
        problems.push(Problem::new(format!("{here}.methods"), format!("`{method}` is not a method")));
    }
    if limit.methods.as_ref().is_some_and(|methods| methods.as_slice().is_empty()) {
        problems.push(
            Problem::new(format!("{here}.methods"), "names no method: nothing would be limited")
                .hint("leave the key out for all methods"),
        );
    }
}

fn place(name: &Name) -> String {
    path::key("traffic.rate_limits", name.as_str())
}
