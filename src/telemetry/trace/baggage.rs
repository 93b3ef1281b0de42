//! W3C Baggage: what callers hand down beside the trace, within limits.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::jaeger::BAGGAGE_PREFIX;

pub(super) const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Most members handed on.
const MEMBERS_MAX: usize = 64;
/// Most bytes handed on.
const BYTES_MAX: usize = 8192;
/// What may not stand in a value as it is (W3C Baggage section 3.2.1.4).
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'\\');

/// A sound list of members, in the form of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage {
    text: String,
    members: usize,
}

impl Baggage {
    /// Adds what the `baggage` fields hold; members that are none are left out.
    pub(super) fn read(&mut self, fields: &HeaderMap) {
        for line in fields.get_all(&BAGGAGE) {
            let Ok(text) = line.to_str() else { continue };
            for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
                if is_member(member) {
                    self.add(&[member]);
                }
            }
        }
    }

    /// Adds a member whose value is not encoded yet.
    pub(super) fn add_raw(&mut self, key: &str, value: &str) {
        if is_token(key) {
            self.add(&[key, "=", &utf8_percent_encode(value, ENCODED).to_string()]);
        }
    }

    /// Adds a member, if there is room for it.
    fn add(&mut self, parts: &[&str]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.members == MEMBERS_MAX || self.text.len() + length + 1 > BYTES_MAX {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.extend(parts.iter().copied());
        self.members += 1;
    }

    /// Whether there is nothing to hand on.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The value of the field.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The members as fields of Jaeger's, properties left out.
    pub(super) fn jaeger(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.text.split(',').filter_map(|member| {
            let (key, value) = member.split_once('=')?;
            let value = value.split(';').next()?.trim_matches([' ', '\t']);
            let name = format!("{BAGGAGE_PREFIX}{}", key.trim_matches([' ', '\t']));
            // What Jaeger writes is percent-encoded as well.
            let value = percent_decode_str(value).decode_utf8().ok()?;
            let value = utf8_percent_encode(&value, ENCODED).to_string();
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
    }
}

/// `key=value`, with properties behind `;`.
fn is_member(member: &str) -> bool {
    let mut parts = member.split(';');
    let pair = parts.next().and_then(|pair| pair.split_once('='));
    let Some((key, value)) = pair else { return false };
    is_token(key.trim_matches([' ', '\t']))
        && is_text(value)
        && parts.all(|property| match property.split_once('=') {
            Some((key, value)) => is_token(key.trim_matches([' ', '\t'])) && is_text(value),
            None => is_token(property.trim_matches([' ', '\t'])),
        })
}

/// A token (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Octets of baggage, with white space around them.
fn is_text(text: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'!'..=b'~') && !b"\",;\\".contains(&byte);
    text.trim_matches([' ', '\t']).bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> String {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(BAGGAGE, HeaderValue::from_str(line).unwrap());
        }
        let mut baggage = Baggage::default();
        baggage.read(&fields);
        baggage.text
    }

    #[test]
    fn members_of_all_lines_are_kept_and_others_left_out() {
        assert_eq!(of(&["a=1, b=2;p=3;q", "c = 4"]), "a=1,b=2;p=3;q,c = 4");
        assert_eq!(of(&["a=1,,=2,b c=3,d=\"4\",e,f=\\,g="]), "a=1,g=");
        assert_eq!(of(&["a=1;,b=2;x y"]), "");
    }

    #[test]
    fn there_are_limits() {
        let many: Vec<String> = (0..100).map(|n| format!("k{n}=v")).collect();
        assert_eq!(of(&[&many.join(",")]).split(',').count(), 64);
        let large = format!("a={},b=1,c={}", "x".repeat(8000), "y".repeat(500));
        let kept = of(&[&large]);
        assert!(kept.len() <= 8192 && kept.ends_with(",b=1"), "what fits still fits");
    }

    #[test]
    fn values_are_encoded_where_they_must_be() {
        let mut baggage = Baggage::default();
        baggage.add_raw("k", "a b,c;ü%");
        baggage.add_raw("no key", "x");
        assert_eq!(baggage.as_str(), "k=a%20b%2Cc%3B%C3%BC%25");
        let fields: Vec<_> = baggage.jaeger().collect();
        assert_eq!(fields.len(), 1);
        assert_eq!(
            (fields[0].0.as_str(), fields[0].1.to_str().unwrap()),
            ("uberctx-k", "a%20b%2Cc%3B%C3%BC%25")
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_again(line in "[ -~]{0,120}") {
            let kept = of(&[&line]);
            prop_assert_eq!(of(&[&kept]), kept.clone());
        }
    }
}
