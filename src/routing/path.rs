//! Request paths that mean different things to different readers.

use percent_encoding::percent_decode_str;

/// Why a path must not be routed, if so.
///
/// A gateway that compares paths as sent is only safe when the backend reads
/// them the same way. Flagged is whatever some server is known to normalise:
/// dot segments (RFC 3986 section 6.2.2.3), also percent-encoded or followed by
/// `;parameters`; slashes, backslashes and NUL in encoded form; and bytes that
/// a path cannot contain at all (RFC 3986 section 3.3). Empty segments are not
/// flagged, because they are in legitimate use: see [`has_empty_segment`].
pub fn suspicious(path: &str) -> Option<&'static str> {
    let (mut escapes, mut dots) = (false, false);
    let mut before = b'/';
    for byte in path.bytes() {
        match byte {
            0..=b' ' | 0x7f => return Some("a control character or space"),
            0x80.. => return Some("a character outside ASCII"),
            b'\\' => return Some("a backslash"),
            b'#' => return Some("a fragment"),
            b'%' => escapes = true,
            _ => {}
        }
        // Where no segment begins with a dot, as it is or encoded, none has to be taken apart.
        dots |= before == b'/' && matches!(byte, b'.' | b'%');
        before = byte;
    }
    if escapes && let Some(reason) = suspicious_escape(path) {
        return Some(reason);
    }
    (dots && path.split('/').any(is_dot_segment)).then_some("a dot segment")
}

/// Whether a path has `//` in it, which some backends read as one slash.
///
/// Such a path can slip past a route with a literal path into a wider one.
pub fn has_empty_segment(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair == b"//")
}

fn suspicious_escape(path: &str) -> Option<&'static str> {
    path.split('%').skip(1).find_map(|after| match after.as_bytes() {
        [b'2', b'f' | b'F', ..] => Some("an encoded slash"),
        [b'5', b'c' | b'C', ..] => Some("an encoded backslash"),
        [b'0', b'0', ..] => Some("an encoded NUL"),
        [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => None,
        _ => Some("a broken percent-encoding"),
    })
}

/// Whether a segment is `.` or `..` once decoded, with or without `;parameters`.
fn is_dot_segment(segment: &str) -> bool {
    let mut dots = 0;
    for byte in percent_decode_str(segment) {
        match byte {
            b'.' if dots < 2 => dots += 1,
            b';' => break,
            _ => return false,
        }
    }
    dots > 0
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
    fn empty_segments_are_told_apart() {
        assert!(has_empty_segment("//a"));
        assert!(has_empty_segment("/a//"));
        assert!(!has_empty_segment("/a/"));
    }

    proptest! {
        /// What passes stays below its first segment, whoever decodes it once.
        #[test]
        fn no_accepted_path_climbs(path in "(/([.;%2eEfF5cC]|%2e|%2f|a){0,6}){1,4}") {
            if suspicious(&path).is_none() {
                let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
                prop_assert!(!decoded.split(['/', '\\']).any(|s| matches!(s, "." | "..")), "{decoded}");
            }
        }

        #[test]
        fn any_text_is_judged(path in ".*") {
            let clean = path.bytes().all(|b| b.is_ascii_graphic());
            prop_assert!(clean || suspicious(&path).is_some());
        }
    }
}
