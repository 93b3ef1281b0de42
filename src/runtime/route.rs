//! The plan of a route: everything a request needs, resolved when the snapshot is built.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::graphql::Graphql;
use crate::{
    api_version::VersionIndex,
    auth::AuthRule,
    cache::{compress::Compression, key::Tag, policy::CachePolicy, tags::TagTemplates},
    config::route::ServeConfig,
    headers::{HeaderRules, SecurityHeaders},
    mapping::exchange::Orders,
    rate_limit::RouteLimits,
    routing::{Redirect, Rewrite, WeightedSplit},
    telemetry::{
        api_version::VersionOrigin,
        metrics::{Counter, Handles, RouteCacheMetrics, RouteMetrics, UpstreamMetrics},
        trace::RouteTracing,
    },
    upstream::{ResolvedTimeouts, RetryPolicy, Upstream},
};

/// What becomes of the requests that match.
pub struct Route {
    /// The configured name, in metrics and logs.
    pub name: String,
    /// Where the answer comes from.
    pub action: Action,
    /// How each version of the API is served, by its index. Empty: the route has no versions.
    pub versions: Box<[Option<Served>]>,
    /// Whether a path of the route names a version itself.
    pub spells_version: bool,
    /// Limits that its requests must keep.
    pub rate_limits: RouteLimits,
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
    /// How its requests are traced. `None` when they are not.
    pub tracing: Option<RouteTracing>,
    /// Handles of the route's metric series.
    pub metrics: Arc<RouteMetrics>,
}

impl Route {
    /// Whether its requests have a version of the API.
    pub fn is_versioned(&self) -> bool {
        !self.versions.is_empty()
    }

    /// How it serves a version; `None`: it does not.
    pub fn served(&self, version: VersionIndex) -> Option<&Served> {
        self.versions.get(version.get())?.as_ref()
    }
}

/// How a route serves one version of the API.
pub struct Served {
    /// The version that the service speaks.
    pub spoken: VersionIndex,
    /// The service.
    pub upstreams: WeightedSplit<Arc<Target>>,
    /// The path there. `None`: the path of the version that is spoken.
    pub path: Option<Rewrite>,
    /// What becomes of bodies on the way, where another version is spoken.
    pub mapping: Option<BodyMapping>,
    /// The name by which its responses are kept and tagged: another one as soon as they are made
    /// in another way, so that nobody gets, or goes on with, what an earlier mapping has left in.
    pub kept_as: Box<str>,
    /// Rules on the fields sent to the backend, those of the route included.
    pub request_headers: HeaderRules,
    /// Rules on the fields sent to the client, those of the route included.
    pub response_headers: HeaderRules,
    /// Counts the requests for the version.
    pub metrics: Handles<VersionOrigin, Counter>,
}

/// What becomes of bodies between the version of the client and that of the service.
pub struct BodyMapping {
    /// The names of the mappings on the way, the client's first.
    pub names: Vec<String>,
    /// What the session with the backend does, but for what depends on the request.
    pub orders: Orders,
}

/// What is kept of the responses of a route.
pub struct RouteCache {
    /// The rules.
    pub policy: CachePolicy,
    /// What keeps its responses apart from those of other routes, and from its own of when it
    /// asked otherwise who calls.
    pub scope: Box<str>,
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
    /// From the services that speak the versions of the API.
    Versioned,
    /// The list of the versions.
    VersionList,
    /// From the services behind other routes, as a GraphQL operation asks for.
    Graphql(Arc<Graphql>),
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
