//! Whether a response may be stored, and for how long (RFC 9111 section 3).

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};

use super::CachePolicy;
use crate::{
    cache::{
        conditional::Validators,
        directives::{ResponseDirectives, Stated},
        entry::Times,
        fields::{Omitted, Unstorable},
        freshness::{Answer, Lifetime, LifetimeSource},
        tags, text,
        vary::{Unmatchable, Vary},
    },
    config::cache::SetCookie,
};

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// The request's method has no slot: neither GET nor, with slots of its own, HEAD.
    Method,
    /// A status that is never stored: interim, 206, 304, or one that RFC 6585 excludes.
    Status,
    /// `must-understand`, with a status that is not known.
    NotUnderstood,
    /// `no-store`.
    NoStore,
    /// `private`.
    Private,
    /// `Cache-Control` cannot be read with certainty.
    CacheControl,
    /// The request had credentials and nothing permits to share the answer.
    Authorization,
    /// It sets a cookie.
    SetCookie,
    /// `Vary` has a `*`.
    VaryStar,
    /// `Vary` names too many fields, or something that is none.
    VaryLimit,
    /// A transfer coding that is not known.
    TransferCoding,
    /// Its tags cannot all be kept.
    Tags,
    /// Its fields are too large.
    Fields,
    /// Nothing gives it a lifetime.
    NoLifetime,
    /// It is stale already, and nothing could be done with it.
    Stale,
    /// Its body is larger than any tier keeps.
    TooLarge,
}

impl NotStored {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Method,
        Self::Status,
        Self::NotUnderstood,
        Self::NoStore,
        Self::Private,
        Self::CacheControl,
        Self::Authorization,
        Self::SetCookie,
        Self::VaryStar,
        Self::VaryLimit,
        Self::TransferCoding,
        Self::Tags,
        Self::Fields,
        Self::NoLifetime,
        Self::Stale,
        Self::TooLarge,
    ];

    /// The reason as a word, for metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::NotUnderstood => "not-understood",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::CacheControl => "cache-control",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::VaryStar => "vary-star",
            Self::VaryLimit => "vary-limit",
            Self::TransferCoding => "transfer-coding",
            Self::Tags => "tags",
            Self::Fields => "fields",
            Self::NoLifetime => "no-lifetime",
            Self::Stale => "stale",
            Self::TooLarge => "too-large",
        }
    }
}

impl From<Unstorable> for NotStored {
    fn from(_: Unstorable) -> Self {
        Self::Fields
    }
}

impl From<tags::Unkept> for NotStored {
    fn from(_: tags::Unkept) -> Self {
        Self::Tags
    }
}

impl From<Unmatchable> for NotStored {
    fn from(why: Unmatchable) -> Self {
        match why {
            Unmatchable::Star => Self::VaryStar,
            Unmatchable::Limit => Self::VaryLimit,
        }
    }
}

/// How a response is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storable {
    /// Its moments. `provenance` is the epoch: no other variant is void because of it.
    pub times: Times,
    /// Its lifetime and who gave it.
    pub lifetime: Lifetime,
    /// What is left out of its fields.
    pub omitted: Omitted,
    /// Whether it depends on request fields; always false where `Vary` is ignored.
    pub varies: bool,
}

/// What an answer allows a response that is made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lent {
    /// How much longer it is fresh. `None`: nobody says.
    pub fresh_for: Option<Duration>,
    /// Whether it is for one caller alone.
    pub is_private: bool,
}

/// Whom a stored response may answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    Everyone,
    /// The caller that it was made for.
    Caller,
}

impl CachePolicy {
    /// Judges a response to a request with this method and these fields.
    ///
    /// A 304 is judged by what [`merge`](crate::cache::fields::merge) gives, with the status
    /// of the entry it confirms.
    ///
    /// # Errors
    /// Why it is not stored.
    pub fn judge(
        &self,
        method: &Method,
        request: &HeaderMap,
        answer: &Answer<'_>,
    ) -> Result<Storable, NotStored> {
        if *method != Method::GET && !(*method == Method::HEAD && self.slot.keeps_head_apart()) {
            return Err(NotStored::Method);
        }
        self.storable(request, answer, Audience::Everyone)
    }

    /// Judges an answer that is not stored itself, but becomes part of another response.
    ///
    /// # Errors
    /// Why nothing that is made of it may be stored.
    pub fn lend(&self, request: &HeaderMap, answer: &Answer<'_>) -> Result<Lent, NotStored> {
        let (judged, is_private) = match self.storable(request, answer, Audience::Everyone) {
            Err(NotStored::Private | NotStored::Authorization) => {
                (self.storable(request, answer, Audience::Caller), true)
            }
            judged => (judged, false),
        };
        let fresh_for = match judged {
            Ok(storable) => Some(storable.times.fresh_until.since(answer.received)),
            Err(NotStored::NoLifetime) => None,
            Err(why) => return Err(why),
        };
        Ok(Lent { fresh_for, is_private })
    }

    fn storable(
        &self,
        request: &HeaderMap,
        answer: &Answer<'_>,
        audience: Audience,
    ) -> Result<Storable, NotStored> {
        let headers = answer.headers;
        if is_never_stored(answer.status) {
            return Err(NotStored::Status);
        }
        let stated = Stated::read(headers, self.ignored).map_err(|_| NotStored::CacheControl)?;
        permitted(&stated.directives, answer.status)?;
        if audience == Audience::Everyone {
            if stated.directives.private {
                return Err(NotStored::Private);
            }
            self.credentials(&stated.directives, request)?;
        }
        if text::list(headers, "transfer-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
            return Err(NotStored::TransferCoding);
        }
        let omitted = self.omitted(&stated.directives, headers)?;
        let varies = !self.ignored.vary && !Vary::of_headers(headers)?.names().is_empty();
        tags::check(headers)?;
        let lifetime = self.freshness.lifetime(answer, &stated).ok_or(NotStored::NoLifetime)?;
        if lifetime.source == LifetimeSource::Route && lifetime.duration.is_zero() {
            return Err(NotStored::NoLifetime);
        }
        let times = self.freshness.times(answer, lifetime, &stated.directives);
        if is_pointless(&times, &stated.directives, answer) {
            return Err(NotStored::Stale);
        }
        Ok(Storable { times, lifetime, omitted, varies })
    }

    /// RFC 9111 section 3.5: what answers a request with credentials may be shared only if the
    /// response or the route says so.
    fn credentials(&self, directives: &ResponseDirectives, request: &HeaderMap) -> Result<(), NotStored> {
        let permitted = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
        if request.contains_key(header::AUTHORIZATION) && !self.declared && !permitted {
            return Err(NotStored::Authorization);
        }
        Ok(())
    }

    fn omitted(&self, directives: &ResponseDirectives, headers: &HeaderMap) -> Result<Omitted, NotStored> {
        let withheld = directives.withheld.clone();
        let sets_cookie = headers.contains_key(header::SET_COOKIE) && !withheld.contains(&header::SET_COOKIE);
        match self.set_cookie {
            SetCookie::Refuse if sets_cookie => Err(NotStored::SetCookie),
            policy => Ok(Omitted { withheld, cookies: policy != SetCookie::Store }),
        }
    }
}

/// `no-store` and `must-understand`, which replaces `no-store` for a status that is
/// known (RFC 9111 section 5.2.2.3).
fn permitted(directives: &ResponseDirectives, status: StatusCode) -> Result<(), NotStored> {
    if directives.must_understand && !is_understood(status) {
        return Err(NotStored::NotUnderstood);
    }
    if directives.no_store && !directives.must_understand { Err(NotStored::NoStore) } else { Ok(()) }
}

/// Interim answers, parts, confirmations, and those about one client alone (RFC 6585).
fn is_never_stored(status: StatusCode) -> bool {
    status.as_u16() < 200 || matches!(status.as_u16(), 206 | 304 | 428 | 429 | 431 | 511)
}

/// Statuses whose rules for caches are known: those of RFC 9110 section 15 that can be stored.
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 451 | 500..=505)
}

/// Whether an entry could serve nobody: never fresh, and neither to be revalidated nor
/// served stale by the response's own word. The route's windows do not make it worth storing.
fn is_pointless(times: &Times, directives: &ResponseDirectives, answer: &Answer<'_>) -> bool {
    if times.is_fresh(answer.received) || Validators::of_headers(answer.headers).is_some() {
        return false;
    }
    let windows = [directives.stale_while_revalidate, directives.stale_if_error];
    windows.iter().all(|window| window.is_none_or(|seconds| seconds == 0))
        || times.useless_at <= answer.received
}
