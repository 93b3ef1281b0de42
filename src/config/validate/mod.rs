//! What the types cannot say: references, combinations, and texts with a grammar of their own.
//!
//! Every check adds a `Problem` and goes on. The grammar of path patterns
//! belongs to routing and is checked there.

mod auth;
mod fields;
mod graphql;
mod process;
mod rate_limit;
mod route;
mod trace;
mod upstream;

use std::path::Path;

use super::{
    Config,
    auth::{KeysConfig, PEM_MARK, ProviderConfig},
    finding::Problem,
    path,
    tls::CertificateConfig,
    values::Period,
};

/// All problems of a configuration.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    process::check(&config.process, &mut problems);
    for (name, upstream) in &config.traffic.upstreams {
        upstream::check(&upstream_path(name.as_str()), upstream, &mut problems);
    }
    rate_limit::check(config, &mut problems);
    route::check(&config.traffic, &mut problems);
    auth::check(&config.traffic, &mut problems);
    trace::check(config, &mut problems);
    graphql::check(config, &mut problems);
    fields::forwarding(&config.traffic.forwarding, &mut problems);
    fields::headers("traffic.headers", &config.traffic.headers, &mut problems);
    if let Some(security) = &config.traffic.security_headers {
        fields::security("traffic.security_headers", security, &mut problems);
    }
    problems
}

/// The files that must exist, with the path of the key that names them.
pub(super) fn referenced_files(config: &Config) -> Vec<(String, &Path)> {
    let mut files = Vec::new();
    for (index, listener) in config.process.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let here = format!("process.listeners[{index}].tls");
        for (index, pair) in tls.certificates.iter().enumerate() {
            pair_files(&format!("{here}.certificates[{index}]"), pair, &mut files);
        }
        if let Some(auth) = &tls.client_auth {
            files.push((format!("{here}.client_auth.ca"), auth.ca.as_path()));
        }
    }
    if let Some(ca) = config.process.cache.redis.as_ref().and_then(|redis| redis.tls.ca.as_deref()) {
        files.push(("process.cache.redis.tls.ca".to_owned(), ca));
    }
    trace::files(config, &mut files);
    if let Some(ca) = config.process.rate_limits.redis.as_ref().and_then(|redis| redis.tls.ca.as_deref()) {
        files.push(("process.rate_limits.redis.tls.ca".to_owned(), ca));
    }
    for (name, upstream) in &config.traffic.upstreams {
        let Some(tls) = &upstream.tls else { continue };
        let here = format!("{}.tls", upstream_path(name.as_str()));
        if let Some(ca) = &tls.ca {
            files.push((format!("{here}.ca"), ca.as_path()));
        }
        if let Some(pair) = &tls.client_certificate {
            pair_files(&format!("{here}.client_certificate"), pair, &mut files);
        }
    }
    for (name, provider) in &config.traffic.auth.providers {
        let ProviderConfig::Jwt(jwt) = provider else { continue };
        let here = format!("{}.jwt.keys", path::key("traffic.auth.providers", name.as_str()));
        match &jwt.keys {
            KeysConfig::Pem(pem) if !pem.contains(PEM_MARK) => {
                files.push((format!("{here}.pem"), Path::new(pem)));
            }
            KeysConfig::JwksFile(file) => files.push((format!("{here}.jwks_file"), file.as_path())),
            _ => {}
        }
    }
    files
}

fn pair_files<'a>(here: &str, pair: &'a CertificateConfig, files: &mut Vec<(String, &'a Path)>) {
    files.push((format!("{here}.certificate"), pair.certificate.as_path()));
    files.push((format!("{here}.key"), pair.key.as_path()));
}

fn upstream_path(name: &str) -> String {
    super::path::key("traffic.upstreams", name)
}

/// A period of zero would spin or give up at once.
fn not_zero(path: String, period: Period, problems: &mut Vec<Problem>) {
    if period == Period::default() {
        problems.push(Problem::new(path, "must be longer than zero"));
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
