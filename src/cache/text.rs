//! Pieces of field values: list members, delta-seconds.

use http::HeaderMap;

/// Longest lifetime or age, in seconds (RFC 9111 section 1.2.2): more counts as this.
pub const MAX_SECONDS: u32 = 1 << 31;

/// The members of a comma-separated list, without blanks around them and without empty ones.
/// A comma in a quoted string separates nothing.
pub(super) fn members(value: &[u8]) -> Members<'_> {
    Members { rest: value }
}

/// The members of a list over all lines of a field.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|line| members(line.as_bytes()))
}

/// See [`members`].
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (member, tail) = self.rest.split_at(end_of_member(self.rest));
            self.rest = tail.get(1..).unwrap_or_default();
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

fn end_of_member(bytes: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    bytes.len()
}

/// Delta-seconds (RFC 9111 section 1.2.2): digits alone, saturated at [`MAX_SECONDS`].
pub(super) fn seconds(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| {
        text.iter().fold(0, |sum: u32, digit| {
            sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')).min(MAX_SECONDS)
        })
    })
}

/// Whether these bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<String> {
        members(value.as_bytes()).map(|m| String::from_utf8_lossy(m).into_owned()).collect()
    }

    #[test]
    fn rfc9110_5_6_1_empty_members_do_not_count() {
        assert_eq!(all(" , a ,, b\t,"), ["a", "b"]);
        assert!(all("").is_empty());
    }

    #[test]
    fn rfc9110_5_6_4_commas_in_quoted_strings_do_not_separate() {
        assert_eq!(all(r#"a="1, 2", b="\", ""#), [r#"a="1, 2""#, r#"b="\", ""#]);
        assert_eq!(all("\"open, end"), ["\"open, end"]);
    }

    #[test]
    fn rfc9111_1_2_2_delta_seconds_saturate_and_may_start_with_zeros() {
        assert_eq!(seconds(b"003600"), Some(3600));
        assert_eq!(seconds(b"99999999999999999999999"), Some(MAX_SECONDS));
        assert_eq!(seconds(b"2147483647"), Some(MAX_SECONDS - 1));
        for bad in ["", "-1", "1.0", "1a", " 1", "'1'", "+1"] {
            assert_eq!(seconds(bad.as_bytes()), None, "{bad}");
        }
    }
}
