//! Which limits a request would have to keep.

use http::Method;

use crate::{
    config::{
        rate_limit::{RateLimitConfig, RateLimitUse},
        route::RouteConfig,
        traffic::TrafficConfig,
    },
    runtime::route::Route,
};

/// One line for each limit that concerns the method. What goes by what was verified of the
/// caller goes by the address where nothing was.
pub fn lines(traffic: &TrafficConfig, config: &RouteConfig, route: &Route, method: &Method) -> Vec<String> {
    let limits = config.rate_limit.iter().enumerate().filter_map(|(index, entry)| match entry {
        RateLimitUse::Own(limit) => Some((format!("{}#{}", config.name, index + 1), limit)),
        RateLimitUse::Named(name) => Some((name.to_string(), traffic.rate_limits.get(name)?)),
    });
    let concerned = limits.filter(|(name, _)| route.rate_limits.concerns(name, method));
    concerned.map(|(name, limit)| line(&name, limit)).collect()
}

fn line(name: &str, limit: &RateLimitConfig) -> String {
    let RateLimitConfig { rate, by, shared, .. } = limit;
    let kept = if *shared { "by all nodes together" } else { "by this node" };
    format!("{name}: {rate}, {} at once, for each {by}, kept {kept}", limit.burst())
}
