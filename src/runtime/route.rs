//! The plan of a route: everything a request needs, resolved when the snapshot is built.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::{
    auth::AuthRule,
    cache::{compress::Compression, key::Tag, policy::CachePolicy, tags::TagTemplates},
    config::route::ServeConfig,
    headers::{HeaderRules, SecurityHeaders},
    routing::{Redirect, Rewrite, WeightedSplit},
    telemetry::metrics::{RouteCacheMetrics, RouteMetrics, UpstreamMetrics},
    upstream::{ResolvedTimeouts, RetryPolicy, Upstream},
};

/// What becomes of the requests that match.
pub struct Route {
    /// The configured name, in metrics and logs.
    pub name: String,
    /// Where the answer comes from.
    pub action: Action,
    /// Who may ask. `None`: anybody.
    pub auth: Option<AuthRule>,
    /// Most bytes of a request's body.
    pub body_limit: u64,
    /// Changes to the request target.
    pub rewrite: Option<Rewrite>,
    /// Rules on the fields sent to the backend.
    pub request_headers: HeaderRules,
    /// Rules on the fields sent to the client.
    pub response_headers: HeaderRules,
    /// Protective fields of the response.
    pub security_headers: Option<SecurityHeaders>,
    /// What is kept of its responses.
    pub cache: Option<RouteCache>,
    /// Tags that a successful unsafe request takes out of the cache.
    pub on_write: TagTemplates,
    /// Handles of the route's metric series.
    pub metrics: Arc<RouteMetrics>,
}

/// What is kept of the responses of a route.
pub struct RouteCache {
    /// The rules.
    pub policy: CachePolicy,
    /// Compression for clients.
    pub compression: Option<Compression>,
    /// The tag of everything the route keeps.
    pub tag: Tag,
    /// Handles of the metric series of the route's cache.
    pub metrics: Arc<RouteCacheMetrics>,
}

/// Where the answer of a route comes from.
pub enum Action {
    /// From an upstream, chosen by weight when there are several.
    Proxy(WeightedSplit<Arc<Target>>),
    /// A redirect.
    Redirect(Redirect),
    /// What the gateway knows of itself.
    Serve(ServeConfig),
    /// A fixed response.
    Respond {
        /// The status code.
        status: StatusCode,
        /// The media type of the body.
        content_type: HeaderValue,
        /// The body.
        body: Bytes,
    },
}

/// One upstream as one route uses it.
pub struct Target {
    /// The group of backends.
    pub upstream: Arc<Upstream>,
    /// Limits on time: the route's over the upstream's over the defaults.
    pub timeouts: ResolvedTimeouts,
    /// The route's own rule for repeating a failed attempt.
    pub retry: Option<RetryPolicy>,
    /// Handles of the upstream's metric series.
    pub metrics: Arc<UpstreamMetrics>,
}
