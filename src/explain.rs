//! What would become of a request, worked out offline by the pure parts of the phases.

mod action;
mod auth;
mod cache;
mod graphql;
mod rate_limit;
mod version;

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use pingora_http::RequestHeader;
use serde::Serialize;

use self::action::Seen;
pub use self::graphql::Operation;
use crate::{
    config::upstream::ConcurrencyConfig,
    headers::Wished,
    phases::route,
    routing::{Considered, Outcome, RequestParts},
    runtime::{
        route::{Action, Route},
        snapshot::{Located, Snapshot},
    },
};

/// A made-up request.
pub struct Question {
    /// The method.
    pub method: Method,
    /// The URL, absolute or only a path.
    pub url: Uri,
    /// Header fields.
    pub headers: HeaderMap,
    /// The operation of GraphQL it brings.
    pub operation: Option<Operation>,
}

/// What would become of it.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Method, host and path as routing sees them.
    pub request: String,
    /// The route that takes it.
    pub route: Option<Taken>,
    /// Why the gateway would refuse it.
    pub refused: Option<String>,
    /// The routes looked at, in order of precedence.
    pub considered: Vec<String>,
}

/// The route that takes the request and what it does with it.
#[derive(Debug, Serialize)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// The path pattern that matched.
    pub pattern: String,
    /// The version of the API, a line for each thing there is to say of it.
    pub version: Vec<String>,
    /// What the path captured.
    pub captures: Vec<(String, String)>,
    /// What becomes of the request.
    pub action: String,
    /// The request target sent to the backend.
    pub target: Option<String>,
    /// The `Host` sent to the backend.
    pub host: Option<String>,
    /// The upstreams with their shares.
    pub upstreams: Vec<Share>,
    /// The limits that it must keep, a line for each.
    pub rate_limits: Vec<String>,
    /// Who calls, a line for each thing.
    pub auth: Vec<String>,
    /// What the cache does with it, a line for each thing.
    pub cache: Vec<String>,
    /// What the operation it brings would ask for, a line for each thing.
    pub plan: Vec<String>,
    /// Most bytes of a body.
    pub body_limit: u64,
}

/// One upstream a request may go to.
#[derive(Debug, Serialize)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// Its share of the requests, in percent.
    pub percent: f64,
    /// How a backend is chosen.
    pub balance: String,
    /// The backends.
    pub backends: Vec<String>,
    /// Limits on time.
    pub timeouts: String,
    /// Attempts in all.
    pub attempts: u8,
    /// Requests at once, and those that wait. `None`: as many as come.
    pub concurrency: Option<ConcurrencyConfig>,
}

impl Question {
    /// Reads a question from the words of a command line.
    ///
    /// # Errors
    /// A sentence saying which word is wrong.
    pub fn parse(method: &str, url: &str, fields: &[String]) -> Result<Self, String> {
        let method = method.parse().map_err(|_| format!("`{method}` is not a method"))?;
        let url: Uri = url.parse().map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) =
                field.split_once(':').ok_or_else(|| format!("`{field}` is not `Name: value`"))?;
            let name: HeaderName =
                name.trim().parse().map_err(|_| format!("`{name}` is not a header name"))?;
            let value = HeaderValue::from_str(value.trim())
                .map_err(|_| format!("the value of `{name}` is not a header value"))?;
            headers.append(name, value);
        }
        Ok(Self { method, url, headers, operation: None })
    }

    /// The request as a signed wish names it; `None` without a host.
    pub fn wished(&self) -> Option<Wished<'_>> {
        let host = self.url.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| self.headers.get(http::header::HOST)?.to_str().ok())?;
        let target = self.url.path_and_query().map_or("/", |target| target.as_str());
        Some(Wished { method: &self.method, host, target })
    }

    fn header(&self) -> pingora_core::Result<RequestHeader> {
        let target = self.url.path_and_query().map_or("/", |target| target.as_str());
        let mut request = RequestHeader::build(self.method.clone(), target.as_bytes(), None)?;
        for (name, value) in &self.headers {
            request.append_header(name.clone(), value.clone())?;
        }
        if let Some(authority) = self.url.authority() {
            request.insert_header(http::header::HOST, authority.as_str())?;
        }
        Ok(request)
    }
}

/// Works out what would become of a request.
///
/// # Errors
/// If the question is not a request at all.
pub fn explain(snapshot: &Snapshot, question: &Question) -> pingora_core::Result<Explanation> {
    let mut request = question.header()?;
    snapshot.identity_fields.strip(&mut request);
    let sent = route::parts(&request);
    let path = snapshot.paths.apply(sent.path);
    let literal = RequestParts { path: path.as_deref().unwrap_or(sent.path), ..sent };
    let unversioned = snapshot.unversioned(literal.path);
    let located = snapshot.locate(&literal, unversioned.as_ref());
    let parts = located.as_ref().map_or(literal, |located| located.parts);
    let considered = snapshot.routes.explain(&parts).iter().map(describe).collect();
    let host = if parts.host.is_empty() { "(no host)" } else { parts.host };
    let described = format!("{} {host} {}", request.method, request.uri);
    if let Err(why) = &path {
        let refused = Some(format!("400 suspicious_path: {why}"));
        return Ok(Explanation { request: described, route: None, refused, considered });
    }
    let Some(Located { matched, stated, .. }) = located else {
        let refused = Some("404 no_route".to_owned());
        return Ok(Explanation { request: described, route: None, refused, considered });
    };
    let route: &Route = matched.value;
    let version = version::of(snapshot, route, &parts, stated);
    let (unserved, served) = match &version {
        Some(Ok(version)) => (version.refused.clone(), route.served(version.wish.version)),
        Some(Err(refused)) => (Some(refused.clone()), None),
        None => (None, None),
    };
    let auth::Caller { lines: auth, identity, refused } = auth::caller(route, &parts);
    let refused = unserved.or(refused);
    let seen = Seen { snapshot, sent: &sent, parts: &parts, captures: &matched.captures };
    let becomes = action::of(&seen, route, served);
    let action = if refused.is_some() { "refused".to_owned() } else { becomes.action };
    let cache = |config| cache::lines(config, route, &parts, &matched.captures, identity.as_deref());
    let plan = match (&route.action, &question.operation) {
        (Action::Graphql(graphql), Some(operation)) => {
            graphql::lines(graphql, operation, identity.as_deref())
        }
        _ => Vec::new(),
    };
    let config = snapshot.config.routes.iter().find(|config| config.name.as_str() == route.name);
    let taken = Taken {
        name: route.name.clone(),
        pattern: matched.pattern.to_owned(),
        version: version.and_then(Result::ok).map_or_else(Vec::new, |version| version.lines),
        captures: matched.captures.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        action,
        target: becomes.target,
        host: becomes.host.filter(|host| !host.is_empty()),
        upstreams: becomes.upstreams,
        auth,
        rate_limits: config
            .map_or_else(Vec::new, |config| rate_limit::lines(&snapshot.config, config, route, parts.method)),
        cache: config.map_or_else(Vec::new, cache),
        plan,
        body_limit: route.body_limit,
    };
    Ok(Explanation { request: described, route: Some(taken), refused, considered })
}

fn describe(considered: &Considered<'_>) -> String {
    let Considered { route, host, pattern, outcome } = considered;
    let outcome = match outcome {
        Outcome::Chosen => "chosen".to_owned(),
        Outcome::Failed(condition) => format!("not taken: {condition}"),
        Outcome::Outranked => "outranked".to_owned(),
    };
    format!("{route} ({host}, {pattern}): {outcome}")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request    {}", self.request)?;
        if let Some(refused) = &self.refused {
            writeln!(f, "refused    {refused}")?;
        }
        if let Some(route) = &self.route {
            writeln!(f, "route      {} (pattern {})", route.name, route.pattern)?;
            for (name, value) in &route.captures {
                writeln!(f, "           {{{name}}} = {value}")?;
            }
            for (index, line) in route.version.iter().enumerate() {
                writeln!(f, "{:<11}{line}", if index == 0 { "version" } else { "" })?;
            }
            writeln!(f, "action     {}", route.action)?;
            if let Some(target) = &route.target {
                writeln!(f, "target     {target}")?;
            }
            if let Some(host) = &route.host {
                writeln!(f, "host       {host}")?;
            }
            for (name, lines) in [
                ("auth", &route.auth),
                ("limits", &route.rate_limits),
                ("cache", &route.cache),
                ("plan", &route.plan),
            ] {
                for (index, line) in lines.iter().enumerate() {
                    writeln!(f, "{:<11}{line}", if index == 0 { name } else { "" })?;
                }
            }
            for share in &route.upstreams {
                writeln!(
                    f,
                    "upstream   {} ({:.1} %), {}: {}",
                    share.name,
                    share.percent,
                    share.balance,
                    share.backends.join(", ")
                )?;
                writeln!(f, "           {}; at most {} attempts", share.timeouts, share.attempts)?;
                if let Some(ConcurrencyConfig { limit, queue, queue_timeout }) = &share.concurrency {
                    writeln!(
                        f,
                        "           {limit} requests at once, {queue} wait for {queue_timeout} at most"
                    )?;
                }
            }
        }
        writeln!(f, "considered")?;
        for considered in &self.considered {
            writeln!(f, "           {considered}")?;
        }
        Ok(())
    }
}
