//! How a route serves the versions of the API.

use std::sync::Arc;

use super::{Problems, RouteBuilder, fingerprint, rules};
use crate::{
    api_version::{VersionIndex, Versions},
    cache::tags::TagTemplates,
    config::{
        api_version::{ServedVersionConfig, VersionName},
        finding::Problem,
        headers::HeaderRulesConfig,
        mapping::MappingConfig,
        route::{RewriteConfig, RouteConfig},
        values::{Name, OneOrMany},
    },
    headers::{HeaderRules, Message, SecurityHeaders},
    mapping::{Mapping, exchange::Orders},
    rate_limit::RouteLimits,
    routing::{Rewrite, WeightedSplit},
    runtime::route::{Action, BodyMapping, Route, Served, Target},
};

/// Rules on header fields that hold for all versions of a route.
pub(super) struct RouteRules<'a> {
    pub request: &'a HeaderRules,
    pub response: &'a HeaderRules,
}

/// The name of the route that lists the versions. Names of configured routes cannot start with `_`.
pub(super) const VERSION_LIST: &str = "_api_versions";

impl RouteBuilder<'_> {
    /// Whether a path of the route names a version itself.
    pub(super) fn spells_version(&self, route: &RouteConfig) -> bool {
        let paths = route.matches.path.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
        self.versions.is_some_and(|versions| paths.iter().any(|path| versions.split(path).is_some()))
    }

    /// The route that lists the versions.
    pub(super) fn listing(&self, problems: &mut Problems) -> Option<Route> {
        self.bare(VERSION_LIST, Action::VersionList, problems)
    }

    /// A route that nobody has configured: what holds for all routes holds for it.
    pub(super) fn bare(&self, name: &str, action: Action, problems: &mut Problems) -> Option<Route> {
        let common = &self.config.headers;
        let none = HeaderRulesConfig::default();
        let security = self.config.security_headers.as_ref();
        let security = security
            .map(|section| problems.take("traffic.security_headers", SecurityHeaders::compile(section)));
        Some(Route {
            name: name.to_owned(),
            action,
            rate_limits: RouteLimits::new(Vec::new()),
            auth: None,
            versions: Box::default(),
            spells_version: false,
            body_limit: self.resources.limits.body.get(),
            rewrite: None,
            request_headers: HeaderRules::default(),
            response_headers: problems
                .take("traffic.headers", rules(&common.response, &none, Message::Response))?,
            security_headers: security.flatten(),
            cache: None,
            on_write: TagTemplates::default(),
            tracing: self.resources.route_tracing(None),
            metrics: self.resources.metrics.route(name),
        })
    }

    /// One entry for each version of the API; none at all for a route without versions.
    pub(super) fn versions(
        &self,
        route: &RouteConfig,
        common: &RouteRules<'_>,
        problems: &mut Problems,
    ) -> Option<Box<[Option<Served>]>> {
        if route.versions.is_empty() {
            return Some(Box::default());
        }
        let versions = match (self.versions, &self.config.api_versions) {
            (Some(versions), _) => versions,
            // Its own problems have been reported.
            (None, Some(_)) => return None,
            (None, None) => {
                let problem = Problem::new("versions", "there are no versions of the API");
                problems.0.push(problem.hint("name them in `traffic.api_versions`"));
                return None;
            }
        };
        let before = problems.0.len();
        if route
            .rewrite
            .as_ref()
            .is_some_and(|r| *r != RewriteConfig { host: r.host.clone(), ..Default::default() })
        {
            let problem = Problem::new("rewrite", "changes the path, which each version does for itself");
            problems.0.push(problem.hint("use `versions.<version>.path`"));
        }
        for name in route.versions.keys().filter(|name| versions.index(name).is_none()) {
            let problem = Problem::new(format!("versions.{name}"), format!("there is no version `{name}`"));
            let known = versions.all().map(|index| versions.name(index));
            problems.0.push(problem.did_you_mean(name.as_str(), known));
        }
        let served: Vec<Option<Served>> = versions
            .all()
            .map(|index| {
                let name: VersionName = versions.name(index).parse().ok()?;
                let own = route.versions.get(&name)?;
                let mut found = Problems::default();
                let served = self.served(route, &name, own, versions, common, &mut found);
                problems.add(&format!("versions.{name}"), found.0);
                served
            })
            .collect();
        (problems.0.len() == before).then(|| served.into())
    }

    fn served(
        &self,
        route: &RouteConfig,
        name: &VersionName,
        own: &ServedVersionConfig,
        versions: &Versions,
        common: &RouteRules<'_>,
        problems: &mut Problems,
    ) -> Option<Served> {
        let chain = self.chain(route, name, own).map_err(|problem| problems.0.push(problem)).ok()?;
        let Step { name: speaker, section: service, .. } = *chain.last()?;
        if chain.len() > 1 {
            for (key, there) in [("upstream", own.upstream.is_some()), ("path", own.path.is_some())] {
                if there {
                    let problem = Problem::new(key, "has no effect where another version's service answers");
                    problems.0.push(problem.hint(format!("write it under `{speaker}`")));
                }
            }
        }
        // What is wrong with another version is told under its own name.
        let mut elsewhere = Problems::default();
        let problems = if chain.len() == 1 { problems } else { &mut elsewhere };
        let upstreams = self.upstreams_of(route, service, problems)?;
        let path = match &service.path {
            None => None,
            Some(path) => {
                let config = RewriteConfig { path: Some(path.clone()), ..Default::default() };
                let compiled = Rewrite::compile(&config, &route.matches);
                Some(compiled.map_err(|found| problems.0.extend(found)).ok()?)
            }
        };
        let (mut request, mut response) = (common.request.clone(), common.response.clone());
        // The service's own rules last: what it is asked is closest to it.
        for Step { section, .. } in &chain {
            let none = Default::default();
            let of = rules(&none, &section.headers.request, Message::Request);
            request = request.then(&problems.take("headers.request", of)?);
            let of = rules(&none, &section.headers.response, Message::Response);
            response = response.then(&problems.take("headers.response", of)?);
        }
        let spoken: VersionIndex = versions.index(speaker)?;
        let kept_as = self.kept_as(name, &chain);
        Some(Served {
            spoken,
            upstreams,
            mapping: mapping(&chain, &kept_as),
            kept_as,
            path,
            request_headers: request,
            response_headers: response,
            metrics: self.resources.metrics.api_versions().route(route.name.as_str(), name.as_str()),
        })
    }

    /// Names the version, who answers for it and all mappings on the way.
    fn kept_as(&self, version: &VersionName, chain: &[Step<'_>]) -> Box<str> {
        if chain.len() == 1 {
            return version.as_str().into();
        }
        let steps = chain.iter().map(|step| {
            let mapping = step.mapping.and_then(|(name, ..)| {
                let (_, section) = self.config.mappings.iter().find(|(known, _)| known.as_str() == name)?;
                // Its tests change nothing.
                Some(MappingConfig { tests: Vec::new(), ..section.clone() })
            });
            (step.name, mapping)
        });
        let made = fingerprint(&steps.collect::<Vec<_>>()).to_hex();
        format!("{version}.{}", &made[..16]).into()
    }

    fn upstreams_of(
        &self,
        route: &RouteConfig,
        service: &ServedVersionConfig,
        problems: &mut Problems,
    ) -> Option<WeightedSplit<Arc<Target>>> {
        if let Some(upstream) = &service.upstream {
            let target = self.target(route, upstream, "upstream", problems)?;
            return problems.take("upstream", WeightedSplit::new(vec![(target, 1)]));
        }
        if route.upstream.is_none() && route.split.is_none() {
            let problem = Problem::new("", "says nothing of the service that speaks it");
            problems.0.push(problem.hint("add `upstream`, here or to the route, or `via`"));
            return None;
        }
        // Problems of the route's own upstreams are told once, by the route.
        self.split(route, &mut Problems::default())
    }
}

/// One version on the way from the client's to the service's.
#[derive(Clone, Copy)]
struct Step<'a> {
    name: &'a VersionName,
    section: &'a ServedVersionConfig,
    /// What leads from the version before to this one, and whether that is its newer side.
    mapping: Option<(&'a str, &'a Mapping, bool)>,
}

impl RouteBuilder<'_> {
    /// From a version to the one whose service answers, itself first.
    fn chain<'a>(
        &'a self,
        route: &'a RouteConfig,
        name: &'a VersionName,
        own: &'a ServedVersionConfig,
    ) -> Result<Vec<Step<'a>>, Problem> {
        let mut chain = vec![Step { name, section: own, mapping: None }];
        let mut step = chain[0];
        while let Some((key, next, mapping)) = self.next(step)? {
            let Some((name, section)) = route.versions.iter().find(|(name, _)| name.as_str() == next) else {
                let known = route.versions.keys().map(VersionName::as_str);
                let problem = Problem::new(key, format!("this route does not serve `{next}`"));
                return Err(problem.did_you_mean(next, known));
            };
            if chain.iter().any(|step| step.name == name) {
                return Err(Problem::new(key, "leads back to where it came from"));
            }
            step = Step { name, section, mapping };
            chain.push(step);
        }
        Ok(chain)
    }

    /// The key that names the next version, that version, and the mapping that leads there.
    #[expect(clippy::type_complexity, reason = "what a step is made of")]
    fn next<'a>(
        &'a self,
        step: Step<'a>,
    ) -> Result<Option<(&'static str, &'a str, Option<(&'a str, &'a Mapping, bool)>)>, Problem> {
        match (&step.section.via, &step.section.map) {
            (None, None) => Ok(None),
            (Some(next), None) => Ok(Some(("via", next.as_str(), None))),
            (Some(_), Some(_)) => {
                Err(Problem::new("via", "has no effect beside `map`, which names both versions"))
            }
            (None, Some(name)) => {
                if !self.config.mappings.contains_key(name) {
                    let known = self.config.mappings.keys().map(Name::as_str);
                    let problem = Problem::new("map", format!("unknown mapping `{name}`"));
                    return Err(problem.did_you_mean(name.as_str(), known));
                }
                // Known but not built: its own problems have been reported.
                let Some((name, mapping)) = self.mappings.get_key_value(name.as_str()) else {
                    return Ok(None);
                };
                let (from, to) = (mapping.from.as_str(), mapping.to.as_str());
                let own = step.name.as_str();
                let (next, upwards) = match (own == from, own == to) {
                    (true, _) => (to, true),
                    (_, true) => (from, false),
                    _ => {
                        let message = format!("`{name}` is between `{from}` and `{to}`, not of `{own}`");
                        return Err(Problem::new("map", message));
                    }
                };
                Ok(Some(("map", next, Some((name, mapping, upwards)))))
            }
        }
    }
}

/// What becomes of bodies along a chain.
fn mapping(chain: &[Step<'_>], kept_as: &str) -> Option<BodyMapping> {
    let steps: Vec<_> = chain.iter().filter_map(|step| step.mapping).collect();
    let ways: Vec<_> = steps.iter().map(|(_, mapping, upwards)| (*mapping, *upwards)).collect();
    Some(BodyMapping {
        names: steps.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        orders: Orders::along(&ways, kept_as)?,
    })
}
