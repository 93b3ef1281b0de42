//! The `process:` section.

use std::{net::SocketAddr, time::Duration};

use super::not_zero;
use crate::config::{
    finding::Problem,
    process::{ListenerConfig, ProcessConfig, ShutdownConfig},
    telemetry::{AccessLogConfig, AccessLogOutput, ExplainConfig},
};

/// Whoever has a signed wish of another need not be kept out for long.
const EXPLAIN_MAX: Duration = Duration::from_secs(3600);
/// Bytes of a secret that nobody guesses.
const EXPLAIN_SECRET_MIN: usize = 32;
/// Kubernetes kills a process 30 s after SIGTERM by default.
const SHUTDOWN_MAX: Duration = Duration::from_secs(29);

pub(super) fn check(process: &ProcessConfig, problems: &mut Vec<Problem>) {
    listeners(&process.listeners, problems);
    if let Some(graphql) = &process.graphql {
        let here = "process.graphql.address";
        port(here, graphql.address, problems);
        if let Some(taken) = process.listeners.iter().find(|other| overlap(other.address, graphql.address)) {
            let message = format!("the address `{}` is taken by `{}` already", graphql.address, taken.name());
            problems.push(Problem::new(here, message));
        }
        if let Some(at) = process.listeners.iter().position(|listener| listener.name() == "graphql") {
            let message = "the name `graphql` is that of the listener in `process.graphql`";
            problems.push(Problem::new(format!("process.listeners[{at}].name"), message));
        }
    }
    if let Some(admin) = &process.admin {
        port("process.admin.address", admin.address, problems);
        if admin.token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            problems.push(Problem::new("process.admin.token", "an empty token is no token").about_secret());
        }
        let all = process.all_listeners();
        let taken = all.iter().find(|listener| overlap(listener.address, admin.address));
        if let Some(listener) = taken {
            let message =
                format!("the admin port needs an address of its own: `{}` listens here", listener.name());
            problems.push(Problem::new("process.admin.address", message));
        }
    }
    let limits = &process.limits;
    for (key, period) in [
        ("header_timeout", limits.header_timeout),
        ("idle_timeout", limits.idle_timeout),
        ("body_timeout", limits.body_timeout),
        ("write_timeout", limits.write_timeout),
    ] {
        not_zero(format!("process.limits.{key}"), period, problems);
    }
    not_zero("process.reload.interval".to_owned(), process.reload.interval, problems);
    if let Some(redis) = &process.cache.redis {
        problems.extend(redis.problems().into_iter().map(|it| it.within("process.cache.redis")));
    }
    if let Some(redis) = &process.rate_limits.redis {
        problems.extend(redis.problems().into_iter().map(|it| it.within("process.rate_limits.redis")));
    }
    not_zero("process.rate_limits.budget".to_owned(), process.rate_limits.budget, problems);
    shutdown(&process.shutdown, problems);
    access_log(&process.telemetry.access_log, problems);
    if let Some(config) = &process.telemetry.explain {
        explain(config, problems);
    }
}

fn listeners(listeners: &[ListenerConfig], problems: &mut Vec<Problem>) {
    for (index, listener) in listeners.iter().enumerate() {
        let here = format!("process.listeners[{index}]");
        port(&format!("{here}.address"), listener.address, problems);
        let earlier = &listeners[..index];
        if let Some(first) = earlier.iter().find(|first| overlap(first.address, listener.address)) {
            let message =
                format!("the address `{}` is taken by `{}` already", listener.address, first.name());
            problems.push(Problem::new(format!("{here}.address"), message));
        } else if earlier.iter().any(|first| first.name() == listener.name()) {
            let key = if listener.name.is_some() { ".name" } else { "" };
            problems.push(
                Problem::new(
                    format!("{here}{key}"),
                    format!("duplicate listener name `{}`", listener.name()),
                )
                .hint("give the listener a `name` of its own"),
            );
        }
    }
}

fn port(path: &str, address: SocketAddr, problems: &mut Vec<Problem>) {
    if address.port() == 0 {
        problems.push(Problem::new(path, "port 0 is not a port to listen on"));
    }
}

/// Whether two sockets cannot be bound at once.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && (a.ip() == b.ip() || (same_family && everywhere))
}

fn shutdown(shutdown: &ShutdownConfig, problems: &mut Vec<Problem>) {
    let (drain, delay) = (shutdown.drain_timeout.get(), shutdown.delay.get());
    if drain > SHUTDOWN_MAX {
        problems.push(Problem::new("process.shutdown.drain_timeout", "must be at most 29s"));
    } else if drain.saturating_add(delay) > SHUTDOWN_MAX {
        let message = "`delay` and `drain_timeout` together must be at most 29s";
        problems.push(Problem::new("process.shutdown.delay", message));
    }
}

fn explain(explain: &ExplainConfig, problems: &mut Vec<Problem>) {
    if explain.secret.expose().len() < EXPLAIN_SECRET_MIN {
        let message = format!("shorter than {EXPLAIN_SECRET_MIN} bytes: it can be guessed");
        problems.push(
            Problem::new("process.telemetry.explain.secret", message)
                .hint("make one: `openssl rand -base64 32`")
                .about_secret(),
        );
    }
    if !(Duration::from_secs(1)..=EXPLAIN_MAX).contains(&explain.lifetime.get()) {
        problems
            .push(Problem::new("process.telemetry.explain.lifetime", "must be at least 1s and at most 1h"));
    }
}

fn access_log(log: &AccessLogConfig, problems: &mut Vec<Problem>) {
    match (log.output, &log.file) {
        (AccessLogOutput::File, None) => problems.push(
            Problem::new("process.telemetry.access_log.output", "`output: file` needs the key `file`")
                .hint("name it: `file: /var/log/nilegate/access.log`"),
        ),
        (AccessLogOutput::Stdout, Some(_)) => problems.push(
            Problem::new("process.telemetry.access_log.file", "`file` has no effect without `output: file`")
                .hint("add `output: file`, or leave `file` out"),
        ),
        _ => {}
    }
}
