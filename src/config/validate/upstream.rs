//! One entry of `traffic.upstreams:`.

use std::net::Ipv6Addr;

use super::{fields, not_zero};
use crate::config::{
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
    ] {
        if let Some(period) = period {
            not_zero(format!("{here}.{key}"), period, problems);
        }
    }
}

fn backends(here: &str, backends: &[BackendConfig], problems: &mut Vec<Problem>) {
    for (index, backend) in backends.iter().enumerate() {
        let path = match backend {
            BackendConfig::Address(_) => format!("{here}.backends[{index}]"),
            BackendConfig::Weighted(_) => format!("{here}.backends[{index}].address"),
        };
        let address = backend.address();
        if let Err(problem) = host_and_port(&path, address) {
            problems.push(problem);
        } else if backends[..index].iter().any(|first| first.address() == address) {
            problems.push(
                Problem::new(path, format!("duplicate backend `{address}`"))
                    .hint("to send it more requests, give it a `weight`"),
            );
        }
    }
}

/// Accepts `host:port`, `192.0.2.1:80` and `[2001:db8::1]:80`.
fn host_and_port(path: &str, address: &str) -> Result<(), Problem> {
    let bad = |reason: &str| Problem::new(path, format!("`{address}` is not `host:port`: {reason}"));
    if let Some((scheme, rest)) = address.split_once("://") {
        let rest = rest.trim_end_matches('/');
        let tls = if scheme == "https" { ", and add `tls: {}` to the upstream" } else { "" };
        return Err(bad("it starts with a scheme").hint(format!("write `{rest}`{tls}")));
    }
    if address.parse::<Ipv6Addr>().is_ok() {
        return Err(bad("an IPv6 address needs brackets").hint(format!("write `[{address}]:80`")));
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(bad("the port is missing").hint(format!("write `{address}:80`")));
    };
    if port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(bad("the port is a number from 1 to 65535"));
    }
    let valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_host_byte),
    };
    if valid { Ok(()) } else { Err(bad("the host is not a name or an address")) }
}

fn is_host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_host_and_a_port() {
        for good in ["127.0.0.1:80", "orders.svc.local:8080", "[::1]:80", "my_host:1"] {
            assert_eq!(host_and_port("", good), Ok(()), "{good}");
        }
        for (bad, hint) in [
            ("localhost", Some("write `localhost:80`")),
            ("::1", Some("write `[::1]:80`")),
            ("https://a.b:1/", Some("write `a.b:1`, and add `tls: {}` to the upstream")),
            ("a:0", None),
            ("a:70000", None),
            (":80", None),
            ("a b:80", None),
            ("[x]:80", None),
        ] {
            assert_eq!(host_and_port("", bad).unwrap_err().hint.as_deref(), hint, "{bad}");
        }
    }
}
