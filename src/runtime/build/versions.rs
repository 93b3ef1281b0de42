//! How a route serves the versions of the API.

use std::sync::Arc;

use super::{Problems, RouteBuilder, rules};
use crate::{
    api_version::{VersionIndex, Versions},
    config::{
        api_version::{ServedVersionConfig, VersionName},
        finding::Problem,
        route::{RewriteConfig, RouteConfig},
    },
    headers::{HeaderRules, Message},
    routing::{Rewrite, WeightedSplit},
    runtime::route::{Served, Target},
};

/// Rules on header fields that hold for all versions of a route.
pub(super) struct RouteRules<'a> {
    pub request: &'a HeaderRules,
    pub response: &'a HeaderRules,
}

impl RouteBuilder<'_> {
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
        let chain = chain(route, name, own).map_err(|problem| problems.0.push(problem)).ok()?;
        let (speaker, service) = *chain.last()?;
        if own.via.is_some() {
            for (key, there) in [("upstream", own.upstream.is_some()), ("path", own.path.is_some())] {
                if there {
                    let problem = Problem::new(key, "has no effect beside `via`");
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
        for (_, step) in &chain {
            let none = Default::default();
            let of = rules(&none, &step.headers.request, Message::Request);
            request = request.then(&problems.take("headers.request", of)?);
            let of = rules(&none, &step.headers.response, Message::Response);
            response = response.then(&problems.take("headers.response", of)?);
        }
        let spoken: VersionIndex = versions.index(speaker)?;
        Some(Served {
            spoken,
            upstreams,
            path,
            request_headers: request,
            response_headers: response,
            metrics: self.resources.metrics.api_versions().route(route.name.as_str(), name.as_str()),
        })
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

/// From a version to the one whose service answers, itself first.
fn chain<'a>(
    route: &'a RouteConfig,
    name: &'a VersionName,
    own: &'a ServedVersionConfig,
) -> Result<Vec<(&'a VersionName, &'a ServedVersionConfig)>, Problem> {
    let mut chain = vec![(name, own)];
    let mut step = own;
    while let Some(next) = &step.via {
        let Some((next, section)) = route.versions.get_key_value(next) else {
            let known = route.versions.keys().map(VersionName::as_str);
            let problem = Problem::new("via", format!("this route does not serve `{next}`"));
            return Err(problem.did_you_mean(next.as_str(), known));
        };
        if chain.iter().any(|(seen, _)| *seen == next) {
            return Err(Problem::new("via", "leads back to where it came from"));
        }
        chain.push((next, section));
        step = section;
    }
    Ok(chain)
}
