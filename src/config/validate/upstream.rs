//! One entry of `traffic.upstreams:`.

use super::{fields, not_zero};
use crate::config::{
    address::HostPort,
    finding::Problem,
    upstream::{BackendConfig, BalanceConfig, HashOn, TimeoutsConfig, UpstreamConfig, UpstreamProtocol},
};

pub(super) fn check(here: &str, upstream: &UpstreamConfig, problems: &mut Vec<Problem>) {
    backends(here, &upstream.backends, problems);
    if upstream.protocol == UpstreamProtocol::Auto && upstream.tls.is_none() {
        problems.push(
            Problem::new(format!("{here}.protocol"), "`protocol: auto` needs `tls`: ALPN is part of TLS")
                .hint("add `tls: {}`, or write `http1` or `http2`"),
        );
    }
    if let BalanceConfig::ConsistentHash(on) = &upstream.balance {
        let path = format!("{here}.balance.consistent_hash");
        match on {
            HashOn::Header(name) => fields::name(&format!("{path}.header"), name, problems),
            HashOn::Cookie(name) if http::HeaderName::from_bytes(name.as_bytes()).is_err() => {
                let message = format!("`{name}` is not a cookie name");
                problems.push(Problem::new(format!("{path}.cookie"), message));
            }
            HashOn::Cookie(_) | HashOn::ClientAddress | HashOn::Path => {}
        }
    }
    if let Some(check) = &upstream.health_check {
        if let Some(path) = check.path.as_deref().filter(|path| !path.starts_with('/')) {
            problems.push(
                Problem::new(
                    format!("{here}.health_check.path"),
                    format!("`{path}` does not start with `/`"),
                )
                .hint(format!("write `/{path}`")),
            );
        }
        if let Some(host) = &check.host {
            fields::value(&format!("{here}.health_check.host"), host, problems);
        }
        not_zero(format!("{here}.health_check.interval"), check.interval, problems);
        not_zero(format!("{here}.health_check.timeout"), check.timeout, problems);
    }
    if let Some(breaker) = &upstream.circuit_breaker {
        not_zero(format!("{here}.circuit_breaker.window"), breaker.window, problems);
        not_zero(format!("{here}.circuit_breaker.open_for"), breaker.open_for, problems);
        if breaker.failure_ratio == 0.0 {
            problems.push(
                Problem::new(format!("{here}.circuit_breaker.failure_ratio"), "must be more than 0")
                    .hint("`0.01` opens it once one attempt in a hundred fails"),
            );
        }
    }
    if upstream.ejection.consecutive_failures > 0 {
        not_zero(format!("{here}.ejection.period"), upstream.ejection.period, problems);
    }
    if let Some(concurrency) = upstream.concurrency.as_ref().filter(|concurrency| concurrency.queue > 0) {
        not_zero(format!("{here}.concurrency.queue_timeout"), concurrency.queue_timeout, problems);
    }
    if let Some(period) = upstream.keepalive.http2_ping {
        not_zero(format!("{here}.keepalive.http2_ping"), period, problems);
    }
    not_zero(format!("{here}.dns.refresh"), upstream.dns.refresh, problems);
    not_zero(format!("{here}.dns.timeout"), upstream.dns.timeout, problems);
    timeouts(&format!("{here}.timeouts"), &upstream.timeouts, problems);
}

pub(super) fn timeouts(here: &str, timeouts: &TimeoutsConfig, problems: &mut Vec<Problem>) {
    for (key, period) in [
        ("connect", timeouts.connect),
        ("first_byte", timeouts.first_byte),
        ("read", timeouts.read),
        ("write", timeouts.write),
        ("total", timeouts.total),
        ("tunnel", timeouts.tunnel),
    ] {
        if period.is_some_and(|period| period.get().is_zero()) {
            problems.push(
                Problem::new(format!("{here}.{key}"), "a timeout of 0 would fail every request")
                    .hint("leave the key out for the default, or write a long period such as `24h`"),
            );
        }
    }
}

fn backends(here: &str, backends: &[BackendConfig], problems: &mut Vec<Problem>) {
    for (index, backend) in backends.iter().enumerate() {
        let path = format!("{here}.{}", backend.path(index));
        let address = backend.address();
        if let Err(problem) = HostPort::parse(address) {
            problems.push(problem.within(&path));
        } else if backends[..index].iter().any(|first| first.address() == address) {
            problems.push(
                Problem::new(path, format!("duplicate backend `{address}`"))
                    .hint("to send it more requests, give it a `weight`"),
            );
        }
    }
}
