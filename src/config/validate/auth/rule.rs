//! What routes say of identity, and what a cache needs to know beside it.

use crate::config::{
    auth::{AuthConfig, AuthMode, RequireConfig, RouteAuthConfig},
    cache::PartitionConfig,
    finding::Problem,
    path,
    route::RouteConfig,
    validate::fields,
    values::Name,
};

pub fn check(here: &str, route: &RouteConfig, known: &AuthConfig, problems: &mut Vec<Problem>) {
    match &route.auth {
        None => without(here, route, problems),
        Some(auth) => {
            demands(&format!("{here}.auth"), auth, known, problems);
            cached(here, route, problems);
        }
    }
}

fn demands(here: &str, auth: &RouteAuthConfig, known: &AuthConfig, problems: &mut Vec<Problem>) {
    let with = auth.with.as_slice();
    if with.is_empty() {
        problems.push(
            Problem::new(format!("{here}.with"), "names no provider, so nobody could ever be admitted")
                .hint("name one of `traffic.auth.providers`, or leave `auth` out"),
        );
    }
    for (index, name) in with.iter().enumerate() {
        if !known.providers.contains_key(name) {
            let names = known.providers.keys().map(Name::as_str);
            let at = format!("{here}.{}", auth.with_path(index));
            let problem = Problem::new(at, format!("unknown provider `{name}`"));
            problems.push(problem.did_you_mean(name.as_str(), names));
        } else if with[..index].contains(name) {
            problems.push(Problem::new(format!("{here}.with[{index}]"), format!("`{name}` is named twice")));
        }
    }
    for field in auth.forward.keys() {
        fields::name(&path::key(&format!("{here}.forward"), field), field, problems);
    }
    if auth.mode == AuthMode::Optional && auth.require.is_some() {
        problems.push(
            Problem::new(
                format!("{here}.require"),
                "would refuse callers who say who they are, and `mode: optional` admits those who do not",
            )
            .hint("leave out one of the two"),
        );
    }
    if auth.require == Some(RequireConfig::default()) {
        problems.push(
            Problem::new(format!("{here}.require"), "demands nothing").hint("leave it out, or add `all:`"),
        );
    }
}

/// Where nobody is asked who calls, nothing can go by it.
fn without(here: &str, route: &RouteConfig, problems: &mut Vec<Problem>) {
    let partition = route.cache.as_ref().and_then(|cache| cache.partition.as_ref());
    if let Some(partition @ (PartitionConfig::Claim(_) | PartitionConfig::Roles)) = partition {
        let message = format!("`{partition}` needs somebody who has it: the route has no `auth`");
        problems.push(
            Problem::new(format!("{here}.cache.partition"), message)
                .hint("add `auth: { with: … }`, or separate users by `header:` or `cookie:`"),
        );
    }
}

/// What is kept for people who had to say who they are must not reach others by an oversight.
fn cached(here: &str, route: &RouteConfig, problems: &mut Vec<Problem>) {
    let Some(cache) = &route.cache else { return };
    if cache.partition.is_none() && !cache.shared {
        problems.push(
            Problem::new(
                format!("{here}.cache"),
                format!(
                    "the route `{}` asks who calls, but its cache does not say for whom it keeps",
                    route.name
                ),
            )
            .hint(
                "add `partition: claim:sub` (or another claim, or `roles`) to keep one copy for each, or \
                 `shared: true` if the answer is the same for everybody who is admitted",
            ),
        );
    }
}
