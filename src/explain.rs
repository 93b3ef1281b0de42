//! What would become of a request, worked out offline by the pure parts of the phases.

mod auth;
mod cache;

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use pingora_http::RequestHeader;
use serde::Serialize;

use crate::{
    config::route::ServeConfig,
    phases::route,
    routing::{Considered, Outcome, RequestParts},
    runtime::{
        route::{Action, Route, Target},
        snapshot::Snapshot,
    },
    upstream::ResolvedTimeouts,
};

/// A made-up request.
pub struct Question {
    /// The method.
    pub method: Method,
    /// The URL, absolute or only a path.
    pub url: Uri,
    /// Header fields.
    pub headers: HeaderMap,
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
    /// Who calls, a line for each thing.
    pub auth: Vec<String>,
    /// What the cache does with it, a line for each thing.
    pub cache: Vec<String>,
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
        Ok(Self { method, url, headers })
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
    let request = question.header()?;
    let sent = route::parts(&request);
    let path = snapshot.paths.apply(sent.path);
    let parts = RequestParts { path: path.as_deref().unwrap_or(sent.path), ..sent };
    let considered = snapshot.routes.explain(&parts).iter().map(describe).collect();
    let host = if parts.host.is_empty() { "(no host)" } else { parts.host };
    let described = format!("{} {host} {}", request.method, request.uri);
    if let Err(why) = &path {
        let refused = Some(format!("400 suspicious_path: {why}"));
        return Ok(Explanation { request: described, route: None, refused, considered });
    }
    let Some(matched) = snapshot.routes.find(&parts) else {
        let refused = Some("404 no_route".to_owned());
        return Ok(Explanation { request: described, route: None, refused, considered });
    };
    let route: &Route = matched.value;
    let rewritten =
        route.rewrite.as_ref().and_then(|rewrite| rewrite.apply(parts.path, parts.query, &matched.captures));
    let (action, target, upstreams) = match &route.action {
        Action::Proxy(split) => {
            let target = rewritten.or_else(|| route::normalised(&sent, &parts));
            let target = target.unwrap_or_else(|| request.uri.to_string());
            let shares = split.shares().map(|(target, share)| describe_share(snapshot, target, share));
            ("proxied".to_owned(), Some(target), shares.collect())
        }
        Action::Redirect(redirect) => {
            let to = redirect.location(&parts, &matched.captures);
            let to = to.as_ref().and_then(|to| to.to_str().ok()).unwrap_or("(needs a host)");
            (format!("redirected with {} to {to}", redirect.status().as_u16()), None, Vec::new())
        }
        Action::Serve(ServeConfig::CacheStats) => {
            ("answered with the statistics of the cache".to_owned(), None, Vec::new())
        }
        Action::Respond { status, content_type, body } => {
            let kind = content_type.to_str().unwrap_or("");
            (format!("answered with {}, {} bytes of {kind}", status.as_u16(), body.len()), None, Vec::new())
        }
    };
    let host = match &route.action {
        Action::Proxy(_) => {
            let rewritten = route.rewrite.as_ref().and_then(|rewrite| rewrite.host());
            rewritten.and_then(|host| host.to_str().ok()).or(Some(parts.host))
        }
        _ => None,
    };
    let auth::Caller { lines: auth, identity, refused } = auth::caller(route, &parts);
    let cache = |config| cache::lines(config, route, &parts, &matched.captures, identity.as_deref());
    let config = snapshot.config.routes.iter().find(|config| config.name.as_str() == route.name);
    let taken = Taken {
        name: route.name.clone(),
        pattern: matched.pattern.to_owned(),
        captures: matched.captures.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        action,
        target,
        host: host.filter(|host| !host.is_empty()).map(str::to_owned),
        upstreams,
        auth,
        cache: config.map_or_else(Vec::new, cache),
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

fn describe_share(snapshot: &Snapshot, target: &Target, share: f64) -> Share {
    let name = target.name();
    let section = snapshot.config.upstreams.iter().find(|(key, _)| key.as_str() == name);
    let section = section.map(|(_, section)| section);
    let balance = section.and_then(|s| serde_json::to_value(&s.balance).ok());
    let balance = balance.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let ResolvedTimeouts { connect, first_byte, read, write, total, tunnel } = target.timeouts;
    let mut timeouts = format!(
        "connect {connect:?}, first byte {first_byte:?}, read {read:?}, write {write:?}, tunnel {tunnel:?}",
    );
    if let Some(total) = total {
        timeouts.push_str(&format!(", total {total:?}"));
    }
    Share {
        name: name.to_owned(),
        percent: share * 100.0,
        balance: balance.unwrap_or_default(),
        backends: section
            .map_or_else(Vec::new, |s| s.backends.iter().map(|b| b.address().to_owned()).collect()),
        timeouts,
        attempts: target.retry().attempts(),
    }
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
            writeln!(f, "action     {}", route.action)?;
            if let Some(target) = &route.target {
                writeln!(f, "target     {target}")?;
            }
            if let Some(host) = &route.host {
                writeln!(f, "host       {host}")?;
            }
            for (name, lines) in [("auth", &route.auth), ("cache", &route.cache)] {
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
            }
        }
        writeln!(f, "considered")?;
        for considered in &self.considered {
            writeln!(f, "           {considered}")?;
        }
        Ok(())
    }
}
