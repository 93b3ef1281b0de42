//! How the process speaks about itself: metrics, traces, the access log,
//! its own log.
//!
//! Nothing here knows what a request is: callers hand in plain data. The label
//! values of metrics and the words of the access log come from the same enums,
//! in [`reason`] and [`label`], so that the two can be joined.

pub mod access_log;
pub mod api_version;
pub mod auth;
pub mod cache;
pub mod graphql;
pub mod label;
pub mod log;
pub mod metrics;
pub mod reason;
pub mod recent;
pub mod supervisor;
pub mod trace;
