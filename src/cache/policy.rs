//! What a route keeps: its `cache:` section, compiled.
//!
//! A request meets it in this order: [`CachePolicy::request`] (may the cache be used at all),
//! [`CachePolicy::key`] (which slot), and for an answer of the upstream
//! [`CachePolicy::judge`] (may it be stored, and for how long).

mod bypass;
mod judge;
mod slot;

use std::{sync::LazyLock, time::Duration};

use http::{HeaderMap, HeaderName, Method, header};

pub use self::{
    bypass::Bypass,
    judge::{Lent, NotStored, Storable},
    slot::{ByIdentity, Target},
};
use self::{bypass::BypassRules, slot::SlotRules};
use super::{
    directives::{Ignored, RequestDirectives},
    freshness::FreshnessRules,
    tags::TagTemplates,
};
use crate::config::{
    cache::{self as config, CacheConfig, CompressionConfig, IgnoredField, SetCookie, TtlKey},
    finding::Problem,
};

/// The compiled `cache:` section of a route.
#[derive(Clone, Debug)]
pub struct CachePolicy {
    bypass: BypassRules,
    slot: SlotRules,
    freshness: FreshnessRules,
    ignored: Ignored,
    set_cookie: SetCookie,
    /// Whether what is stored may answer requests with credentials without the response
    /// saying so: because it is shared by declaration, or kept apart by a partition.
    declared: bool,
    obeys_requests: bool,
    tags: TagTemplates,
    max_object: Option<u64>,
    coalesce: Option<Duration>,
    compress: Option<CompressionConfig>,
    cache_status: bool,
    x_cache: bool,
}

impl CachePolicy {
    /// Compiles a section; `captures` are the names that every path of the route captures.
    ///
    /// # Errors
    /// All [`Problem`]s, with paths relative to `cache`.
    pub fn compile(config: &CacheConfig, captures: &[&str]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let slot = SlotRules::compile(config, &mut problems);
        let bypass = BypassRules::compile(config.bypass.as_ref(), &mut problems);
        let tags = TagTemplates::compile(&config.tags, captures).unwrap_or_else(|found| {
            problems.extend(found.into_iter().map(|problem| problem.within("tags")));
            TagTemplates::default()
        });
        check(config, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::assemble(config, bypass, slot, tags))
    }

    /// What holds where there is no section: what answers say themselves, and nothing else.
    pub fn unstated() -> &'static Self {
        static UNSTATED: LazyLock<CachePolicy> = LazyLock::new(|| {
            let config = CacheConfig { heuristic: false, ..CacheConfig::default() };
            // The defaults have no problems.
            let slot = SlotRules::compile(&config, &mut Vec::new());
            CachePolicy::assemble(&config, BypassRules::default(), slot, TagTemplates::default())
        });
        &UNSTATED
    }

    fn assemble(config: &CacheConfig, bypass: BypassRules, slot: SlotRules, tags: TagTemplates) -> Self {
        let ignores = |field| config.ignore.contains(&field);
        Self {
            bypass,
            slot,
            freshness: FreshnessRules::new(config, !ignores(IgnoredField::Expires)),
            ignored: Ignored {
                cache_control: ignores(IgnoredField::CacheControl),
                cdn_cache_control: ignores(IgnoredField::CdnCacheControl),
                surrogate_control: ignores(IgnoredField::SurrogateControl),
                expires: ignores(IgnoredField::Expires),
                vary: ignores(IgnoredField::Vary),
            },
            set_cookie: config.set_cookie,
            declared: config.shared || config.partition.is_some(),
            obeys_requests: config.request_directives == config::RequestDirectives::Obey,
            tags,
            max_object: config.max_object.map(|size| size.get()),
            coalesce: config.coalesce.then(|| config.coalesce_wait.get()),
            compress: config.compress.clone(),
            cache_status: config.cache_status,
            x_cache: config.x_cache,
        }
    }

    /// Whether a request may be answered from the cache and fill it, and what it wishes.
    /// Conditions and a `Range` are no obstacle. `caller` is what
    /// [`Self::partition_by_identity`] asks for.
    ///
    /// # Errors
    /// Why it leaves the cache alone.
    pub fn request(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: Option<&str>,
        caller: Option<&[u8]>,
    ) -> Result<RequestDirectives, Bypass> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Bypass::Method);
        }
        // Content of a GET could change the answer and is in no key (RFC 9110 section 9.3.1).
        let length = headers.get(header::CONTENT_LENGTH).map(|length| length.as_bytes());
        if length.is_some_and(|length| length != b"0") || headers.contains_key(header::TRANSFER_ENCODING) {
            return Err(Bypass::Content);
        }
        if headers.contains_key(header::UPGRADE) {
            return Err(Bypass::Upgrade);
        }
        self.bypass.check(headers, query)?;
        if !self.slot.has_partition(headers, caller) {
            return Err(Bypass::Partition);
        }
        if !self.obeys_requests {
            return Ok(RequestDirectives::default());
        }
        let wishes = RequestDirectives::read(headers);
        if wishes.no_store { Err(Bypass::NoStore) } else { Ok(wishes) }
    }

    /// Whether different callers have slots of their own.
    pub fn is_partitioned(&self) -> bool {
        self.slot.is_partitioned()
    }

    /// What of the caller's identity keeps the slots of different callers apart, if it does.
    pub fn partition_by_identity(&self) -> Option<&ByIdentity> {
        self.slot.partition_by_identity()
    }

    /// Tags of every response of the route.
    pub fn tags(&self) -> &TagTemplates {
        &self.tags
    }

    /// Whether `Vary` counts. If not, there is one variant.
    pub fn varies(&self) -> bool {
        !self.ignored.vary
    }

    /// Whether `Surrogate-Control` is for this cache. If so, clients do not get it.
    pub fn heeds_surrogate_control(&self) -> bool {
        !self.ignored.surrogate_control
    }

    /// Whether HEAD has slots of its own.
    pub fn keeps_head_apart(&self) -> bool {
        self.slot.keeps_head_apart()
    }

    /// Whether stored responses keep their `Set-Cookie`, and a 304 may change it.
    pub fn keeps_cookies(&self) -> bool {
        self.set_cookie == SetCookie::Store
    }

    /// Bytes of the largest body kept, if the route sets that.
    pub fn max_object(&self) -> Option<u64> {
        self.max_object
    }

    /// How long a request waits for the fetch of another; `None`: it does not.
    pub fn coalesce(&self) -> Option<Duration> {
        self.coalesce
    }

    /// Compression for clients. Checked: it names encodings, each once, and media types.
    pub fn compress(&self) -> Option<&CompressionConfig> {
        self.compress.as_ref()
    }

    /// Whether `Cache-Status` is sent.
    pub fn cache_status(&self) -> bool {
        self.cache_status
    }

    /// Whether `X-Cache` is sent.
    pub fn x_cache(&self) -> bool {
        self.x_cache
    }
}

/// What no part checks for itself.
fn check(config: &CacheConfig, problems: &mut Vec<Problem>) {
    if config.shared && config.partition.is_some() {
        problems.push(
            Problem::new(
                "shared",
                "says that responses are the same for everybody, and `partition` that they are not",
            )
            .hint("keep one of them"),
        );
    }
    if config.max_ttl.get().is_zero() {
        problems.push(Problem::new("max_ttl", "nothing would ever be fresh").hint("leave `cache` out"));
    }
    if config.max_object.is_some_and(|size| size.get() == 0) {
        problems.push(Problem::new("max_object", "nothing would be kept").hint("leave `cache` out"));
    }
    for status in [428, 429, 431, 511].map(TtlKey::Status) {
        if config.ttl.contains_key(&status) {
            problems.push(Problem::new(
                format!("ttl.{status}"),
                format!("a response with status {status} must not be stored (RFC 6585)"),
            ));
        }
    }
    if let Some(compress) = &config.compress {
        check_compression(compress, problems);
    }
}

fn check_compression(compress: &CompressionConfig, problems: &mut Vec<Problem>) {
    let encodings = &compress.encodings;
    if encodings.is_empty() {
        problems.push(Problem::new("compress.encodings", "lists nothing").hint("leave `compress` out"));
    }
    if encodings.iter().enumerate().any(|(at, encoding)| encodings[..at].contains(encoding)) {
        problems.push(Problem::new("compress.encodings", "lists an encoding twice"));
    }
    if compress.types.as_slice().is_empty() {
        problems.push(Problem::new("compress.types", "lists nothing").hint("leave `compress` out"));
    }
    for (at, media_type) in compress.types.as_slice().iter().enumerate() {
        let token = |part: &str| super::text::is_token(part.as_bytes());
        if !media_type.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype)) {
            problems.push(
                Problem::new(format!("compress.types[{at}]"), format!("`{media_type}` is not a media type"))
                    .hint("write `application/json` or `text/*`"),
            );
        }
    }
}

/// A field name, or the problem that it is none.
fn field_name(text: &str, path: String, problems: &mut Vec<Problem>) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes());
    if name.is_err() {
        problems.push(Problem::new(path, format!("`{text}` is not a field name")));
    }
    name.ok()
}

/// A cookie's name, or the problem that it is none.
fn cookie_name(text: &str, path: String, problems: &mut Vec<Problem>) -> Option<Box<str>> {
    if super::text::is_token(text.as_bytes()) {
        return Some(text.into());
    }
    problems.push(Problem::new(path, format!("`{text}` is not a name of a cookie")));
    None
}

#[cfg(test)]
mod tests;
