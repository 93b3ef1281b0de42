//! Hostile bytes as harmless text.

/// Whether a byte stands for itself inside a JSON string (RFC 8259 section 7).
const fn is_json(byte: u8) -> bool {
    // Bit by bit and not branch by branch, so that many bytes are judged at once.
    (byte >= 0x20) & (byte < 0x7f) & (byte != b'"') & (byte != b'\\')
}

/// Whether a byte needs no quotes around it in a line for human readers.
const fn is_word(byte: u8) -> bool {
    is_json(byte) & (byte != b' ') & (byte != b'=')
}

/// Whether a question is answered with yes for every byte, which it nearly always is.
#[inline(always)]
fn all(is: fn(u8) -> bool, bytes: &[u8]) -> bool {
    let yes = |bytes: &[u8]| bytes.iter().fold(true, |yes, &byte| yes & is(byte));
    let (eights, rest) = bytes.as_chunks::<8>();
    eights.iter().all(|eight| yes(eight)) && yes(rest)
}

/// Appends a JSON string, quotes included, of at most the first `max` bytes. What
/// is not UTF-8 becomes U+FFFD, and `…` tells that something was cut.
///
/// Control characters are escaped, U+007F to U+009F and the line separators too,
/// so that a line stays a line and a terminal obeys nothing in it.
pub fn json_string(out: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let kept = cut(bytes, max);
    out.push(b'"');
    if all(is_json, kept) {
        out.extend_from_slice(kept);
    } else {
        for chunk in kept.utf8_chunks() {
            escape(out, chunk.valid());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    if kept.len() < bytes.len() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// Appends text for human readers: as it is when harmless, else as a JSON string.
pub fn word(out: &mut Vec<u8>, bytes: &[u8], max: usize) {
    if !bytes.is_empty() && bytes.len() <= max && all(is_word, bytes) {
        out.extend_from_slice(bytes);
    } else {
        json_string(out, bytes, max);
    }
}

/// At most `max` bytes, not ending inside a character.
fn cut(bytes: &[u8], max: usize) -> &[u8] {
    if bytes.len() <= max {
        return bytes;
    }
    let starts = |at: usize| !(0x80..0xc0).contains(&bytes[at]);
    let end = (max.saturating_sub(3)..=max).rev().find(|&at| starts(at)).unwrap_or(max);
    &bytes[..end]
}

fn escape(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{2028}' | '\u{2029}' => escape_code(out, character),
            c if c.is_control() => escape_code(out, c),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends `\uXXXX`; only for characters of the basic plane.
fn escape_code(out: &mut Vec<u8>, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    let code = u32::from(character);
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[(code >> shift & 0xf) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(bytes: &[u8], max: usize) -> String {
        let mut out = Vec::new();
        json_string(&mut out, bytes, max);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_could_break_a_line_or_a_terminal_is_escaped() {
        assert_eq!(json(b"plain /text?", 99), r#""plain /text?""#);
        assert_eq!(json(b"a\"b\\c", 99), r#""a\"b\\c""#);
        assert_eq!(json(b"\n\r\t\0\x1b[2J\x7f", 99), r#""\n\r\t\u0000\u001b[2J\u007f""#);
        assert_eq!(json("\u{9b}31m\u{2028}".as_bytes(), 99), r#""\u009b31m\u2028""#);
        assert_eq!(json("grüße 🦀".as_bytes(), 99), "\"grüße 🦀\"");
        assert_eq!(json(b"a\xff\xfeb", 99), "\"a\u{fffd}\u{fffd}b\"");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(json(b"abcdef", 6), r#""abcdef""#);
        assert_eq!(json(b"abcdef", 4), "\"abcd…\"");
        assert_eq!(json("abcé".as_bytes(), 4), "\"abc…\"");
        assert_eq!(json("🦀🦀".as_bytes(), 7), "\"🦀…\"");
        assert_eq!(json(&[0x80; 9], 4), "\"\u{fffd}\u{fffd}\u{fffd}\u{fffd}…\"");
    }

    #[test]
    fn words_are_quoted_only_when_they_must_be() {
        let word = |bytes: &[u8]| {
            let mut out = Vec::new();
            super::word(&mut out, bytes, 8);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(word(b"/a/{id}"), "/a/{id}");
        assert_eq!(word(b"a b"), r#""a b""#);
        assert_eq!(word(b"a=b"), r#""a=b""#);
        assert_eq!(word(b""), r#""""#);
        assert_eq!(word(b"123456789"), "\"12345678…\"");
    }

    proptest! {
        #[test]
        fn any_bytes_read_back_as_their_lossy_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let written = json(&bytes, 200);
            let read: String = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
            prop_assert!(!written.chars().any(char::is_control));
        }

        #[test]
        fn a_cut_text_is_a_prefix(text in "\\PC{0,60}", max in 4_usize..40) {
            let read: String = serde_json::from_str(&json(text.as_bytes(), max)).unwrap();
            if text.len() <= max {
                prop_assert_eq!(read, text);
            } else {
                let kept = read.strip_suffix('…').unwrap();
                prop_assert!(text.starts_with(kept) && kept.len() <= max && kept.len() > max - 4);
            }
        }
    }
}
