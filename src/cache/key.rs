//! Names of entries and tags: keyed hashes of length-framed parts.
//!
//! Two different lists of parts never give the same bytes to the hash, because every part
//! is preceded by its length; and nothing of what was hashed can be read from the result.

use std::fmt;

/// The name of one stored response in both tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey(pub [u8; 16]);

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A surrogate key, hashed. Two tags that collide are dropped together, which is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// Makes keys and tags with the secret of the configuration.
#[derive(Clone)]
pub struct KeyMaker {
    secret: [u8; 32],
}

impl KeyMaker {
    /// `secret` is any text; without one the hashes are the same for everybody.
    pub fn new(secret: Option<&str>) -> Self {
        Self { secret: blake3::derive_key("nilegate cache key 1", secret.unwrap_or_default().as_bytes()) }
    }

    /// Begins the key of an entry.
    pub fn key(&self) -> KeyBuilder {
        KeyBuilder { hasher: blake3::Hasher::new_keyed(&self.secret) }
    }

    /// The tag of this name. Names of different kinds (`"tag"`, `"url"`, `"route"`) never meet.
    pub fn tag(&self, kind: &str, name: &[u8]) -> Tag {
        let mut builder = self.key();
        builder.part(kind.as_bytes());
        builder.part(name);
        let EntryKey(bytes) = builder.finish();
        let (first, _) = bytes.split_at(8);
        Tag(first.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// The slot of a variant beside the primary slot `primary`.
    pub fn variant(&self, primary: EntryKey, variance: [u8; 16]) -> EntryKey {
        let mut builder = self.key();
        builder.part(&primary.0);
        builder.part(&variance);
        builder.finish()
    }
}

/// Collects the parts of a key.
pub struct KeyBuilder {
    hasher: blake3::Hasher,
}

impl KeyBuilder {
    /// Adds one part. The order of parts counts.
    pub fn part(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    /// Adds a part that may be absent, which differs from being empty.
    pub fn optional(&mut self, bytes: Option<&[u8]>) {
        self.hasher.update(&[u8::from(bytes.is_some())]);
        if let Some(bytes) = bytes {
            self.part(bytes);
        }
    }

    /// The key of the parts so far.
    pub fn finish(&self) -> EntryKey {
        let mut bytes = [0; 16];
        self.hasher.finalize_xof().fill(&mut bytes);
        EntryKey(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[Vec<u8>]) -> EntryKey {
        let mut builder = KeyMaker::new(None).key();
        parts.iter().for_each(|part| builder.part(part));
        builder.finish()
    }

    proptest! {
        #[test]
        fn different_parts_give_different_keys(
            a in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..4),
            b in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..4),
        ) {
            prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }

    #[test]
    fn the_secret_changes_every_key() {
        let (open, secret) = (KeyMaker::new(None), KeyMaker::new(Some("s")));
        assert_ne!(open.tag("tag", b"a"), secret.tag("tag", b"a"));
        assert_ne!(open.key().finish(), secret.key().finish());
    }

    #[test]
    fn absent_is_not_empty() {
        let of = |value: Option<&[u8]>| {
            let mut builder = KeyMaker::new(None).key();
            builder.optional(value);
            builder.finish()
        };
        assert_ne!(of(None), of(Some(b"")));
    }
}
