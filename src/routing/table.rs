//! The table of all routes.

use std::ops::ControlFlow;

use super::{
    condition::Conditions,
    host::{HostMap, HostPattern},
    pattern::{Captures, PathPattern},
    request::RequestParts,
    tree::PathTree,
};
use crate::config::{finding::Problem, route::MatchConfig, values::OneOrMany};

/// One route to put into a table.
#[derive(Debug)]
pub struct Entry<'c, T> {
    /// Its name, for messages.
    pub name: &'c str,
    /// The requests it takes.
    pub matches: &'c MatchConfig,
    /// What a match yields.
    pub value: T,
}

/// All routes, compiled for lookup. The rules are in the [module](super)'s documentation.
#[derive(Debug)]
pub struct RouteTable<T> {
    routes: Vec<Route<T>>,
    hosts: HostMap<PathTree<Candidate>>,
}

#[derive(Debug)]
struct Route<T> {
    name: Box<str>,
    value: T,
    hosts: Vec<HostPattern>,
    paths: Vec<PathPattern>,
    conditions: Conditions,
}

/// One pair of host and path of a route: indices into the table and the route.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    route: usize,
    host: usize,
    path: usize,
}

/// The route that takes a request.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'t, 'r, T> {
    /// What the route was entered with.
    pub value: &'t T,
    /// The path pattern that matched, such as `/api/{version}/**`: of the few that an operator wrote.
    pub pattern: &'t str,
    /// What the pattern captured.
    pub captures: Captures<'t, 'r>,
}

/// A route whose host and path match a request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered<'t> {
    /// The name of the route.
    pub route: &'t str,
    /// The host pattern that matched, or `any host`.
    pub host: String,
    /// The path pattern that matched.
    pub pattern: &'t str,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a route that was considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It takes the request.
    Chosen,
    /// It does not: this condition failed.
    Failed(String),
    /// A route before it takes the request; whether its conditions hold was not asked.
    Outranked,
}

impl<T> RouteTable<T> {
    /// What the routes were entered with, in the order of the configuration.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.routes.iter().map(|route| &route.value)
    }

    /// Compiles routes in the order of the file.
    ///
    /// # Errors
    /// Every [`Problem`] of every route, at paths such as `[2].match.path`.
    pub fn build<'c>(entries: impl IntoIterator<Item = Entry<'c, T>>) -> Result<Self, Vec<Problem>> {
        let mut table = Self { routes: Vec::new(), hosts: HostMap::default() };
        let mut problems = Vec::new();
        for (index, Entry { name, matches, value }) in entries.into_iter().enumerate() {
            match Route::compile(name, matches, value) {
                Ok(route) => {
                    let found = table.insert(route, matches);
                    problems.extend(found.map(|problem| problem.within(&format!("[{index}].match"))));
                }
                Err(found) => {
                    problems.extend(found.into_iter().map(|p| p.within(&format!("[{index}].match"))));
                }
            }
        }
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    /// Enters a route under each of its hosts and paths; returns the first overlap.
    fn insert(&mut self, route: Route<T>, matches: &MatchConfig) -> Option<Problem> {
        let index = self.routes.len();
        self.routes.push(route);
        let route = &self.routes[index];
        let count = route.conditions.count();
        let mut problem = None;
        for (host, host_pattern) in route.hosts.iter().enumerate() {
            let tree = self.hosts.entry(host_pattern);
            for (path, path_pattern) in route.paths.iter().enumerate() {
                let candidates = tree.entry(path_pattern);
                if problem.is_none() {
                    let other = candidates.iter().find(|other| {
                        let other = &self.routes[other.route].conditions;
                        other.count() == count && route.conditions.imply(other)
                    });
                    problem = other.map(|other| {
                        let at = element(matches.path.as_ref(), "path", path);
                        let other = (other.route != index).then(|| &self.routes[other.route]);
                        overlap(at, route, other, host_pattern, path_pattern)
                    });
                }
                let rank = candidates.partition_point(|c| self.routes[c.route].conditions.count() >= count);
                candidates.insert(rank, Candidate { route: index, host, path });
            }
        }
        problem
    }

    /// The route that takes a request.
    ///
    /// Takes no lock, and allocates only for query conditions on values with escapes.
    pub fn find<'t, 'r>(&'t self, request: &RequestParts<'r>) -> Option<Matched<'t, 'r, T>> {
        let found = self.walk(request, |candidate, route| match route.conditions.failed(request) {
            Some(_) => ControlFlow::Continue(()),
            None => ControlFlow::Break((route, &route.paths[candidate.path])),
        });
        let (route, pattern) = found.break_value()?;
        Some(Matched {
            value: &route.value,
            pattern: pattern.as_str(),
            captures: Captures::new(pattern, request.path),
        })
    }

    /// Every route whose host and path match, in order of precedence, and why it was not chosen.
    pub fn explain(&self, request: &RequestParts<'_>) -> Vec<Considered<'_>> {
        let mut considered: Vec<Considered<'_>> = Vec::new();
        let mut chosen = false;
        let _ = self.walk(request, |candidate, route| {
            let outcome = match route.conditions.failed(request) {
                _ if chosen => Outcome::Outranked,
                Some(failed) => Outcome::Failed(failed.to_string()),
                None => Outcome::Chosen,
            };
            chosen |= outcome == Outcome::Chosen;
            considered.push(Considered {
                route: &route.name,
                host: route.hosts[candidate.host].to_string(),
                pattern: route.paths[candidate.path].as_str(),
                outcome,
            });
            ControlFlow::<()>::Continue(())
        });
        considered
    }

    /// Visits what matches by host and path, in order of precedence, until one breaks.
    fn walk<'t, B>(
        &'t self,
        request: &RequestParts<'_>,
        mut visit: impl FnMut(Candidate, &'t Route<T>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.hosts.walk(request.host, |tree| {
            tree.walk(request.path, &mut |candidate| visit(*candidate, &self.routes[candidate.route]))
        })
    }
}

impl<T> Route<T> {
    /// Problems have paths relative to `match`.
    fn compile(name: &str, config: &MatchConfig, value: T) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let hosts = list(config.host.as_ref(), "host", HostPattern::Any, HostPattern::parse, &mut problems);
        let paths = list(config.path.as_ref(), "path", PathPattern::any(), PathPattern::parse, &mut problems);
        let conditions = match Conditions::compile(config) {
            Ok(conditions) if problems.is_empty() => conditions,
            Ok(_) => return Err(problems),
            Err(found) => return Err([problems, found].concat()),
        };
        Ok(Self { name: name.into(), value, hosts, paths, conditions })
    }
}

/// Compiles a list of patterns of which none may be repeated; without list, the one for everything.
fn list<P: PartialEq>(
    config: Option<&OneOrMany<String>>,
    key: &str,
    everything: P,
    parse: impl Fn(&str) -> Result<P, Problem>,
    problems: &mut Vec<Problem>,
) -> Vec<P> {
    let Some(texts) = config else { return vec![everything] };
    if texts.as_slice().is_empty() {
        problems
            .push(Problem::new(key, "lists nothing").hint(format!("leave `{key}` out to take every one")));
    }
    let mut patterns = Vec::new();
    for (at, text) in texts.as_slice().iter().enumerate() {
        match parse(text) {
            Ok(pattern) if patterns.contains(&pattern) => {
                problems.push(Problem::new(element(config, key, at), format!("`{text}` is listed twice")));
            }
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => problems.push(problem.within(&element(config, key, at))),
        }
    }
    patterns
}

/// The path of one element of a key that takes one value or a list.
fn element(config: Option<&OneOrMany<String>>, key: &str, at: usize) -> String {
    match config {
        None => String::new(),
        Some(OneOrMany::One(_)) => key.to_owned(),
        Some(OneOrMany::Many(_)) => format!("{key}[{at}]"),
    }
}

/// `route` comes after `other` at the same host and path, and `other` takes all it would.
/// Without `other`, it is the route itself that has the place twice.
fn overlap<T>(
    at: String,
    route: &Route<T>,
    other: Option<&Route<T>>,
    host: &HostPattern,
    path: &PathPattern,
) -> Problem {
    let place = match host {
        HostPattern::Any => format!("`{}`", path.as_str()),
        host => format!("`{}` of `{host}`", path.as_str()),
    };
    let Some(other) = other else {
        return Problem::new(at, format!("{place} is taken twice by this route")).hint("remove one of them");
    };
    if other.conditions.imply(&route.conditions) {
        let message =
            format!("overlaps with route `{}`: both take {place} on the same conditions", other.name);
        return Problem::new(at, message).hint("remove one, or add a condition to one of them");
    }
    let message = format!("never gets {place}: route `{}` before it takes all such requests", other.name);
    Problem::new(at, message).hint(format!("put `{}` before `{}`", route.name, other.name))
}

#[cfg(test)]
mod tests;
