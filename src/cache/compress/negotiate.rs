//! `Accept-Encoding` (RFC 9110 section 12.5.3).

use super::{Encoding, token};

/// What a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The body as it is.
    Identity,
    /// The body in this coding.
    Encoded(Encoding),
    /// The client accepts neither a coding on offer nor the body as it is. RFC 9110 section
    /// 15.5.7 allows 406, and the body as it is all the same.
    NotAcceptable,
}

/// The most members of a list that are read; the rest counts as absent.
const MAX_MEMBERS: usize = 64;

/// Weights in thousandths, as far as the client gave any.
#[derive(Default)]
struct Weights {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn of(&self, encoding: Encoding) -> u16 {
        self.codings[encoding as usize].or(self.any).unwrap_or(0)
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<u16>> {
        let is = |token: &str| name.eq_ignore_ascii_case(token.as_bytes());
        match name {
            b"*" => Some(&mut self.any),
            _ if is("identity") => Some(&mut self.identity),
            _ if is("x-gzip") => Some(&mut self.codings[Encoding::Gzip as usize]),
            _ => {
                let known = [Encoding::Br, Encoding::Zstd, Encoding::Gzip];
                let encoding = known.into_iter().find(|encoding| is(token(*encoding)))?;
                Some(&mut self.codings[encoding as usize])
            }
        }
    }
}

/// Chooses from the codings `offered`, the preferred first, by the values of all
/// `Accept-Encoding` fields. Without one, everything is acceptable and nothing asked for:
/// the body stays as it is. Members that are malformed count as absent; of a coding named
/// twice, the first counts.
pub fn negotiate<'a>(values: impl IntoIterator<Item = &'a [u8]>, offered: &[Encoding]) -> Choice {
    let mut weights = Weights::default();
    let members = values.into_iter().flat_map(|value| value.split(|byte| *byte == b','));
    for (name, weight) in members.take(MAX_MEMBERS).filter_map(member) {
        if let Some(slot) = weights.slot(name) {
            slot.get_or_insert(weight);
        }
    }
    let mut best = (0, None);
    for encoding in offered {
        let weight = weights.of(*encoding);
        if weight > best.0 {
            best = (weight, Some(*encoding));
        }
    }
    let identity = weights.identity.or(weights.any);
    match best {
        (weight, Some(encoding)) if weight >= identity.unwrap_or(0) => Choice::Encoded(encoding),
        _ if identity == Some(0) => Choice::NotAcceptable,
        _ => Choice::Identity,
    }
}

/// A coding and its weight.
fn member(text: &[u8]) -> Option<(&[u8], u16)> {
    let Some(semicolon) = memchr::memchr(b';', text) else { return Some((text.trim_ascii(), 1000)) };
    let [b'q' | b'Q', b'=', weight @ ..] = text[semicolon + 1..].trim_ascii() else { return None };
    Some((text[..semicolon].trim_ascii(), thousandths(weight)?))
}

/// A weight (RFC 9110 section 12.4.2): at most three digits after the point.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut sum = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        sum = sum * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    match (whole, sum) {
        (b'0', _) => Some(sum),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Choice::*, Encoding::*, *};

    const OFFERED: [Encoding; 3] = [Zstd, Br, Gzip];

    fn check(values: &[&str], expected: Choice) {
        let bytes = values.iter().map(|value| value.as_bytes());
        assert_eq!(negotiate(bytes, &OFFERED), expected, "{values:?}");
    }

    #[test]
    fn our_preference_decides_among_equals() {
        check(&["gzip, deflate, br, zstd"], Encoded(Zstd));
        check(&["gzip, deflate, br"], Encoded(Br));
        check(&["gzip", "br"], Encoded(Br));
        check(&["GZip;q=0.5,x-gzip"], Encoded(Gzip));
        check(&["x-gzip"], Encoded(Gzip));
        assert_eq!(negotiate([&b"gzip, br"[..]], &[Gzip, Br]), Encoded(Gzip));
    }

    #[test]
    fn the_weights_of_the_client_come_first() {
        check(&["gzip;q=1.0, br;q=0.9, zstd; q=0.99"], Encoded(Gzip));
        check(&["gzip;q=0.001"], Encoded(Gzip));
        check(&["gzip;q=0, br ; Q=0.1"], Encoded(Br));
        check(&["gzip;q=0"], Identity);
        check(&["identity;q=0.5, gzip;q=0.4"], Identity);
        check(&["identity;q=0.5, gzip;q=0.5"], Encoded(Gzip));
    }

    #[test]
    fn the_star_stands_for_what_is_not_named() {
        check(&["*"], Encoded(Zstd));
        check(&["zstd;q=0, *"], Encoded(Br));
        check(&["gzip, *;q=0"], Encoded(Gzip));
        check(&["*;q=0"], NotAcceptable);
        check(&["*;q=0, identity"], Identity);
    }

    #[test]
    fn identity_is_acceptable_unless_excluded() {
        check(&[], Identity);
        check(&[""], Identity);
        check(&["deflate"], Identity);
        check(&["identity;q=0"], NotAcceptable);
        check(&["identity;q=0, gzip;q=0.1"], Encoded(Gzip));
        check(&["identity;q=0.0, deflate"], NotAcceptable);
    }

    #[test]
    fn malformed_members_count_as_absent() {
        for value in
            ["gzip;q=2", "gzip;q=0.1234", "gzip;q=", "gzip;q=1.001", "gzip;q=-1", "gzip;x=1", "gz ip"]
        {
            check(&[value], Identity);
        }
        check(&[",,;q=1, gzip;q=nan, br"], Encoded(Br));
        check(&[&("x,".repeat(MAX_MEMBERS) + "gzip")], Identity);
    }

    proptest! {
        #[test]
        fn what_is_chosen_was_offered_and_not_refused(value in "([a-z*]{1,3}|br|gzip|zstd|identity)(;q=[01](\\.[0-9]{0,3})?)?(, ?(br|gzip|\\*|identity)(;q=0(\\.[0-9]{0,3})?)?){0,3}") {
            match negotiate([value.as_bytes()], &[Gzip]) {
                Encoded(encoding) => {
                    prop_assert_eq!(encoding, Gzip);
                    prop_assert!(value.contains("gzip") || value.contains('*'));
                }
                Identity => {}
                NotAcceptable => prop_assert!(value.contains(";q=0")),
            }
        }

        #[test]
        fn any_bytes_have_an_outcome(value in any::<Vec<u8>>()) {
            prop_assert_eq!(negotiate([&value[..]], &[]), negotiate([&value[..]], &[]));
            prop_assert!(!matches!(negotiate([&value[..]], &[]), Encoded(_)));
        }
    }
}
