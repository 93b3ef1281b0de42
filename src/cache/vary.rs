//! Variants: the request fields that a response depends on (RFC 9111 section 4.1).
//!
//! A variant is told apart by a hash of those fields, normalised so that requests which mean
//! the same share it. Nothing here allocates.

mod normalise;

use http::HeaderMap;

use super::{
    fields,
    key::{EntryKey, KeyMaker},
    text,
};

/// Names that `Vary` may have; a response with more is not stored.
pub const MAX_NAMES: usize = 16;
/// Bytes that a name may have.
pub const MAX_NAME_BYTES: usize = 64;

/// Why a `Vary` matches no request that could be told in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatchable {
    /// `*` is among the names.
    Star,
    /// Too many names, or one that is none or too long.
    Limit,
}

/// The names in `Vary`: each once, sorted, so that their order and case do not matter.
#[derive(Clone, Copy, Debug)]
pub struct Vary<'a> {
    names: [&'a [u8]; MAX_NAMES],
    count: usize,
}

impl<'a> Vary<'a> {
    /// Of a response.
    ///
    /// # Errors
    /// [`Unmatchable`].
    pub fn of_headers(headers: &'a HeaderMap) -> Result<Self, Unmatchable> {
        Self::of_names(text::list(headers, "vary"))
    }

    /// Of a stored response.
    ///
    /// # Errors
    /// [`Unmatchable`].
    pub fn of_fields(wire: &'a [u8]) -> Result<Self, Unmatchable> {
        Self::of_names(fields::find_all(wire, "vary").flat_map(text::members))
    }

    fn of_names(members: impl Iterator<Item = &'a [u8]>) -> Result<Self, Unmatchable> {
        let mut found = Self { names: [&[]; MAX_NAMES], count: 0 };
        let mut limit = false;
        for name in members {
            // A star counts wherever it is, even after too many names.
            if name == b"*" {
                return Err(Unmatchable::Star);
            }
            if found.names().iter().any(|other| other.eq_ignore_ascii_case(name)) {
                continue;
            }
            match found.names.get_mut(found.count) {
                Some(slot) if text::is_token(name) && name.len() <= MAX_NAME_BYTES => {
                    *slot = name;
                    found.count += 1;
                }
                _ => limit = true,
            }
        }
        if limit {
            return Err(Unmatchable::Limit);
        }
        let Self { names, count } = &mut found;
        names[..*count].sort_unstable_by(|a, b| lower(a).cmp(lower(b)));
        Ok(found)
    }

    /// The names, in the case they were sent in.
    pub fn names(&self) -> &[&'a [u8]] {
        &self.names[..self.count]
    }

    /// The hash of a request's fields of these names; `None` if there are no names.
    pub fn variance(&self, maker: &KeyMaker, request: &HeaderMap) -> Option<[u8; 16]> {
        if self.count == 0 {
            return None;
        }
        let mut builder = maker.key();
        for name in self.names() {
            let mut buffer = [0; MAX_NAME_BYTES];
            let lower = &mut buffer[..name.len()];
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            builder.part(lower);
            // A token is ASCII.
            normalise::value(std::str::from_utf8(lower).unwrap_or_default(), request, &mut builder);
        }
        let EntryKey(hash) = builder.finish();
        Some(hash)
    }
}

fn lower(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(u8::to_ascii_lowercase)
}

/// Whether a stored response is the variant for a request.
pub fn matches(maker: &KeyMaker, stored: &[u8], variance: Option<[u8; 16]>, request: &HeaderMap) -> bool {
    Vary::of_fields(stored).is_ok_and(|vary| vary.variance(maker, request) == variance)
}

#[cfg(test)]
mod tests;
