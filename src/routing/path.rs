//! Request paths that mean different things to different readers.

mod policy;

use std::borrow::Cow;

pub use self::policy::PathPolicy;
use self::policy::Segment;

/// What makes a path that an operator writes unfit for routing, if anything.
///
/// A gateway that compares paths as sent is only safe when the backend reads
/// them the same way. Flagged is whatever some server is known to normalise:
/// dot segments (RFC 3986 section 6.2.2.3), also percent-encoded or followed by
/// `;parameters`; slashes, backslashes and NUL in encoded form; and bytes that
/// a path cannot contain at all (RFC 3986 section 3.3). Empty segments are told
/// apart by [`has_empty_segment`]. For the paths of requests there is [`PathPolicy`].
pub(super) fn suspicious(path: &str) -> Option<&'static str> {
    let Bytes { escapes, dots } = match bytes_of(path) {
        Ok(bytes) => bytes,
        Err(fault) => return Some(fault),
    };
    if escapes && let Some(fault) = escape_fault(path, false) {
        return Some(fault);
    }
    let is_dots = |segment| Segment::of(segment) != Segment::Name;
    ((escapes || dots) && path.split('/').any(is_dots)).then_some("a dot segment")
}

/// What the bytes of a path make worth a closer look.
struct Bytes {
    escapes: bool,
    dots: bool,
}

/// One look at every byte; the error names one that cannot stand in a path.
fn bytes_of(path: &str) -> Result<Bytes, &'static str> {
    let mut found = Bytes { escapes: false, dots: false };
    let mut before = b'/';
    for byte in path.bytes() {
        match byte {
            0..=b' ' | 0x7f => return Err("a control character or space"),
            0x80.. => return Err("a character outside ASCII"),
            b'\\' => return Err("a backslash"),
            b'#' => return Err("a fragment"),
            b'%' => found.escapes = true,
            _ => {}
        }
        // Where no segment begins with a dot, as it is or encoded, none has to be taken apart.
        found.dots |= before == b'/' && matches!(byte, b'.' | b'%');
        before = byte;
    }
    Ok(found)
}

/// Whether a path has `//` in it, which some backends read as one slash.
pub(super) fn has_empty_segment(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair == b"//")
}

/// What is wrong with the percent-encoding, if anything.
fn escape_fault(path: &str, keep_slashes: bool) -> Option<&'static str> {
    path.split('%').skip(1).find_map(|after| match after.as_bytes() {
        [b'2', b'f' | b'F', ..] => (!keep_slashes).then_some("an encoded slash"),
        [b'5', b'c' | b'C', ..] => (!keep_slashes).then_some("an encoded backslash"),
        [b'0', b'0', ..] => Some("an encoded NUL"),
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => None,
        _ => Some("a broken percent-encoding"),
    })
}

/// The one form of a sound percent-encoding (RFC 3986 section 6.2.2): what needs no escape has
/// none, and the digits of the others are capital. `/%61` and `/a` are the same to any server.
pub(super) fn canonical_escapes(path: &str) -> Cow<'_, str> {
    let is_canonical = |[high, low]: [u8; 2]| {
        !high.is_ascii_lowercase() && !low.is_ascii_lowercase() && unescaped(high, low).is_none()
    };
    let mut escapes = path.split('%').skip(1).filter_map(|after| after.as_bytes().first_chunk().copied());
    if escapes.all(is_canonical) {
        return Cow::Borrowed(path);
    }
    let mut parts = path.split('%');
    let mut canonical = String::with_capacity(path.len());
    canonical.push_str(parts.next().unwrap_or_default());
    for after in parts {
        let (digits, rest) = after.split_at_checked(2).unwrap_or((after, ""));
        match digits.as_bytes().first_chunk().and_then(|&[high, low]| unescaped(high, low)) {
            Some(byte) => canonical.push(char::from(byte)),
            None => {
                canonical.push('%');
                canonical.push_str(&digits.to_ascii_uppercase());
            }
        }
        canonical.push_str(rest);
    }
    Cow::Owned(canonical)
}

/// The character that two digits of an escape stand for, if it needs none (RFC 3986 section 2.3).
fn unescaped(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~').then_some(byte)
}

/// Splits what follows a slash into its first segment and what follows the next slash.
pub(super) fn split_segment(rest: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'/', rest.as_bytes()) {
        Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
        None => (rest, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "*",
            "/a//b",
            "/a.b/..c/...",
            "/.well-known/x",
            "/a%20b/%C3%A9",
            "/a;b=.",
            "/100%25",
            "/%252e%252e/",
            "/~x:@!$&'()*+,=",
        ] {
            assert_eq!(suspicious(path), None, "{path}");
        }
    }

    #[test]
    fn what_backends_normalise_is_flagged() {
        for (path, reason) in [
            ("/a/../b", "a dot segment"),
            ("/./a", "a dot segment"),
            ("/a/..", "a dot segment"),
            ("/a/%2e%2E/b", "a dot segment"),
            ("/a/.%2e", "a dot segment"),
            ("/a/..;x=1/b", "a dot segment"),
            ("/a/..%3bx/b", "a dot segment"),
            ("/a%2Fb", "an encoded slash"),
            ("/a%5cb", "an encoded backslash"),
            ("/a%00", "an encoded NUL"),
            ("/a%", "a broken percent-encoding"),
            ("/a%2", "a broken percent-encoding"),
            ("/a%zz", "a broken percent-encoding"),
            ("/a%%41", "a broken percent-encoding"),
            ("/a\\b", "a backslash"),
            ("/a b", "a control character or space"),
            ("/a\r\nb", "a control character or space"),
            ("/é", "a character outside ASCII"),
            ("/a#b", "a fragment"),
        ] {
            assert_eq!(suspicious(path), Some(reason), "{path}");
        }
    }

    #[test]
    fn an_escape_that_says_nothing_is_undone() {
        for (sent, seen) in [
            ("/%61dmin/%7Ea%2d1", "/admin/~a-1"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%2E%2e/x", "/../x"),
            ("/100%25%41", "/100%25A"),
            ("/a%2fb%2F", "/a%2Fb%2F"),
        ] {
            assert_eq!(canonical_escapes(sent), seen, "{sent}");
            assert!(matches!(canonical_escapes(seen), Cow::Borrowed(_)), "{seen}");
        }
        for kept in ["/", "/a%20b%2B%40", "/%C3%A9", "/%25361"] {
            assert!(matches!(canonical_escapes(kept), Cow::Borrowed(same) if same == kept), "{kept}");
        }
    }

    #[test]
    fn empty_segments_are_told_apart() {
        assert!(has_empty_segment("//a"));
        assert!(has_empty_segment("/a//"));
        assert!(!has_empty_segment("/a/"));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(path in ".*") {
            let clean = path.bytes().all(|b| b.is_ascii_graphic());
            prop_assert!(clean || suspicious(&path).is_some());
        }
    }
}
