//! From the `traffic:` section to a snapshot, reporting every problem at once.

mod graphql;
mod versions;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use self::versions::{RouteRules, VERSION_LIST};
use super::{
    graphql::Graphql,
    resources::Resources,
    route::{Action, Route, RouteCache, Target},
    snapshot::{NamedUpstream, Snapshot},
};
use crate::{
    api_version::Versions,
    auth::{AuthRule, Authenticator},
    cache::{compress::Compression, policy::CachePolicy, tags::TagTemplates},
    config::{
        finding::Problem,
        headers::HeaderRulesConfig,
        path::key,
        rate_limit::RateLimitUse,
        route::{MatchConfig, RespondConfig, RouteConfig},
        traffic::TrafficConfig,
        values::{Name, OneOrMany},
    },
    headers::{Forwarding, HeaderRules, IdentityFields, Message, SecurityHeaders},
    mapping::Mapping,
    rate_limit::{Limit, RouteLimits, Scope},
    routing::{Entry, PathPolicy, Redirect, Rewrite, RouteTable, WeightedSplit, captures_of},
    upstream::{RetryPolicy, Upstream},
};

/// Compiles a snapshot. Upstreams whose configuration did not change are taken
/// over from the previous snapshot with their health, pools and breakers.
///
/// # Errors
/// All problems of the section, with paths below `traffic`.
pub fn build(
    config: &TrafficConfig,
    resources: &Resources,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, Vec<Problem>> {
    let mut problems = Problems::default();
    let upstreams = upstreams(config, resources, previous, &mut problems);
    let mappings = mappings(config, &mut problems);
    let forwarding = problems.take("traffic.forwarding", Forwarding::compile(&config.forwarding));
    let before = previous.map(|previous| &previous.auth);
    let auth = Authenticator::build(&config.auth, before, resources.identity_secret, &resources.metrics);
    let auth = problems.take("traffic.auth", auth);
    let versions = match &config.api_versions {
        Some(section) => problems.take("traffic.api_versions", Versions::compile(section)).map(Arc::new),
        None => None,
    };
    let graphql =
        config.graphql.as_ref().and_then(|section| graphql::compile(section, previous, &mut problems));
    let builder = RouteBuilder {
        config,
        graphql: graphql.as_ref(),
        resources,
        upstreams: &upstreams,
        auth: auth.as_ref(),
        versions: versions.as_deref(),
        mappings: &mappings,
    };
    let listing = listing_match(config);
    let mut routes = Vec::with_capacity(config.routes.len());
    for (index, route) in config.routes.iter().enumerate() {
        let at = format!("traffic.routes[{index}]");
        let mut found = Problems::default();
        if let Some(compiled) = builder.route(route, &mut found) {
            let name = route.name.as_str();
            routes.push(Entry { name, matches: &route.matches, value: Arc::new(compiled) });
        }
        problems.add(&at, found.0);
    }
    if let Some(matches) = &listing {
        routes.extend(builder.listing(&mut problems).map(|route| Entry {
            name: VERSION_LIST,
            matches,
            value: Arc::new(route),
        }));
    }
    if !problems.0.is_empty() {
        // The table reports on every route, so that overlaps show up beside the rest.
        let entries = config.routes.iter();
        let entries = entries.map(|r| Entry { name: r.name.as_str(), matches: &r.matches, value: () });
        problems.take("traffic.routes", RouteTable::build(entries));
        return Err(problems.0);
    }
    let spells_versions = routes.iter().any(|entry| entry.value.spells_version);
    let graphql = builder.graphql_route(&routes, &mut problems);
    let table = problems.take("traffic.routes", RouteTable::build(routes));
    match (table, forwarding, auth) {
        (Some(routes), Some(forwarding), Some(auth)) => Ok(Snapshot {
            generation: previous.map_or(1, |p| p.generation + 1),
            routes,
            paths: PathPolicy::new(&config.paths),
            versions,
            spells_versions,
            caches: config.routes.iter().any(|route| route.cache.is_some()),
            upstreams,
            auth,
            identity_fields: identity_fields(config),
            graphql,
            forwarding: Arc::new(forwarding),
            config: config.clone(),
        }),
        _ => Err(problems.0),
    }
}

/// The requests for the list of the versions.
fn listing_match(config: &TrafficConfig) -> Option<MatchConfig> {
    config.api_versions.as_ref().map(|section| MatchConfig {
        path: Some(OneOrMany::One(section.list_path().into_owned())),
        method: Some(OneOrMany::One("GET".to_owned())),
        ..MatchConfig::default()
    })
}

/// The fields that any route forwards an identity in.
fn identity_fields(config: &TrafficConfig) -> IdentityFields {
    let rules = config.routes.iter().filter_map(|route| route.auth.as_ref());
    IdentityFields::new(rules.flat_map(|auth| auth.forward.keys().map(String::as_str)))
}

fn upstreams(
    config: &TrafficConfig,
    resources: &Resources,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> BTreeMap<String, NamedUpstream> {
    let mut built = BTreeMap::new();
    for (name, section) in &config.upstreams {
        let before = previous.and_then(|p| p.upstreams.get(name.as_str())).map(|named| &named.upstream);
        let at = format!("traffic.upstreams.{name}");
        if let Some(upstream) = problems.take(&at, Upstream::build(name.as_str(), section, before)) {
            let metrics = resources.metrics.upstream(name.as_str());
            built.insert(name.to_string(), NamedUpstream { upstream, metrics });
        }
    }
    built
}

/// A mapping that fails its own tests is a problem like any other.
fn mappings(config: &TrafficConfig, problems: &mut Problems) -> BTreeMap<String, Arc<Mapping>> {
    let mut compiled = BTreeMap::new();
    for (name, section) in &config.mappings {
        let at = key("traffic.mappings", name.as_str());
        if let Some(mapping) = problems.take(&at, Mapping::compile(section)) {
            problems.add(&at, mapping.run_tests());
            compiled.insert(name.to_string(), Arc::new(mapping));
        }
    }
    compiled
}

/// What every route of a section is compiled with.
struct RouteBuilder<'a> {
    config: &'a TrafficConfig,
    resources: &'a Resources,
    upstreams: &'a BTreeMap<String, NamedUpstream>,
    versions: Option<&'a Versions>,
    mappings: &'a BTreeMap<String, Arc<Mapping>>,
    /// `None` also if something is wrong there, which has been reported.
    graphql: Option<&'a Arc<Graphql>>,
    /// `None` if something is wrong there, which has been reported.
    auth: Option<&'a Authenticator>,
}

impl RouteBuilder<'_> {
    fn route(&self, route: &RouteConfig, problems: &mut Problems) -> Option<Route> {
        let action = self.action(route, problems);
        let rewrite = route.rewrite.as_ref().map_or(Some(None), |rewrite| {
            problems.take("rewrite", Rewrite::compile(rewrite, &route.matches)).map(Some)
        });
        let security = route.security_headers.as_ref().or(self.config.security_headers.as_ref());
        let security = match security {
            Some(section) => problems.take("security_headers", SecurityHeaders::compile(section)).map(Some),
            None => Some(None),
        };
        let common = &self.config.headers;
        let request = rules(&common.request, &route.headers.request, Message::Request);
        let request = problems.take("headers.request", request);
        let response = rules(&common.response, &route.headers.response, Message::Response);
        let response = problems.take("headers.response", response);
        let auth = self.auth(route, problems);
        let captures = captures_of(&route.matches);
        let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
        let cache = self.cache(route, &captures, problems);
        let on_write = problems.take("on_write", TagTemplates::compile(&route.on_write, &captures));
        let (request, response) = (request?, response?);
        let common = RouteRules { request: &request, response: &response };
        let versions = self.versions(route, &common, problems);
        let rate_limits = self.rate_limits(route, problems);
        Some(Route {
            versions: versions?,
            spells_version: self.spells_version(route),
            name: route.name.to_string(),
            action: action?,
            rate_limits: rate_limits?,
            auth: auth?,
            body_limit: route.body_limit.unwrap_or(self.resources.limits.body).get(),
            rewrite: rewrite?,
            request_headers: request,
            response_headers: response,
            security_headers: security?,
            cache: cache?,
            on_write: on_write?,
            tracing: self.resources.route_tracing(route.tracing.as_ref()),
            metrics: self.resources.metrics.route(route.name.as_str()),
        })
    }

    fn auth(&self, route: &RouteConfig, problems: &mut Problems) -> Option<Option<AuthRule>> {
        let Some(section) = &route.auth else { return Some(None) };
        problems.take("auth", self.auth?.rule(section)).map(Some)
    }

    fn cache(
        &self,
        route: &RouteConfig,
        captures: &[&str],
        problems: &mut Problems,
    ) -> Option<Option<RouteCache>> {
        let Some(section) = &route.cache else { return Some(None) };
        let policy = problems.take("cache", CachePolicy::compile(section, captures))?;
        let compression = match policy.compress() {
            Some(section) => Some(problems.take("cache.compress", Compression::compile(section))?),
            None => None,
        };
        let name = route.name.as_str();
        let store = self.resources.cache;
        Some(Some(RouteCache {
            policy,
            scope: match &route.auth {
                None => name.into(),
                Some(auth) => format!("{name} {}", fingerprint(auth)).into(),
            },
            compression,
            tag: store.keys().tag("route", name.as_bytes()),
            metrics: store.metrics().route(name),
        }))
    }

    /// The limits of a route. One of its own is called after the route and its place.
    fn rate_limits(&self, route: &RouteConfig, problems: &mut Problems) -> Option<RouteLimits> {
        let resources = self.resources;
        let mut limits = Vec::with_capacity(route.rate_limit.len());
        for (index, entry) in route.rate_limit.iter().enumerate() {
            let at = format!("rate_limit[{index}]");
            let (name, config) = match entry {
                RateLimitUse::Own(config) => (format!("{}#{}", route.name, index + 1), config),
                RateLimitUse::Named(name) => match self.config.rate_limits.get(name) {
                    Some(config) => (name.to_string(), config),
                    None => {
                        problems.0.push(Problem::new(at, format!("unknown rate limit `{name}`")));
                        continue;
                    }
                },
            };
            let is_named = matches!(entry, RateLimitUse::Named(_));
            let scope = Scope { name: &name, route: route.name.as_str(), is_named };
            let metrics = resources.metrics.rate_limits().limit(&name);
            let limit = Limit::compile(scope, config, &resources.rate_limits, metrics);
            limits.extend(problems.take(&at, limit));
        }
        Some(RouteLimits::new(limits))
    }

    fn action(&self, route: &RouteConfig, problems: &mut Problems) -> Option<Action> {
        if route.upstream.is_some() || route.split.is_some() {
            return self.split(route, problems).map(Action::Proxy);
        }
        if !route.versions.is_empty() {
            return Some(Action::Versioned);
        }
        if let Some(redirect) = &route.redirect {
            let redirect = problems.take("redirect", Redirect::compile(redirect, &route.matches));
            return redirect.map(Action::Redirect);
        }
        if let Some(respond) = &route.respond {
            return respond_action(respond, problems);
        }
        if route.graphql.is_some() {
            return self.graphql(problems);
        }
        if let Some(served) = route.serve {
            return Some(Action::Serve(served));
        }
        problems.0.push(Problem::new(
            "",
            format!("route `{}` says nothing of what becomes of its requests", route.name),
        ));
        None
    }

    /// The route's own upstreams.
    fn split(&self, route: &RouteConfig, problems: &mut Problems) -> Option<WeightedSplit<Arc<Target>>> {
        if let Some(upstream) = &route.upstream {
            let target = self.target(route, upstream, "upstream", problems)?;
            return problems.take("upstream", WeightedSplit::new(vec![(target, 1)]));
        }
        let parts = route.split.as_deref()?;
        let mut targets = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let at = format!("split[{index}].upstream");
            targets.push((self.target(route, &part.upstream, &at, problems)?, part.weight));
        }
        problems.take("split", WeightedSplit::new(targets))
    }

    fn target(
        &self,
        route: &RouteConfig,
        name: &Name,
        at: &str,
        problems: &mut Problems,
    ) -> Option<Arc<Target>> {
        if !self.config.upstreams.contains_key(name) {
            problems.0.push(Problem::new(at, format!("unknown upstream `{name}`")));
            return None;
        }
        // Known but not built: its own problems have been reported.
        let named = self.upstreams.get(name.as_str())?;
        Some(Arc::new(Target {
            upstream: Arc::clone(&named.upstream),
            timeouts: named.upstream.timeouts(route.timeouts.as_ref()),
            retry: route.retry.clone().map(RetryPolicy::new),
            metrics: Arc::clone(&named.metrics),
        }))
    }
}

/// Stands for a part of the configuration in keys of the cache.
fn fingerprint(config: &impl Serialize) -> blake3::Hash {
    blake3::hash(&serde_json::to_vec(config).unwrap_or_default())
}

/// The rules of all routes, then those of one.
fn rules(
    common: &HeaderRulesConfig,
    own: &HeaderRulesConfig,
    message: Message,
) -> Result<HeaderRules, Vec<Problem>> {
    Ok(HeaderRules::compile(common, message)?.then(&HeaderRules::compile(own, message)?))
}

fn respond_action(respond: &RespondConfig, problems: &mut Problems) -> Option<Action> {
    let status = problems.status("respond.status", respond.status);
    let content_type = problems.header_value("respond.content_type", &respond.content_type);
    Some(Action::Respond {
        status: status?,
        content_type: content_type?,
        body: Bytes::from(respond.body.clone()),
    })
}

/// The problems found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, at: &str, found: Vec<Problem>) {
        self.0.extend(found.into_iter().map(|problem| problem.within(at)));
    }

    /// The value, or nothing after its problems have been written down.
    fn take<T>(&mut self, at: &str, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|found| self.add(at, found)).ok()
    }

    fn header_value(&mut self, at: &str, text: &str) -> Option<HeaderValue> {
        let value = HeaderValue::from_str(text);
        value.map_err(|_| self.0.push(Problem::new(at, "not a valid header field value"))).ok()
    }

    fn status(&mut self, at: &str, code: u16) -> Option<StatusCode> {
        let status = StatusCode::from_u16(code);
        status.map_err(|_| self.0.push(Problem::new(at, format!("{code} is not a status code")))).ok()
    }
}
