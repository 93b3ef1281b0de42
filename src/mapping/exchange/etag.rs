//! Entity tags of one representation in several versions.
//!
//! `"x"` of the service becomes `W/"x-v1"` for clients of `v1`: weak, because their bytes
//! are not those the service has tagged (RFC 9110 section 8.8.3). `W/"x"` becomes
//! `W/"x~v1"`, so that either is found again when it comes back in a condition. A body that
//! passes as it is keeps the strength of its tag.

use http::HeaderValue;

/// Between a strong tag and the version.
const STRONG: u8 = b'-';
/// Between a weak tag and the version.
const WEAK: u8 = b'~';

/// The tag for clients of a version. `None`: it is no entity tag.
pub(super) fn to_client(tag: &HeaderValue, version: &str, changed: bool) -> Option<HeaderValue> {
    let bytes = tag.as_bytes();
    let (weak, quoted) = match bytes.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, bytes),
    };
    let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let prefix: &[u8] = if weak || changed { b"W/\"" } else { b"\"" };
    let mark = if weak { WEAK } else { STRONG };
    HeaderValue::from_bytes(&[prefix, opaque, &[mark], version.as_bytes(), b"\""].concat()).ok()
}

/// The value of a condition with the service's own tags.
///
/// Tags of other versions are left out, or kept as they are: `If-None-Match` must not find
/// what the client has in another version, `If-Match` must not forget what it insists on.
/// `None`: nothing is left.
pub(super) fn to_service(list: &HeaderValue, version: &str, keep_others: bool) -> Option<HeaderValue> {
    let mut rest = list.as_bytes();
    if rest.trim_ascii() == b"*" {
        return Some(list.clone());
    }
    let mut tags: Vec<u8> = Vec::with_capacity(rest.len());
    while let Some((tag, after)) = next(rest) {
        rest = after;
        let own = original(tag, version);
        if own.is_none() && !keep_others {
            continue;
        }
        if !tags.is_empty() {
            tags.extend_from_slice(b", ");
        }
        tags.extend_from_slice(own.as_deref().unwrap_or(tag));
    }
    if tags.is_empty() { None } else { HeaderValue::from_bytes(&tags).ok() }
}

/// The service's tag behind one of ours.
fn original(tag: &[u8], version: &str) -> Option<Vec<u8>> {
    let quoted = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (mark, opaque) = inner.strip_suffix(version.as_bytes())?.split_last()?;
    let prefix: &[u8] = match *mark {
        STRONG => b"\"",
        WEAK => b"W/\"",
        _ => return None,
    };
    Some([prefix, opaque, b"\""].concat())
}

/// The first entity tag of a list, and what follows. `None` after the last, or before
/// something that is no tag.
fn next(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let list = &list[start..];
    let open = if list.starts_with(b"W/") { 2 } else { 0 };
    let inner = list.get(open..)?.strip_prefix(b"\"")?;
    let end = open + 2 + inner.iter().position(|byte| *byte == b'"')?;
    Some(list.split_at(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    fn client(tag: &str, changed: bool) -> Option<String> {
        to_client(&value(tag), "v1", changed).map(|tag| tag.to_str().unwrap().to_owned())
    }

    fn service(list: &str, keep_others: bool) -> Option<String> {
        to_service(&value(list), "v1", keep_others).map(|tags| tags.to_str().unwrap().to_owned())
    }

    #[test]
    fn tags_name_the_version_and_come_back() {
        assert_eq!(client("\"x\"", true).as_deref(), Some("W/\"x-v1\""));
        assert_eq!(client("\"x\"", false).as_deref(), Some("\"x-v1\""));
        assert_eq!(client("W/\"x\"", false).as_deref(), Some("W/\"x~v1\""));
        assert_eq!(client("x", true), None);
        assert_eq!(
            service("W/\"x-v1\", \"y-v1\",W/\"z~v1\"", false).as_deref(),
            Some("\"x\", \"y\", W/\"z\"")
        );
    }

    #[test]
    fn tags_of_others_count_only_where_they_are_insisted_on() {
        assert_eq!(service("\"x\", W/\"x-v2\"", false), None);
        assert_eq!(service("\"x\", W/\"x-v2\"", true).as_deref(), Some("\"x\", W/\"x-v2\""));
        assert_eq!(service("\"a,b-v1\", \"c\"", false).as_deref(), Some("\"a,b\""));
        assert_eq!(service("*", false).as_deref(), Some("*"));
        for bad in ["", "x", "\"x", "W/", "-v1"] {
            assert_eq!(service(bad, true), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_tag_it_comes_back(opaque in "[!#-~]{0,12}", weak: bool, changed: bool) {
            let tag = format!("{}\"{opaque}\"", if weak { "W/" } else { "" });
            let sent = to_client(&value(&tag), "v1", changed).unwrap();
            prop_assert_eq!(to_service(&sent, "v1", false), Some(value(&tag)));
            prop_assert_eq!(to_service(&sent, "v2", false), None);
        }

        #[test]
        fn no_list_upsets_it(list in "[ -~]{0,24}", keep: bool) {
            let _ = to_service(&value(&list), "v1", keep);
        }
    }
}
