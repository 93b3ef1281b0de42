//! Credentials that were verified, by a keyed hash of them.

use std::time::SystemTime;

use quick_cache::sync::Cache;

/// Credentials remembered by one provider.
const CAPACITY: usize = 10_000;

/// A keyed hash of credentials.
pub(super) type Digest = [u8; 32];

/// What is remembered about credentials.
#[derive(Clone)]
pub(super) struct Known<V> {
    /// What they proved.
    pub value: V,
    /// When that is over.
    pub until: SystemTime,
}

/// Remembers a bounded number of credentials. What is asked for least goes first.
pub(super) struct Memo<V> {
    /// Of this value alone, so that nobody can tell which credentials meet.
    secret: [u8; 32],
    entries: Cache<Digest, Known<V>>,
}

impl<V: Clone> Memo<V> {
    pub fn new() -> Self {
        Self { secret: rand::random(), entries: Cache::new(CAPACITY) }
    }

    /// The name of credentials that are one text.
    pub fn digest(&self, credential: &[u8]) -> Digest {
        *blake3::keyed_hash(&self.secret, credential).as_bytes()
    }

    /// The name of credentials that are several texts.
    pub fn digest_of<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// What these credentials proved, while it holds.
    pub fn get(&self, digest: &Digest, now: SystemTime) -> Option<V> {
        let known = self.entries.get(digest)?;
        (now < known.until).then_some(known.value)
    }

    /// Remembers credentials.
    pub fn insert(&self, digest: Digest, value: V, until: SystemTime) {
        self.entries.insert(digest, Known { value, until });
    }

    /// The entries themselves, for those who wait for each other.
    pub fn entries(&self) -> &Cache<Digest, Known<V>> {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_is_remembered_beyond_its_end_or_its_number() {
        let memo = Memo::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let name = memo.digest(b"a");
        memo.insert(name, 1, now + Duration::from_secs(10));
        assert_eq!(memo.get(&name, now + Duration::from_secs(9)), Some(1));
        assert_eq!(memo.get(&name, now + Duration::from_secs(10)), None);
        assert_eq!(memo.get(&Memo::<u8>::new().digest(b"a"), now), None, "another secret, another name");
        for number in 0..50_000_u32 {
            memo.insert(memo.digest(&number.to_le_bytes()), 2, now);
        }
        assert!(memo.entries.len() <= CAPACITY, "{}", memo.entries.len());
    }

    #[test]
    fn parts_are_framed() {
        let memo = Memo::<u8>::new();
        let digest = |parts: &[&[u8]]| memo.digest_of(parts.iter().copied());
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
    }
}
