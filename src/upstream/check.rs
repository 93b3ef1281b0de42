//! What is wrong with an upstream's configuration, beyond its types.

use std::collections::HashMap;

use super::{discovery::Origin, timeouts::ResolvedTimeouts};
use crate::config::{
    finding::Problem,
    upstream::{CircuitBreakerConfig, UpstreamConfig, UpstreamProtocol},
    values::Period,
};

/// Reads the backends and reports every problem with them.
pub(super) fn origins(config: &UpstreamConfig) -> (Vec<Origin>, Vec<Problem>) {
    let (mut origins, mut problems) = (Vec::new(), Vec::new());
    let mut seen = HashMap::new();
    if config.backends.is_empty() {
        problems.push(Problem::new("backends", "there is no backend").hint("write at least one `host:port`"));
    }
    for (index, backend) in config.backends.iter().enumerate() {
        let path = format!("backends[{index}]");
        if !(1..=1000).contains(&backend.weight()) {
            problems.push(
                Problem::new(
                    format!("{path}.weight"),
                    format!("the weight {} is not 1 to 1000", backend.weight()),
                )
                .hint("leave a backend out to send it nothing"),
            );
        }
        if let Some(first) = seen.insert(backend.address(), index) {
            problems.push(
                Problem::new(
                    &path,
                    format!("`{}` is listed twice, first as backends[{first}]", backend.address()),
                )
                .hint("use a weight to give a backend a larger share"),
            );
        }
        match Origin::parse(backend) {
            Ok(origin) => origins.push(origin),
            Err(message) => problems.push(Problem::new(path, message)),
        }
    }
    (origins, problems)
}

/// Reports values outside their range and options that contradict each other.
pub(super) fn ranges(config: &UpstreamConfig) -> Vec<Problem> {
    let mut problems: Vec<_> =
        ResolvedTimeouts::check(&config.timeouts).into_iter().map(|p| p.within("timeouts")).collect();
    let mut range = |path: &str, good: bool, message: String| {
        if !good {
            problems.push(Problem::new(path, message));
        }
    };
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let retry = &config.retry;
    range("retry.attempts", (1..=10).contains(&retry.attempts), format!("{} is not 1 to 10", retry.attempts));
    range("retry.budget", share(retry.budget), format!("{} is not a share from 0 to 1", retry.budget));
    let ejection = &config.ejection;
    range(
        "ejection.max_share",
        share(ejection.max_share),
        format!("{} is not a share from 0 to 1", ejection.max_share),
    );
    let ejects = ejection.consecutive_failures > 0;
    range("ejection.period", !ejects || positive(ejection.period), ABOVE_ZERO.into());
    range("dns.refresh", positive(config.dns.refresh), ABOVE_ZERO.into());
    range("dns.timeout", positive(config.dns.timeout), ABOVE_ZERO.into());
    range("keepalive.http2_streams", config.keepalive.http2_streams > 0, "0 streams carry no request".into());
    range("keepalive.http2_ping", config.keepalive.http2_ping.is_none_or(positive), ABOVE_ZERO.into());
    if let Some(check) = &config.health_check {
        range("health_check.interval", positive(check.interval), ABOVE_ZERO.into());
        range("health_check.timeout", positive(check.timeout), ABOVE_ZERO.into());
        range("health_check.healthy", check.healthy > 0, ABOVE_ZERO.into());
        range("health_check.unhealthy", check.unhealthy > 0, ABOVE_ZERO.into());
    }
    if let Some(breaker) = &config.circuit_breaker {
        problems.extend(circuit_breaker(breaker).into_iter().map(|p| p.within("circuit_breaker")));
    }
    if config.protocol == UpstreamProtocol::Auto && config.tls.is_none() {
        problems.push(
            Problem::new("protocol", "`auto` needs TLS: on plain text nothing negotiates the protocol")
                .hint("write `http1` or `http2`, or add `tls: {}`"),
        );
    }
    problems
}

const ABOVE_ZERO: &str = "must be more than 0";

fn positive(period: Period) -> bool {
    !period.get().is_zero()
}

fn circuit_breaker(config: &CircuitBreakerConfig) -> Vec<Problem> {
    let ratio = config.failure_ratio;
    [
        ("failure_ratio", ratio > 0.0 && ratio <= 1.0, "must be more than 0 and at most 1"),
        ("min_requests", config.min_requests > 0, ABOVE_ZERO),
        ("window", positive(config.window), ABOVE_ZERO),
        ("open_for", positive(config.open_for), ABOVE_ZERO),
        ("half_open_requests", config.half_open_requests > 0, ABOVE_ZERO),
    ]
    .into_iter()
    .filter(|(_, good, _)| !good)
    .map(|(path, _, message)| Problem::new(path, message))
    .collect()
}
