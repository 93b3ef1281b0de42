//! Requests that leave the cache alone.

use http::{HeaderMap, HeaderName};

use super::{cookie_name, field_name};
use crate::{
    config::{cache::BypassConfig, finding::Problem, route::ConditionConfig},
    grammar::{ValueTest, cookies, query},
};

/// Why a request leaves the cache alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// Neither GET nor HEAD.
    Method,
    /// It has content.
    Content,
    /// It asks for another protocol.
    Upgrade,
    /// A condition on a field holds.
    Header,
    /// A condition on a cookie holds.
    Cookie,
    /// A condition on a query parameter holds.
    Query,
    /// The value that separates users is absent, empty or ambiguous.
    Partition,
    /// `no-store`, where requests are obeyed.
    NoStore,
}

impl Bypass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Method,
        Self::Content,
        Self::Upgrade,
        Self::Header,
        Self::Cookie,
        Self::Query,
        Self::Partition,
        Self::NoStore,
    ];

    /// The reason as a word, for metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Content => "content",
            Self::Upgrade => "upgrade",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Query => "query",
            Self::Partition => "partition",
            Self::NoStore => "no-store",
        }
    }
}

/// The compiled `bypass:` section.
#[derive(Clone, Debug, Default)]
pub(super) struct BypassRules {
    headers: Box<[(HeaderName, ValueTest)]>,
    cookies: Box<[(Box<str>, ValueTest)]>,
    query: Box<[(Box<str>, ValueTest)]>,
}

impl BypassRules {
    pub fn compile(config: Option<&BypassConfig>, problems: &mut Vec<Problem>) -> Self {
        let Some(config) = config else { return Self::default() };
        let (mut headers, mut cookies, mut query) = (Vec::new(), Vec::new(), Vec::new());
        let condition = |config: &ConditionConfig, path: &str, problems: &mut Vec<Problem>| {
            ValueTest::compile(config).map_err(|problem| problems.push(problem.within(path))).ok()
        };
        for (text, test) in &config.headers {
            let path = format!("bypass.headers.{text}");
            let test = condition(test, &path, problems);
            headers.extend(field_name(text, path, problems).zip(test));
        }
        for (text, test) in &config.cookies {
            let path = format!("bypass.cookies.{text}");
            let test = condition(test, &path, problems);
            cookies.extend(cookie_name(text, path, problems).zip(test));
        }
        for (text, test) in &config.query {
            let test = condition(test, &format!("bypass.query.{text}"), problems);
            query.extend(test.map(|test| (Box::from(text.as_str()), test)));
        }
        Self { headers: headers.into(), cookies: cookies.into(), query: query.into() }
    }

    pub fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), Bypass> {
        let by_header = |(name, test): &(HeaderName, ValueTest)| test.holds(headers.get_all(name).iter());
        let by_cookie = |(name, test): &(Box<str>, ValueTest)| test.holds(cookies(headers, name));
        let by_query = |(name, test): &(Box<str>, ValueTest)| {
            let pairs = query::pairs(query.unwrap_or_default()).map(query::split);
            let named = pairs.filter(|(raw, _)| query::decoded(raw).eq(name.bytes()));
            test.holds(named.map(|(_, value)| query::decode(value)))
        };
        if self.headers.iter().any(by_header) {
            return Err(Bypass::Header);
        }
        if self.cookies.iter().any(by_cookie) {
            return Err(Bypass::Cookie);
        }
        if self.query.iter().any(by_query) { Err(Bypass::Query) } else { Ok(()) }
    }
}
