//! Which slot a request's response is in: the parts of its key.

use http::{HeaderMap, HeaderName, Method, header};

use super::{CachePolicy, cookie_name, field_name};
use crate::{
    cache::{
        key::{EntryKey, KeyBuilder, KeyMaker},
        name_pattern::NamePattern,
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
    /// `caller` is what [`Self::partition_by_identity`] asks for.
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
        builder.part(&[u8::from(target.tls), u8::from(rules.method && *target.method == Method::HEAD)]);
        if rules.host {
            add_host(target, &mut builder);
        }
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
    /// Of the sections: after a change of what makes a key, no old key is met by chance.
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
        let description = serde_json::to_vec(&(key, &config.partition)).unwrap_or_default();
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
        if self.allow.is_none() && self.ignore.is_empty() && !self.sort {
            return builder.optional(query.map(str::as_bytes));
        }
        let kept = query::pairs(query.unwrap_or_default()).filter(|pair| self.counts(query::split(pair).0));
        if self.sort {
            let mut pairs: Vec<&str> = kept.collect();
            // Stable, because values of one name may mean something in their order.
            pairs.sort_by_key(|pair| query::split(pair).0);
            add_all(pairs.into_iter().map(str::as_bytes), builder);
        } else {
            add_all(kept.map(str::as_bytes), builder);
        }
    }

    fn counts(&self, name: &str) -> bool {
        let among = |patterns: &[NamePattern]| patterns.iter().any(|pattern| pattern.matches(name));
        self.allow.as_deref().is_none_or(among) && !among(&self.ignore)
    }
}
