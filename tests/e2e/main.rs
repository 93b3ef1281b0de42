//! Stories about the real binary: given a configuration and an origin's script,
//! when a client asks, then this comes back and that was sent upstream.
//!
//! One binary, so that it links once; its list of modules is the list of what
//! nilegate can do. Every test starts its own gateway on its own ports and
//! waits on conditions, never for a time.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on says so and ends")]
#![allow(dead_code, reason = "the harness offers more than any one story needs")]

mod harness;

// The harness keeps its own promises.
mod harness_works;

mod alerting;
mod api_versions;
mod auth;
mod cache;
mod commands;
mod concurrency;
mod connections;
mod dashboards;
mod demo;
mod explain_header;
mod graphql;
mod headers;
mod hostile_input;
mod logs;
mod mapped;
mod metrics;
mod observability;
mod protocols;
mod proxy_protocol;
mod rate_limit;
mod reload;
mod resilience;
mod routing;
mod scale_out;
mod scripts;
mod shutdown;
mod slow_clients;
mod supervised;
mod tls;
mod tracing;
mod tunnels;
mod upstreams;
mod version_matrix;
mod versions;
