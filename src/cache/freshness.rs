//! How long a response is fresh, how old it already is, and how long it may be served after
//! that (RFC 9111 section 4.2, RFC 5861).

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, StatusCode, header};

use super::{
    conditional::Validators,
    date,
    directives::{ResponseDirectives, Stated, StatedIn},
    entry::{Stamp, Times},
    text,
};
use crate::config::{
    cache::{CacheConfig, TtlKey},
    values::Period,
};

/// Longest lifetime that is only inferred from `Last-Modified`.
pub const MAX_HEURISTIC: Duration = Duration::from_secs(86_400);
/// How long a response that can be revalidated is kept after it may no longer be served.
pub const REVALIDATION_GRACE: Duration = Duration::from_secs(3600);
/// From the last moment of freshness to the first without: a lifetime of zero has none.
const INSTANT: Duration = Duration::from_millis(1);

/// Where a lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// `CDN-Cache-Control`.
    CdnCacheControl,
    /// `Surrogate-Control`.
    SurrogateControl,
    /// `s-maxage`.
    SMaxAge,
    /// `max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// The route's `ttl`.
    Route,
    /// A tenth of the time since `Last-Modified`.
    Heuristic,
    /// `no-cache`: none at all.
    NoCache,
}

impl LifetimeSource {
    /// The source as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CdnCacheControl => "cdn-cache-control",
            Self::SurrogateControl => "surrogate-control",
            Self::SMaxAge => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Route => "route",
            Self::Heuristic => "heuristic",
            Self::NoCache => "no-cache",
        }
    }
}

/// A freshness lifetime (RFC 9111 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// How long, from the moment its age was zero.
    pub duration: Duration,
    /// Who says so.
    pub source: LifetimeSource,
}

/// A response on its way into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// When its request was sent.
    pub requested: Stamp,
    /// When its fields had been received.
    pub received: Stamp,
}

impl Answer<'_> {
    /// When it was made (RFC 9110 section 6.6.1): `Date`, or when it was received.
    fn date(&self) -> Stamp {
        date::field(self.headers, &header::DATE, self.received).unwrap_or(self.received)
    }
}

/// The route's part in freshness.
#[derive(Clone, Debug)]
pub(super) struct FreshnessRules {
    ttl: BTreeMap<TtlKey, Period>,
    expires: bool,
    heuristic: bool,
    max_ttl: Duration,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    max_stale: Duration,
}

impl FreshnessRules {
    pub fn new(config: &CacheConfig, expires: bool) -> Self {
        Self {
            ttl: config.ttl.clone(),
            expires,
            heuristic: config.heuristic,
            max_ttl: config.max_ttl.get(),
            stale_while_revalidate: config.stale_while_revalidate.get(),
            stale_if_error: config.stale_if_error.get(),
            max_stale: config.max_stale.get(),
        }
    }

    /// The lifetime; `None` if nothing gives one.
    pub fn lifetime(&self, answer: &Answer<'_>, stated: &Stated) -> Option<Lifetime> {
        let mut lifetime = self
            .stated(answer, stated)
            .or_else(|| self.of_route(answer.status))
            .or_else(|| self.heuristic(answer, &stated.directives));
        if stated.directives.no_cache {
            let storable = lifetime.is_some() || may_be_inferred(answer.status, &stated.directives);
            lifetime =
                storable.then_some(Lifetime { duration: Duration::ZERO, source: LifetimeSource::NoCache });
        }
        lifetime.map(|lifetime| Lifetime { duration: lifetime.duration.min(self.max_ttl), ..lifetime })
    }

    fn stated(&self, answer: &Answer<'_>, stated: &Stated) -> Option<Lifetime> {
        let directives = &stated.directives;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let (duration, source) = match (directives.s_maxage, directives.max_age) {
            (Some(shared), _) => (seconds(shared), LifetimeSource::SMaxAge),
            (None, Some(any)) => (seconds(any), LifetimeSource::MaxAge),
            (None, None) if stated.is_targeted() || !self.expires => return None,
            (None, None) => (expires(answer)?, LifetimeSource::Expires),
        };
        let source = match stated.field {
            StatedIn::CdnCacheControl => LifetimeSource::CdnCacheControl,
            StatedIn::SurrogateControl => LifetimeSource::SurrogateControl,
            StatedIn::CacheControl => source,
        };
        Some(Lifetime { duration, source })
    }

    /// What the route says of the status; 0 says that it is not kept.
    ///
    /// An answer about who asks has to be named: `4xx` must not turn others away for what one
    /// client lacked.
    fn of_route(&self, status: StatusCode) -> Option<Lifetime> {
        let class = u8::try_from(status.as_u16() / 100).ok()?;
        let keys = [TtlKey::Status(status.as_u16()), TtlKey::Class(class), TtlKey::Default];
        let applying = if matches!(status.as_u16(), 401 | 403 | 407) { &keys[..1] } else { &keys };
        let duration = applying.iter().find_map(|key| self.ttl.get(key))?.get();
        Some(Lifetime { duration, source: LifetimeSource::Route })
    }

    /// A tenth of the time it has not been modified (RFC 9111 section 4.2.2).
    fn heuristic(&self, answer: &Answer<'_>, directives: &ResponseDirectives) -> Option<Lifetime> {
        (self.heuristic && may_be_inferred(answer.status, directives)).then_some(())?;
        let modified = date::field(answer.headers, &header::LAST_MODIFIED, answer.received)?;
        let duration = (answer.date().since(modified) / 10).min(MAX_HEURISTIC);
        (!duration.is_zero()).then_some(Lifetime { duration, source: LifetimeSource::Heuristic })
    }

    /// The moments of an entry that is stored when it is received. Other variants are not
    /// affected: `provenance` is the epoch.
    pub fn times(&self, answer: &Answer<'_>, lifetime: Lifetime, directives: &ResponseDirectives) -> Times {
        let age = corrected_initial_age(answer);
        let window = |stated: Option<u32>, route: Duration| {
            let stated = stated.map(|seconds| Duration::from_secs(seconds.into()));
            let window = if directives.forbids_stale() { Duration::ZERO } else { stated.unwrap_or(route) };
            window.min(self.max_stale)
        };
        let stale_while_revalidate = window(directives.stale_while_revalidate, self.stale_while_revalidate);
        let stale_if_error = window(directives.stale_if_error, self.stale_if_error);
        let fresh_until = answer.received.plus(lifetime.duration).minus(age + INSTANT);
        let mut useless_at = fresh_until.plus(stale_while_revalidate.max(stale_if_error));
        if Validators::of_headers(answer.headers).is_some() {
            useless_at = useless_at.max(answer.received).plus(REVALIDATION_GRACE);
        }
        Times {
            requested: answer.requested,
            created: answer.received,
            provenance: Stamp::default(),
            born: answer.received.minus(age),
            fresh_until,
            stale_while_revalidate: whole_seconds(stale_while_revalidate),
            stale_if_error: whole_seconds(stale_if_error),
            useless_at,
        }
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// `Expires` minus `Date`; several lines or no date have expired (RFC 9111 section 5.3).
fn expires(answer: &Answer<'_>) -> Option<Duration> {
    answer.headers.contains_key(header::EXPIRES).then_some(())?;
    let expires = date::field(answer.headers, &header::EXPIRES, answer.received);
    // `Date` has no fractions of a second; the time of receipt must not have them either.
    let date = Stamp(answer.date().0 / 1000 * 1000);
    Some(expires.map_or(Duration::ZERO, |expires| expires.since(date)))
}

/// Whether a lifetime may be inferred: the statuses that RFC 9110 section 15.1 lists, or any
/// with `public`. Partial content is never stored.
fn may_be_inferred(status: StatusCode, directives: &ResponseDirectives) -> bool {
    directives.public
        || matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The age when it was received (RFC 9111 section 4.2.3).
pub fn corrected_initial_age(answer: &Answer<'_>) -> Duration {
    let received = Stamp(answer.received.0 / 1000 * 1000);
    let apparent = received.since(answer.date());
    let stated = text::list(answer.headers, header::AGE.as_str()).next().and_then(text::seconds);
    let corrected = Duration::from_secs(stated.unwrap_or(0).into()) + answer.received.since(answer.requested);
    apparent.max(corrected)
}

#[cfg(test)]
mod tests;
