//! Every metric family of the process.
//!
//! The parts that know a request, an upstream or a listener hold *handles*:
//! [`RouteMetrics`], [`UpstreamMetrics`], [`ListenerMetrics`]. Labels are
//! resolved when a handle is made; on the hot path a handle only adds to
//! atomics. A handle's series live as long as the handle: dropping the last
//! reference to a route or an upstream, after a reload, removes them.
//!
//! Label values come from configuration or from closed enums, never from a
//! request, and each family has a limit of series on top of that.

mod api_version;
mod auth;
mod cache;
mod connections;
mod explain;
mod family;
mod filter;
mod graphql;
mod handles;
mod instrument;
mod link;
mod listener;
pub mod open_metrics;
mod process;
mod rate_limit;
mod registry;
mod route;
mod runtime;
mod scope;
mod tier;
mod trace;
mod upstream;

pub use api_version::ApiVersionFamilies;
pub use auth::AuthMetrics;
pub use cache::{CacheFamilies, RouteCacheMetrics};
pub use connections::{ConnectionCounter, UpstreamConnections};
pub use explain::{ExplainMetrics, ExplainResult};
pub use filter::{Filter, FilterMetrics};
pub use graphql::GraphqlMetrics;
pub use handles::Handles;
pub use instrument::{Counter, Gauge, Histogram};
pub use link::LinkMetrics;
pub use listener::{ConnectionGuard, ListenerMetrics};
pub use process::ProcessMetrics;
pub use rate_limit::{LimitFamilies, LimitMetrics, SharedLimitMetrics};
pub use registry::{FamilyName, Metrics, MetricsError};
pub use route::{InFlight, RouteMetrics};
pub use runtime::RuntimeMetrics;
pub use tier::TierMetrics;
pub use trace::TraceMetrics;
pub use upstream::UpstreamMetrics;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

#[cfg(test)]
mod tests;
