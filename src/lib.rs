#![doc = include_str!("ARCHITECTURE.md")]

// Floor 1: what the operator wrote.
pub mod config;
// Floor 2: how the process speaks about itself, how it reads, and how it reaches Redis.
pub mod grammar;
pub mod redis;
pub mod telemetry;
// Floor 3: capabilities, which do not know each other.
pub mod api_version;
pub mod auth;
pub mod cache;
pub mod downstream;
pub mod framing;
pub mod graphql;
pub mod headers;
pub mod local_response;
pub mod mapping;
pub mod proxy_protocol;
pub mod rate_limit;
pub mod routing;
pub mod tls;
pub mod upstream;
// Floor 4: compiled state.
pub mod runtime;
// Floor 5: one step of a request each.
pub mod phases;
// Floor 6: what the outside touches.
pub mod demo;
pub mod explain;
pub mod proxy;
pub mod services;
pub mod tasks;
// Floor 7: the composition root.
pub mod server;
// Floor 8: the command line.
pub mod cli;
