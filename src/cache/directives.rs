//! `Cache-Control` (RFC 9111 section 5.2) and the fields that go before it:
//! `CDN-Cache-Control` (RFC 9213), then `Surrogate-Control` (W3C Edge Architecture).

mod parse;
mod surrogate;
mod targeted;

use http::{HeaderMap, HeaderName, header};

use self::parse::{Directive, Directives};
pub use self::surrogate::{CAPABILITY, CAPABILITY_FIELD, FIELD as SURROGATE_CONTROL};
use super::text::{members, seconds};

/// Bytes of all lines of a field together; more is not read.
pub const MAX_BYTES: usize = 4096;
/// Directives of all lines together; more are not read.
pub const MAX_DIRECTIVES: usize = 64;

/// A field that cannot be read with certainty: an open or misplaced quotation mark could
/// hide a directive, and so could the part beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Which fields of a response count as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// `Cache-Control`.
    pub cache_control: bool,
    /// `CDN-Cache-Control`.
    pub cdn_cache_control: bool,
    /// `Surrogate-Control`.
    pub surrogate_control: bool,
    /// `Expires`.
    pub expires: bool,
    /// `Vary`.
    pub vary: bool,
}

/// The field that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatedIn {
    /// `CDN-Cache-Control`.
    CdnCacheControl,
    /// `Surrogate-Control`.
    SurrogateControl,
    /// `Cache-Control`.
    #[default]
    CacheControl,
}

/// What a response says about its reuse, from the one field that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// The directives.
    pub directives: ResponseDirectives,
    /// Where they come from.
    pub field: StatedIn,
}

impl Stated {
    /// Reads the first of these that is there and says something: `CDN-Cache-Control`, valid in
    /// every part; `Surrogate-Control`, with a directive for us; `Cache-Control`.
    ///
    /// # Errors
    /// [`Malformed`], if it comes to one of the last two.
    pub fn read(headers: &HeaderMap, ignored: Ignored) -> Result<Self, Malformed> {
        if !ignored.cdn_cache_control
            && let Some(directives) = targeted::read(headers)
        {
            return Ok(Self { directives, field: StatedIn::CdnCacheControl });
        }
        if !ignored.surrogate_control
            && let Some(directives) = surrogate::read(headers)?
        {
            return Ok(Self { directives, field: StatedIn::SurrogateControl });
        }
        if ignored.cache_control {
            return Ok(Self::default());
        }
        Ok(Self { directives: ResponseDirectives::read(headers)?, field: StatedIn::CacheControl })
    }

    /// Whether they are for caches such as this alone: then neither `Cache-Control` nor
    /// `Expires` counts (RFC 9213 section 2.2).
    pub fn is_targeted(&self) -> bool {
        self.field != StatedIn::CacheControl
    }
}

/// Directives of a response (RFC 9111 section 5.2.2, RFC 5861). Times are in seconds; of
/// several the shortest counts, and one that is no number counts as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// `max-age`.
    pub max_age: Option<u32>,
    /// `s-maxage`.
    pub s_maxage: Option<u32>,
    /// `stale-while-revalidate`.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error`.
    pub stale_if_error: Option<u32>,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache` for the whole response.
    pub no_cache: bool,
    /// `private` for the whole response.
    pub private: bool,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// The fields that `no-cache="…"` and `private="…"` name: they are not stored.
    pub withheld: Vec<HeaderName>,
}

impl ResponseDirectives {
    /// Reads all lines of `Cache-Control`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(headers: &HeaderMap) -> Result<Self, Malformed> {
        let mut found = Self::default();
        read(headers, |directive| found.add(directive))?;
        Ok(found)
    }

    /// Whether it must never be served stale (RFC 9111 section 4.2.4).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }

    fn add(&mut self, directive: &Directive<'_>) {
        let mut buffer = [0; 24];
        match directive.name_in(&mut buffer) {
            b"max-age" => shortest(&mut self.max_age, directive.seconds()),
            b"s-maxage" => shortest(&mut self.s_maxage, directive.seconds()),
            b"stale-while-revalidate" => shortest(&mut self.stale_while_revalidate, directive.seconds()),
            b"stale-if-error" => shortest(&mut self.stale_if_error, directive.seconds()),
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache |= self.withhold(directive.argument),
            b"private" => self.private |= self.withhold(directive.argument),
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            _ => {}
        }
    }

    /// Notes the fields an argument names. True if the directive is for the whole response:
    /// without an argument, or with one that is no list of field names.
    fn withhold(&mut self, argument: Option<&[u8]>) -> bool {
        let names: Option<Vec<HeaderName>> =
            members(argument.unwrap_or_default()).map(|name| HeaderName::from_bytes(name).ok()).collect();
        match names {
            Some(names) if !names.is_empty() => {
                self.withheld.extend(names);
                false
            }
            _ => true,
        }
    }
}

/// Directives of a request (RFC 9111 section 5.2.1). Times are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `max-age`: the greatest age wanted.
    pub max_age: Option<u32>,
    /// `min-fresh`: how long it must stay fresh.
    pub min_fresh: Option<u32>,
    /// `max-stale`: how long it may have been stale; without a limit, as long as there is.
    pub max_stale: Option<u32>,
    /// `no-cache`: not without asking the upstream.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`: 504 rather than asking the upstream.
    pub only_if_cached: bool,
}

impl RequestDirectives {
    /// Reads all lines of `Cache-Control`, or `Pragma` where there is none (RFC 9111
    /// section 5.4). A field that cannot be read asks for nothing.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            found.no_cache =
                super::text::list(headers, "pragma").any(|m| m.eq_ignore_ascii_case(b"no-cache"));
            return found;
        }
        match read(headers, |directive| found.add(directive)) {
            Ok(()) => found,
            Err(Malformed) => Self::default(),
        }
    }

    fn add(&mut self, directive: &Directive<'_>) {
        let mut buffer = [0; 24];
        match directive.name_in(&mut buffer) {
            b"max-age" => shortest(&mut self.max_age, directive.seconds()),
            b"min-fresh" => self.min_fresh = self.min_fresh.max(directive.argument.and_then(seconds)),
            b"max-stale" => match directive.argument {
                None => shortest(&mut self.max_stale, u32::MAX),
                Some(_) => shortest(&mut self.max_stale, directive.seconds()),
            },
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            _ => {}
        }
    }
}

fn shortest(slot: &mut Option<u32>, seconds: u32) {
    *slot = Some(slot.map_or(seconds, |before| before.min(seconds)));
}

/// Gives every directive of `Cache-Control` to `take`.
fn read(headers: &HeaderMap, mut take: impl FnMut(&Directive<'_>)) -> Result<(), Malformed> {
    let (mut bytes, mut count) = (0, 0);
    for line in headers.get_all(header::CACHE_CONTROL) {
        bytes += line.len();
        if bytes > MAX_BYTES {
            return Err(Malformed);
        }
        for directive in Directives::of(line.as_bytes()) {
            count += 1;
            if count > MAX_DIRECTIVES {
                return Err(Malformed);
            }
            take(&directive?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
