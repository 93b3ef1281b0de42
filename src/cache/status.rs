//! `Cache-Status`: how a request was handled (RFC 9211).

use std::io::Write as _;

/// Why a request went to the upstream (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The route leaves the cache alone for it.
    Bypass,
    /// Its method is not served from the cache.
    Method,
    /// Nothing is stored for its URI.
    UriMiss,
    /// What is stored for its URI is another variant.
    VaryMiss,
    /// Nothing that is stored fits, for another reason or for none that is known.
    Miss,
    /// It asked for that.
    Request,
    /// What is stored is stale.
    Stale,
}

impl Forward {
    /// The token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// What one cache did with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Why it was forwarded; `None`: it is a hit.
    pub forward: Option<Forward>,
    /// The status the upstream answered with, if another is sent: of a successful revalidation, 304.
    pub forward_status: Option<u16>,
    /// Seconds of freshness left; below 0 since it has become stale.
    pub ttl: Option<i64>,
    /// Whether the answer is stored.
    pub stored: bool,
    /// Whether it waited for the fetch of another request, and if so, whether that one's answer
    /// served it too.
    pub collapsed: Option<bool>,
    /// A word about it: the tier, or why it is not stored.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// Appends the list member of the cache called `name`, as a structured field (RFC 8941).
    /// A key is never part of it: keys are secret.
    pub fn render(&self, name: &str, out: &mut Vec<u8>) {
        string_or_token(name, out);
        match self.forward {
            None => out.extend_from_slice(b";hit"),
            Some(forward) => {
                out.extend_from_slice(b";fwd=");
                out.extend_from_slice(forward.as_str().as_bytes());
            }
        }
        // Writing to a `Vec` does not fail.
        if let Some(status) = self.forward_status {
            let _ = write!(out, ";fwd-status={status}");
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(out, ";ttl={}", ttl.clamp(-999_999_999_999_999, 999_999_999_999_999));
        }
        if self.stored {
            out.extend_from_slice(b";stored");
        }
        match self.collapsed {
            Some(true) => out.extend_from_slice(b";collapsed"),
            Some(false) => out.extend_from_slice(b";collapsed=?0"),
            None => {}
        }
        if let Some(detail) = self.detail {
            out.extend_from_slice(b";detail=");
            string_or_token(detail, out);
        }
    }
}

/// A token where the text is one, a string otherwise; what no string can hold becomes `?`.
fn string_or_token(text: &str, out: &mut Vec<u8>) {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*');
    if begins && text.bytes().all(|byte| super::text::is_token(&[byte]) || matches!(byte, b':' | b'/')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(name: &str, status: CacheStatus) -> String {
        let mut out = Vec::new();
        status.render(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rfc9211_2_1_a_hit_says_how_long_it_lasts_and_where_from() {
        let hit = CacheStatus { ttl: Some(-3), detail: Some("memory"), ..Default::default() };
        assert_eq!(render("nilegate", hit), "nilegate;hit;ttl=-3;detail=memory");
    }

    #[test]
    fn rfc9211_2_2_a_forwarded_request_says_why() {
        let miss = CacheStatus {
            forward: Some(Forward::Stale),
            forward_status: Some(304),
            ttl: Some(60),
            stored: true,
            collapsed: Some(true),
            detail: None,
        };
        assert_eq!(render("nilegate", miss), "nilegate;fwd=stale;fwd-status=304;ttl=60;stored;collapsed");
    }

    #[test]
    fn rfc9211_2_6_a_wait_in_vain_is_said_so() {
        let miss = CacheStatus { forward: Some(Forward::Miss), collapsed: Some(false), ..Default::default() };
        assert_eq!(render("nilegate", miss), "nilegate;fwd=miss;collapsed=?0");
    }

    #[test]
    fn rfc8941_3_3_names_that_are_no_tokens_are_strings() {
        assert_eq!(render("a \"b\\é", CacheStatus::default()), "\"a \\\"b\\\\??\";hit");
        assert_eq!(render("", CacheStatus::default()), "\"\";hit");
        assert_eq!(render("1a", CacheStatus::default()), "\"1a\";hit");
    }

    proptest! {
        #[test]
        fn every_member_is_a_structured_field(name in ".{0,10}", ttl: Option<i64>, status: Option<u16>, stored: bool) {
            let status = CacheStatus { ttl, forward_status: status, stored, ..Default::default() };
            let text = render(&name, status);
            let list = sfv::Parser::parse_list(text.as_bytes());
            prop_assert_eq!(list.map(|list| list.len()), Ok(1), "{}", text);
        }
    }
}
