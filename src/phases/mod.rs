//! One step of a request each.
//!
//! A phase takes headers and the context; it takes `Session` only to act on
//! it. Nothing here keeps state between requests, and nothing here looks
//! anything up by name: the route that was matched holds all there is.

pub mod admit;
pub mod answer;
pub mod api_version;
pub mod auth;
pub mod cache;
pub mod context;
pub mod deadline;
pub mod explain;
pub mod failure;
pub mod graphql;
pub mod headers;
pub mod inner;
pub mod invalidate;
pub mod mapping;
pub mod memory;
pub mod observe;
pub mod rate_limit;
pub mod rejection;
pub mod route;
pub mod steps;
pub mod trace;
pub mod upstream;
