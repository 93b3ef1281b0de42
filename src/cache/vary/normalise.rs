//! One request field, as far as it makes a difference.

use http::HeaderMap;

use crate::cache::{key::KeyBuilder, text};

/// Members that are put in order; a field with more is taken as it is.
const MAX_MEMBERS: usize = 24;
/// Bytes of a member that is put in order.
const MAX_MEMBER_BYTES: usize = 32;
/// The codings that are told apart by a bit each. `x-gzip` is `gzip` (RFC 9110 section 8.4.1.3).
const CODINGS: [&[u8]; 5] = [b"br", b"deflate", b"gzip", b"identity", b"zstd"];
const IDENTITY: u8 = 1 << 3;

/// Adds the value of a field. `name` is in lower case.
pub(super) fn value(name: &str, request: &HeaderMap, builder: &mut KeyBuilder) {
    // Absent matches only absent (RFC 9111 section 4.1).
    if !request.contains_key(name) {
        return builder.optional(None);
    }
    builder.optional(Some(b""));
    let ranked = match name {
        "accept-encoding" => Ranked::read(request, name).map(|ranked| encodings(&ranked, builder)),
        "accept-language" => Ranked::read(request, name).map(|ranked| languages(ranked, builder)),
        _ => None,
    };
    if ranked.is_none() {
        // Lines joined, blanks round commas dropped.
        builder.part(b"list");
        text::list(request, name).for_each(|member| builder.optional(Some(member)));
        builder.optional(None);
    }
}

/// A member with its weight in thousandths (RFC 9110 section 12.4.2).
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    text: [u8; MAX_MEMBER_BYTES],
    length: usize,
    weight: u16,
}

impl Member {
    fn read(member: &[u8]) -> Option<Self> {
        let mut parts = member.split(|&byte| byte == b';');
        let name = parts.next()?.trim_ascii();
        let weight = match (parts.next(), parts.next()) {
            (None, _) => 1000,
            (Some(parameter), None) => weight(parameter.trim_ascii())?,
            (Some(_), Some(_)) => return None,
        };
        let mut found = Self { weight, length: name.len(), ..Self::default() };
        found.text.get_mut(..name.len())?.copy_from_slice(name);
        found.text.make_ascii_lowercase();
        Some(found)
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// `q=0.5`, in thousandths.
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), fraction @ ..] = parameter else { return None };
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let thousandths =
        [100, 10, 1].iter().zip(digits).map(|(unit, digit)| unit * u16::from(digit - b'0')).sum::<u16>();
    Some((u16::from(whole - b'0') * 1000 + thousandths).min(1000))
}

/// The members of a field with weights.
struct Ranked {
    members: [Member; MAX_MEMBERS],
    count: usize,
}

impl Ranked {
    /// `None` if the field is not of this form or passes the limits.
    fn read(request: &HeaderMap, name: &str) -> Option<Self> {
        let mut found = Self { members: [Member::default(); MAX_MEMBERS], count: 0 };
        for member in request.get_all(name).into_iter().flat_map(|line| text::members(line.as_bytes())) {
            *found.members.get_mut(found.count)? = Member::read(member)?;
            found.count += 1;
        }
        Some(found)
    }

    fn members(&self) -> &[Member] {
        &self.members[..self.count]
    }
}

/// The set of codings accepted. Which one is liked best does not matter: any of them will do.
///
/// Codings without a bit are added by name, because a response in one of them must not
/// reach a client that does not accept it.
fn encodings(ranked: &Ranked, builder: &mut KeyBuilder) {
    let weight_of =
        |name: &[u8]| ranked.members().iter().find(|member| member.text() == name).map(|m| m.weight);
    let any = weight_of(b"*");
    let mut accepted = 0;
    for (bit, coding) in CODINGS.iter().enumerate() {
        let alias = if *coding == b"gzip" { weight_of(b"x-gzip") } else { None };
        let stated = weight_of(coding).or(alias).or(any);
        // Identity is acceptable unless it is refused (RFC 9110 section 12.5.3).
        let accepts = stated.map_or(1 << bit == IDENTITY, |weight| weight > 0);
        accepted |= u8::from(accepts) << bit;
    }
    builder.part(&[accepted, u8::from(any.is_some_and(|weight| weight > 0))]);
    let mut others = [&[][..]; MAX_MEMBERS];
    let mut count = 0;
    for member in ranked.members() {
        let known = CODINGS.contains(&member.text()) || matches!(member.text(), b"x-gzip" | b"*");
        // With `*` accepted, it is a refusal that makes a difference.
        let usual = member.weight > 0 && any.is_some_and(|weight| weight > 0);
        let absent = member.weight == 0 && any.is_none_or(|weight| weight == 0);
        if !known && !usual && !absent {
            others[count] = member.text();
            count += 1;
        }
    }
    others[..count].sort_unstable();
    others[..count].iter().for_each(|name| builder.optional(Some(name)));
    builder.optional(None);
}

/// The languages, the best first; equals in alphabetical order, and marked as equals.
fn languages(mut ranked: Ranked, builder: &mut KeyBuilder) {
    let count = ranked.count;
    let members = &mut ranked.members[..count];
    members.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.text().cmp(b.text())));
    let mut before = None;
    for member in members {
        let mark = match before {
            _ if member.weight == 0 => b"refused".as_slice(),
            Some(weight) if weight == member.weight => b"equal",
            _ => b"next",
        };
        before = Some(member.weight);
        builder.optional(Some(mark));
        builder.part(member.text());
    }
    builder.optional(None);
}
