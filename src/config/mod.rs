//! What the operator wrote: typed, validated, inert.
//!
//! Nothing here opens a socket, starts a thread or knows a request. `load` is
//! the only reader of disk and environment; every other file is plain data.

pub mod address;
pub mod api_version;
pub mod auth;
mod bounds;
pub mod cache;
mod decode;
pub mod difference;
mod document;
mod expand;
mod fault;
pub mod finding;
pub mod graphql;
pub mod headers;
pub mod load;
pub mod mapping;
mod merge;
mod otel;
pub mod path;
pub mod print;
pub mod process;
pub mod rate_limit;
pub mod redis;
mod repair;
pub mod route;
pub mod schema;
mod source;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod traffic;
mod tree;
pub mod upstream;
mod validate;
pub mod values;

pub use document::Config;
pub use source::Source;
