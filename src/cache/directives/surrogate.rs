//! `Surrogate-Control`: directives for caches that act for the origin
//! ([W3C Edge Architecture](https://www.w3.org/TR/edge-arch/), sections 2.2 and 2.3).
//!
//! What `Cache-Control` has means the same here, `stale-while-revalidate` for one, as other
//! surrogates have it. `no-store-remote` is for surrogates far from the origin, `content` for
//! those that process bodies: both say nothing to us.

use http::HeaderMap;

use super::{
    MAX_BYTES, MAX_DIRECTIVES, Malformed, ResponseDirectives,
    parse::{Directive, Directives},
};
use crate::cache::text::{members, seconds};

/// The field of responses.
pub const FIELD: &str = "surrogate-control";
/// The field of requests that tells the origin of us.
pub const CAPABILITY_FIELD: &str = "surrogate-capability";
/// Our token and what we understand.
pub const CAPABILITY: &str = "nilegate=\"Surrogate/1.0\"";
/// The token that directives for us alone bear.
const TOKEN: &[u8] = b"nilegate";

/// The directives, if any of them says whether or how long to store. Those for us alone go
/// before those for everybody; those for others are passed over.
///
/// # Errors
/// [`Malformed`].
pub(super) fn read(headers: &HeaderMap) -> Result<Option<ResponseDirectives>, Malformed> {
    if !headers.contains_key(FIELD) {
        return Ok(None);
    }
    let (mut own, mut common) = (ResponseDirectives::default(), ResponseDirectives::default());
    let (mut bytes, mut count) = (0, 0);
    for line in headers.get_all(FIELD) {
        bytes += line.len();
        for member in members(line.as_bytes()) {
            count += 1;
            if bytes > MAX_BYTES || count > MAX_DIRECTIVES {
                return Err(Malformed);
            }
            let (directive, target) = split_target(member);
            let found = match target {
                None => &mut common,
                Some(target) if target.eq_ignore_ascii_case(TOKEN) => &mut own,
                // A quotation mark could hide the directive after it.
                Some(target) if target.contains(&b'"') => return Err(Malformed),
                Some(_) => continue,
            };
            Directives::of(directive).try_for_each(|directive| directive.map(|one| add(found, &one)))?;
        }
    }
    Ok([own, common].into_iter().find(decides))
}

/// Cuts off what is behind the first semicolon that is in no quoted string.
fn split_target(member: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (mut quoted, mut escaped) = (false, false);
    let end = member.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' => return !quoted,
            _ => {}
        }
        false
    });
    match end {
        Some(end) => (member[..end].trim_ascii_end(), Some(member[end + 1..].trim_ascii())),
        None => (member, None),
    }
}

fn add(found: &mut ResponseDirectives, directive: &Directive<'_>) {
    if directive.name_in(&mut [0; 24]) != b"max-age" {
        return found.add(directive);
    }
    // `600+30`: fresh for 600 seconds, then for 30 more to be served stale.
    let mut parts = directive.argument.unwrap_or_default().splitn(2, |&byte| byte == b'+');
    let mut next = || parts.next().map(|text| seconds(text).unwrap_or(0));
    super::shortest(&mut found.max_age, next().unwrap_or(0));
    if let Some(window) = next() {
        super::shortest(&mut found.stale_while_revalidate, window);
        super::shortest(&mut found.stale_if_error, window);
    }
}

/// Whether there is more than what only goes with a lifetime: `public` alone must not hide
/// the `no-store` of `Cache-Control`.
fn decides(found: &ResponseDirectives) -> bool {
    found.max_age.or(found.s_maxage).is_some() || found.no_store || found.no_cache || found.private
}
