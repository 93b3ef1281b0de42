//! Entity tags of compressed responses.
//!
//! Two representations that differ in their bytes need different strong tags, content
//! coding included (RFC 9110 section 8.8.3.3): `"x"` becomes `"x-gzip"`. Making it weak
//! would do as well, but a weak tag is no good for `If-Range` and `If-Match`. A weak tag
//! says that meaning is equal, which compression does not change: it stays.

use http::HeaderValue;

use super::{Encoding, token};

const ALL: [Encoding; 3] = [Encoding::Br, Encoding::Zstd, Encoding::Gzip];

/// The tag of the compressed response, by that of the response as it is. `None` if that is
/// no entity tag.
pub fn variant_tag(tag: &HeaderValue, encoding: Encoding) -> Option<HeaderValue> {
    let bytes = tag.as_bytes();
    if bytes.strip_prefix(b"W/").is_some_and(|opaque| quoted(opaque).is_some()) {
        return Some(tag.clone());
    }
    let inner = quoted(bytes)?;
    let parts = [&b"\""[..], inner, b"-", token(encoding).as_bytes(), b"\""];
    HeaderValue::from_bytes(&parts.concat()).ok()
}

/// The tag of the response as it is, by that of the compressed one: `"x"` and gzip of
/// `"x-gzip"`. Tags that [`variant_tag`] does not make have none; the opposite cannot be
/// told, because an upstream may use such tags itself.
pub fn original_tag(tag: &[u8]) -> Option<(Vec<u8>, Encoding)> {
    let inner = quoted(tag)?;
    ALL.into_iter().find_map(|encoding| {
        let original = inner.strip_suffix(token(encoding).as_bytes())?.strip_suffix(b"-")?;
        Some(([b"\"", original, b"\""].concat(), encoding))
    })
}

/// The value of `If-None-Match` or `If-Match` for the upstream, which does not know our
/// tags: each is followed by the one it was made from. `None` if there is nothing to add.
///
/// Ours stays, because the upstream may have made it; nothing tells.
pub fn request_tags(value: &HeaderValue) -> Option<HeaderValue> {
    let mut list = value.as_bytes();
    let (mut tags, mut added) = (Vec::with_capacity(list.len()), false);
    while let Some((tag, rest)) = next_tag(list) {
        let original = original_tag(tag);
        added |= original.is_some();
        for tag in [Some(tag), original.as_ref().map(|(tag, _)| &tag[..])].into_iter().flatten() {
            if !tags.is_empty() {
                tags.extend_from_slice(b", ");
            }
            tags.extend_from_slice(tag);
        }
        list = rest;
    }
    if added && list.is_empty() { HeaderValue::from_bytes(&tags).ok() } else { None }
}

/// What stands between the quotes of a strong tag.
fn quoted(tag: &[u8]) -> Option<&[u8]> {
    let inner = tag.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    inner.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)).then_some(inner)
}

/// The first tag of a list, and what follows. Commas may stand inside tags.
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let list = &list[start..];
    let open = if list.starts_with(b"W/") { 2 } else { 0 };
    list.get(open).filter(|byte| **byte == b'"')?;
    let close = memchr::memchr(b'"', &list[open + 1..])?;
    let (tag, rest) = list.split_at(open + close + 2);
    let rest = rest.trim_ascii_start();
    matches!(rest, [] | [b',', ..]).then_some((tag, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variant(tag: &str, encoding: Encoding) -> Option<String> {
        let tag = variant_tag(&HeaderValue::from_str(tag).unwrap(), encoding)?;
        Some(tag.to_str().unwrap().to_owned())
    }

    fn request(value: &str) -> Option<String> {
        let value = request_tags(&HeaderValue::from_str(value).unwrap())?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn strong_tags_differ_and_weak_ones_stay() {
        assert_eq!(variant("\"x\"", Encoding::Gzip).as_deref(), Some("\"x-gzip\""));
        assert_eq!(variant("\"\"", Encoding::Br).as_deref(), Some("\"-br\""));
        assert_eq!(variant("W/\"x\"", Encoding::Zstd).as_deref(), Some("W/\"x\""));
    }

    #[test]
    fn what_is_no_tag_gets_none() {
        for tag in ["x", "\"", "\"a\"b\"", "\"a b\"", "w/\"x\"", "W/x", "", "\"a\", \"b\""] {
            assert_eq!(variant(tag, Encoding::Gzip), None, "{tag}");
        }
    }

    #[test]
    fn the_upstream_is_asked_for_its_own_tags_too() {
        assert_eq!(request("\"x-gzip\"").as_deref(), Some("\"x-gzip\", \"x\""));
        assert_eq!(
            request("W/\"a\",, \"b,c-br\" ,\"d\"").as_deref(),
            Some("W/\"a\", \"b,c-br\", \"b,c\", \"d\"")
        );
        for nothing in
            ["\"x\"", "*", "", "x-gzip", "\"x-gzip", "\"x-gzip\" \"y\"", "W/\"x-gzip\"", "\"x-gzip\", y"]
        {
            assert_eq!(request(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn every_variant_has_its_own_tag_and_leads_back(inner in "[!#-~]{0,9}") {
            let tag = HeaderValue::from_str(&format!("\"{inner}\"")).unwrap();
            let variants = ALL.map(|encoding| variant_tag(&tag, encoding).unwrap());
            for (encoding, variant) in ALL.into_iter().zip(&variants) {
                prop_assert_ne!(variant, &tag);
                prop_assert_eq!(variants.iter().filter(|other| *other == variant).count(), 1);
                prop_assert_eq!(original_tag(variant.as_bytes()), Some((tag.as_bytes().to_vec(), encoding)));
            }
        }

        #[test]
        fn any_list_has_an_outcome(value in "[W/\", a-z-]{0,40}") {
            let value = HeaderValue::from_str(&value).unwrap();
            if let Some(more) = request_tags(&value) {
                prop_assert!(more.len() > value.as_bytes().trim_ascii().len() / 2);
            }
        }
    }
}
