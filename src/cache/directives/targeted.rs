//! `CDN-Cache-Control`: the directives as a structured field (RFC 9213 section 2).

use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, ParseMore as _};

use super::{MAX_BYTES, MAX_DIRECTIVES, ResponseDirectives, parse::Directive};

const FIELD: &str = "cdn-cache-control";

/// The directives, if the field is there, not empty, and valid in every part: a parse error
/// anywhere, or a time that is no integer, makes the whole field count as absent.
pub(super) fn read(headers: &HeaderMap) -> Option<ResponseDirectives> {
    if !headers.contains_key(FIELD) {
        return None;
    }
    let mut dictionary = Dictionary::new();
    let mut bytes = 0;
    for line in headers.get_all(FIELD) {
        bytes += line.len();
        (bytes <= MAX_BYTES).then_some(())?;
        dictionary.parse_more(line.as_bytes()).ok()?;
    }
    (1..=MAX_DIRECTIVES).contains(&dictionary.len()).then_some(())?;
    let mut found = ResponseDirectives::default();
    for (name, value) in &dictionary {
        member(&mut found, name, value)?;
    }
    Some(found)
}

fn member(found: &mut ResponseDirectives, name: &str, value: &ListEntry) -> Option<()> {
    let value = match value {
        ListEntry::Item(item) => Some(&item.bare_item),
        ListEntry::InnerList(_) => None,
    };
    match name {
        "max-age" => found.max_age = Some(seconds(value)?),
        "s-maxage" => found.s_maxage = Some(seconds(value)?),
        "stale-while-revalidate" => found.stale_while_revalidate = Some(seconds(value)?),
        "stale-if-error" => found.stale_if_error = Some(seconds(value)?),
        _ if matches!(value, Some(BareItem::Boolean(false))) => {}
        // The rest has no argument or a list of fields, which is read as in `Cache-Control`.
        _ => {
            let argument = match value {
                Some(BareItem::String(text) | BareItem::Token(text)) => Some(text.as_bytes()),
                _ => None,
            };
            found.add(&Directive::new(name, argument));
        }
    }
    Some(())
}

/// A time below zero is one that has passed.
fn seconds(value: Option<&BareItem>) -> Option<u32> {
    match value {
        Some(BareItem::Integer(seconds)) => {
            Some(u32::try_from((*seconds).max(0)).unwrap_or(u32::MAX).min(crate::cache::text::MAX_SECONDS))
        }
        _ => None,
    }
}
