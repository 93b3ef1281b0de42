//! `traffic.auth:`, and what routes say of it.

mod rule;

use std::collections::BTreeSet;

use http::Method;

use super::{fields, not_zero};
use crate::config::{
    auth::{
        ApiKeysConfig, BasicConfig, ForwardAuthConfig, JwtConfig, KeysConfig, ProviderConfig, TokenSource,
    },
    finding::Problem,
    path,
    traffic::TrafficConfig,
    values::Name,
};

/// Bytes a shared secret should have: as many as the hash (RFC 7518 section 3.2).
const SECRET_MIN: usize = 32;

pub(super) fn check(traffic: &TrafficConfig, problems: &mut Vec<Problem>) {
    let mut used = BTreeSet::new();
    for (index, route) in traffic.routes.iter().enumerate() {
        let here = format!("traffic.routes[{index}]");
        used.extend(route.auth.iter().flat_map(|auth| auth.with.as_slice()));
        rule::check(&here, route, &traffic.auth, problems);
    }
    for (name, section) in &traffic.auth.providers {
        let here = path::key("traffic.auth.providers", name.as_str());
        if let Some((key, upstream)) = section.upstream()
            && !traffic.upstreams.contains_key(upstream)
        {
            let known = traffic.upstreams.keys().map(Name::as_str);
            let problem = Problem::new(format!("{here}.{key}"), format!("unknown upstream `{upstream}`"));
            problems.push(problem.did_you_mean(upstream.as_str(), known));
        }
        if !used.contains(name) {
            problems.push(Problem::warning(&here, format!("no route asks the provider `{name}`")));
        }
        provider(&here, section, problems);
    }
}

fn provider(here: &str, section: &ProviderConfig, problems: &mut Vec<Problem>) {
    match section {
        ProviderConfig::Jwt(jwt_config) => jwt(&format!("{here}.jwt"), jwt_config, problems),
        ProviderConfig::ApiKeys(keys) => api_keys(&format!("{here}.api_keys"), keys, problems),
        ProviderConfig::Basic(section) => basic(&format!("{here}.basic"), section, problems),
        ProviderConfig::Forward(section) => forward(&format!("{here}.forward"), section, problems),
    }
}

fn jwt(here: &str, jwt: &JwtConfig, problems: &mut Vec<Problem>) {
    let is_secret = matches!(jwt.keys, KeysConfig::Secret(_));
    for (index, algorithm) in jwt.algorithms.iter().enumerate() {
        if algorithm.is_symmetric() != is_secret {
            let (kind, hint) = match is_secret {
                true => ("a shared secret", "a secret goes with HS256, HS384 and HS512 only"),
                false => ("a public key", "whoever has the public key could sign tokens with it"),
            };
            let message = format!("`{algorithm:?}` is not for {kind}");
            problems.push(Problem::new(format!("{here}.algorithms[{index}]"), message).hint(hint));
        }
    }
    match &jwt.from {
        TokenSource::Header(name) => fields::name(&format!("{here}.from.header"), name, problems),
        TokenSource::Cookie(name) => cookie(&format!("{here}.from.cookie"), name, problems),
    }
    match &jwt.keys {
        KeysConfig::Secret(secret) if secret.expose().is_empty() => {
            let message = "an empty secret is no secret";
            problems.push(Problem::new(format!("{here}.keys.secret"), message).about_secret());
        }
        KeysConfig::Secret(secret) if secret.expose().len() < SECRET_MIN => {
            let message = format!("shorter than {SECRET_MIN} bytes: it can be guessed");
            problems.push(
                Problem::warning(format!("{here}.keys.secret"), message)
                    .hint("make one: `openssl rand -base64 32`")
                    .about_secret(),
            );
        }
        KeysConfig::Jwks(jwks) => {
            let here = format!("{here}.keys.jwks");
            target(&here, &jwks.path, jwks.host.as_deref(), problems);
            not_zero(format!("{here}.refresh"), jwks.refresh, problems);
            not_zero(format!("{here}.cooldown"), jwks.cooldown, problems);
            not_zero(format!("{here}.timeout"), jwks.timeout, problems);
        }
        KeysConfig::Secret(_) | KeysConfig::Pem(_) | KeysConfig::JwksFile(_) => {}
    }
}

fn cookie(here: &str, name: &str, problems: &mut Vec<Problem>) {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        problems.push(Problem::new(here, format!("`{name}` is not a cookie name")));
    }
}

/// Where a service is asked.
fn target(here: &str, path: &str, host: Option<&str>, problems: &mut Vec<Problem>) {
    if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
        problems.push(
            Problem::new(format!("{here}.path"), format!("`{path}` is not a path"))
                .hint("it begins with `/`"),
        );
    }
    if let Some(host) = host
        && host.parse::<http::uri::Authority>().is_err()
    {
        problems.push(Problem::new(format!("{here}.host"), format!("`{host}` is not a host")));
    }
}

fn api_keys(here: &str, section: &ApiKeysConfig, problems: &mut Vec<Problem>) {
    if section.header.is_none() && section.query.is_none() {
        problems.push(
            Problem::new(here, "nothing says where a request carries its key")
                .hint("add `header: X-API-Key`"),
        );
    }
    if let Some(name) = &section.header {
        fields::name(&format!("{here}.header"), name, problems);
    }
    for (index, key) in section.keys.iter().enumerate() {
        let earlier = &section.keys[..index];
        if earlier.iter().any(|other| other.id == key.id) {
            let message = format!("duplicate id `{}`", key.id);
            problems.push(Problem::new(format!("{here}.keys[{index}].id"), message));
        }
        if earlier.iter().any(|other| other.hash == key.hash) {
            let message = "two ids have the same key";
            problems.push(Problem::new(format!("{here}.keys[{index}].hash"), message).about_secret());
        }
    }
}

fn basic(here: &str, section: &BasicConfig, problems: &mut Vec<Problem>) {
    if let Some(realm) = &section.realm {
        fields::value(&format!("{here}.realm"), realm, problems);
    }
    for (index, user) in section.users.iter().enumerate() {
        let at = format!("{here}.users[{index}].name");
        if section.users[..index].iter().any(|other| other.name == user.name) {
            problems.push(Problem::new(at, format!("duplicate user `{}`", user.name)));
        } else if user.name.is_empty() || user.name.contains(':') {
            // RFC 7617 section 2: the first colon ends the name.
            let message = format!("`{}` is not a user's name: it is empty or has a colon", user.name);
            problems.push(Problem::new(at, message));
        }
    }
}

fn forward(here: &str, section: &ForwardAuthConfig, problems: &mut Vec<Problem>) {
    target(here, &section.path, section.host.as_deref(), problems);
    not_zero(format!("{here}.timeout"), section.timeout, problems);
    if !matches!(section.method.parse::<Method>(), Ok(Method::GET | Method::HEAD | Method::POST)) {
        let message = format!("expected `GET`, `HEAD` or `POST`, found `{}`", section.method);
        problems.push(Problem::new(format!("{here}.method"), message));
    }
    for (index, name) in section.send.iter().enumerate() {
        fields::name(&format!("{here}.send[{index}]"), name, problems);
    }
    let identity = &section.identity;
    let here = format!("{here}.identity");
    fields::name(&format!("{here}.subject"), &identity.subject, problems);
    for (key, name) in [("scopes", &identity.scopes), ("roles", &identity.roles)] {
        if let Some(name) = name {
            fields::name(&format!("{here}.{key}"), name, problems);
        }
    }
    for (claim, name) in &identity.claims {
        fields::name(&path::key(&format!("{here}.claims"), claim), name, problems);
    }
}
