//! Which slot a request's response is in: the parts of its key.

use http::{HeaderMap, HeaderName, Method, header};

use super::{CachePolicy, cookie_name, field_name};
use crate::{
    cache::{
        key::{EntryKey, KeyBuilder, KeyMaker},
        name_pattern::NamePattern,
        purge::UrlName,
    },
    config::{
        cache::{CacheConfig, PartitionConfig, QueryKeyConfig},
        finding::Problem,
    },
    grammar::{cookies, query},
};

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Keeps apart what is not interchangeable though it has the same URL: the route's name,
    /// because another route may send the same URL elsewhere.
    pub scope: &'a str,
    /// The version of the API, on routes that have versions.
    pub version: Option<&'a str>,
    /// Whether the client came over TLS: upstreams redirect those that did not.
    pub tls: bool,
    /// The method.
    pub method: &'a Method,
    /// The host as the client sent it, with its port if it named one.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: Option<&'a str>,
}

impl CachePolicy {
    /// The primary slot of a request; `None` if the value that separates users is absent.
    ///
    /// Unless the route declares otherwise, requests with credentials have slots of their own:
    /// RFC 9111 section 3.5 lets them have what was answered without credentials, but that may
    /// be another answer, such as a 401, and what they must not leave behind would keep others
    /// waiting for it. `caller` is what [`Self::partition_by_identity`] asks for.
    pub fn key(
        &self,
        maker: &KeyMaker,
        target: &Target<'_>,
        headers: &HeaderMap,
        caller: Option<&[u8]>,
    ) -> Option<EntryKey> {
        let rules = &self.slot;
        let mut builder = maker.key();
        builder.part(&rules.fingerprint);
        builder.part(target.scope.as_bytes());
        let head = rules.method && *target.method == Method::HEAD;
        let credentials = !self.declared && headers.contains_key(header::AUTHORIZATION);
        builder.part(&[target.tls, head, credentials].map(u8::from));
        if rules.host {
            add_host(target, &mut builder);
        }
        builder.part(target.version.unwrap_or_default().as_bytes());
        builder.part(target.path.as_bytes());
        rules.query.add(target.query, &mut builder);
        for name in &rules.headers {
            add_all(headers.get_all(name).iter().map(|line| line.as_bytes()), &mut builder);
        }
        for name in &rules.cookies {
            add_all(cookies(headers, name), &mut builder);
        }
        if let Some(partition) = &rules.partition {
            builder.part(partition.value(headers, caller)?);
        }
        Some(builder.finish())
    }

    /// The one name of all URLs that share their slots with this one, if it is another name:
    /// they differ only in what does not count here. What is stored is purged by this name too.
    pub fn shared_name(&self, url: &UrlName) -> Option<UrlName> {
        let SlotRules { host, query: rules, .. } = &self.slot;
        if *host && rules.take_all() {
            return None;
        }
        let query = match url.query() {
            Some(query) if !rules.take_all() => Some(rules.counted(Some(query)).join("&")),
            query => query.map(str::to_owned),
        };
        Some(url.reduced(*host, query.as_deref().filter(|query| !query.is_empty())))
            .filter(|name| name != url)
    }
}

/// The host in lower case, without the port that goes without saying.
fn add_host(target: &Target<'_>, builder: &mut KeyBuilder) {
    let usual = if target.tls { ":443" } else { ":80" };
    let host = target.host.strip_suffix(usual).unwrap_or(target.host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        builder.part(host.to_ascii_lowercase().as_bytes());
    } else {
        builder.part(host.as_bytes());
    }
}

/// Any number of values, with an end.
fn add_all<'a>(values: impl Iterator<Item = &'a [u8]>, builder: &mut KeyBuilder) {
    values.for_each(|value| builder.optional(Some(value)));
    builder.optional(None);
}

/// The compiled `key:` and `partition:` sections.
#[derive(Clone, Debug)]
pub(super) struct SlotRules {
    /// Of the sections, and of what decides for whom something may be stored: after a change of
    /// these, nothing is met that was stored by other rules.
    fingerprint: [u8; 16],
    host: bool,
    method: bool,
    query: QueryRules,
    headers: Box<[HeaderName]>,
    cookies: Box<[Box<str>]>,
    partition: Option<Partition>,
}

impl SlotRules {
    pub fn compile(config: &CacheConfig, problems: &mut Vec<Problem>) -> Self {
        let key = &config.key;
        let mut headers: Vec<HeaderName> = Vec::new();
        for (at, text) in key.headers.iter().enumerate() {
            let path = format!("key.headers[{at}]");
            match field_name(text, path.clone(), problems) {
                Some(name) if name == header::HOST => {
                    problems.push(Problem::new(path, "`Host` is a part of its own").hint("use `key.host`"));
                }
                Some(name) if headers.contains(&name) => {
                    problems.push(Problem::new(path, format!("`{name}` is named twice")));
                }
                name => headers.extend(name),
            }
        }
        let cookies = key.cookies.iter().enumerate();
        let cookies =
            cookies.filter_map(|(at, text)| cookie_name(text, format!("key.cookies[{at}]"), problems));
        let cookies = cookies.collect();
        let CacheConfig { partition, shared, set_cookie, ignore, .. } = config;
        let description = serde_json::to_vec(&(key, partition, shared, set_cookie, ignore));
        let description = description.unwrap_or_default();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&blake3::hash(&description).as_bytes()[..16]);
        Self {
            fingerprint,
            host: key.host,
            method: key.method,
            query: QueryRules::compile(&key.query, problems),
            headers: headers.into(),
            cookies,
            partition: config.partition.as_ref().and_then(|config| Partition::compile(config, problems)),
        }
    }

    pub fn has_partition(&self, headers: &HeaderMap, caller: Option<&[u8]>) -> bool {
        self.partition.as_ref().is_none_or(|partition| partition.value(headers, caller).is_some())
    }

    pub fn partition_by_identity(&self) -> Option<&ByIdentity> {
        match &self.partition {
            Some(Partition::Identity(by)) => Some(by),
            _ => None,
        }
    }

    /// Whether HEAD has slots of its own.
    pub fn keeps_head_apart(&self) -> bool {
        self.method
    }
}

#[derive(Clone, Debug)]
enum Partition {
    Header(HeaderName),
    Cookie(Box<str>),
    Identity(ByIdentity),
}

/// What of the caller's identity keeps slots apart. Whoever knows the identity hands its value in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByIdentity {
    /// The value of a claim.
    Claim(Box<str>),
    /// All that the caller is.
    Roles,
}

impl ByIdentity {
    /// Whether each caller has slots of its own.
    pub fn is_subject(&self) -> bool {
        matches!(self, Self::Claim(name) if **name == *"sub")
    }
}

impl Partition {
    fn compile(config: &PartitionConfig, problems: &mut Vec<Problem>) -> Option<Self> {
        let path = "partition".to_owned();
        match config {
            PartitionConfig::Header(name) => field_name(name, path, problems).map(Self::Header),
            PartitionConfig::Cookie(name) => cookie_name(name, path, problems).map(Self::Cookie),
            PartitionConfig::Claim(name) => Some(Self::Identity(ByIdentity::Claim(name.as_str().into()))),
            PartitionConfig::Roles => Some(Self::Identity(ByIdentity::Roles)),
        }
    }

    /// The value, if there is exactly one and it is not empty: of two, the upstream might
    /// heed the other.
    fn value<'r>(&'r self, headers: &'r HeaderMap, caller: Option<&'r [u8]>) -> Option<&'r [u8]> {
        let single = |first: Option<&'r [u8]>, second: Option<&'r [u8]>| match (first, second) {
            (Some(value), None) if !value.is_empty() => Some(value),
            _ => None,
        };
        match self {
            Self::Header(name) => {
                let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes());
                single(lines.next(), lines.next())
            }
            Self::Cookie(name) => {
                let mut values = cookies(headers, name);
                single(values.next(), values.next())
            }
            Self::Identity(_) => caller,
        }
    }
}

/// Which pairs of the query count.
#[derive(Clone, Debug)]
struct QueryRules {
    allow: Option<Box<[NamePattern]>>,
    ignore: Box<[NamePattern]>,
    sort: bool,
}

impl QueryRules {
    fn compile(config: &QueryKeyConfig, problems: &mut Vec<Problem>) -> Self {
        if config.allow.is_some() && !config.ignore.is_empty() {
            problems.push(
                Problem::new("key.query.ignore", "does not go together with `allow`")
                    .hint("`allow` already leaves out what it does not name"),
            );
        }
        let mut patterns = |texts: &[String], key: &str| -> Box<[NamePattern]> {
            let read = |(at, text): (usize, &String)| {
                let path = format!("key.query.{key}[{at}]");
                NamePattern::parse(text).map_err(|message| problems.push(Problem::new(path, message))).ok()
            };
            texts.iter().enumerate().filter_map(read).collect()
        };
        Self {
            allow: config.allow.as_deref().map(|texts| patterns(texts, "allow")),
            ignore: patterns(&config.ignore, "ignore"),
            sort: config.sort,
        }
    }

    fn add(&self, query: Option<&str>, builder: &mut KeyBuilder) {
        if self.take_all() {
            builder.optional(query.map(str::as_bytes));
        } else if self.sort {
            add_all(self.counted(query).into_iter().map(str::as_bytes), builder);
        } else {
            add_all(self.kept(query).map(str::as_bytes), builder);
        }
    }

    /// Whether the query counts as it is.
    fn take_all(&self) -> bool {
        self.allow.is_none() && self.ignore.is_empty() && !self.sort
    }

    fn kept<'q>(&self, query: Option<&'q str>) -> impl Iterator<Item = &'q str> {
        query::pairs(query.unwrap_or_default()).filter(|pair| self.counts(query::split(pair).0))
    }

    /// The pairs that count, in the order that counts.
    fn counted<'q>(&self, query: Option<&'q str>) -> Vec<&'q str> {
        let mut pairs: Vec<&str> = self.kept(query).collect();
        if self.sort {
            // Stable, because values of one name may mean something in their order.
            pairs.sort_by_key(|pair| query::split(pair).0);
        }
        pairs
    }

    fn counts(&self, name: &str) -> bool {
        let among = |patterns: &[NamePattern]| patterns.iter().any(|pattern| pattern.matches(name));
        self.allow.as_deref().is_none_or(among) && !among(&self.ignore)
    }
}
