//! Encryption of values (XChaCha20-Poly1305).
//!
//! The header is authenticated along with the payload, and with it the entry's key: nobody
//! without our key can make a value, change one, or serve one entry as another.

use std::ops::Range;

use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305, XNonce};
use rand::RngCore;

use super::{
    Corruption,
    header::{HEADER, Header},
};
use crate::config::{cache::EncryptionConfig, finding::Problem};

/// Bytes of a nonce. They are random: so many that two never meet.
pub const NONCE: usize = 24;
/// Bytes behind the payload.
pub const TAG: usize = 16;

/// The key for new values and those that older ones may need.
pub struct Keyring {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    id: [u8; 4],
    cipher: XChaCha20Poly1305,
}

impl Keyring {
    pub fn new(config: &EncryptionConfig) -> Result<Self, Problem> {
        let (current, previous) = config.decoded()?;
        Ok(Self { current: Key::new(current), previous: previous.into_iter().map(Key::new).collect() })
    }

    /// Names the key for new values.
    pub fn current_id(&self) -> [u8; 4] {
        self.current.id
    }

    /// Encrypts what stands behind the room for header and nonce, and fills in the nonce.
    pub fn seal(&self, header: &Header, value: &mut Vec<u8>) -> Result<(), Corruption> {
        let (_, rest) = value.split_at_mut_checked(HEADER).ok_or(Corruption::Truncated)?;
        let (nonce, payload) = rest.split_first_chunk_mut::<NONCE>().ok_or(Corruption::Truncated)?;
        rand::rng().fill_bytes(nonce);
        let tag = self.current.cipher.encrypt_in_place_detached(
            XNonce::from_slice(nonce),
            &header.bytes(),
            payload,
        );
        value.extend_from_slice(&tag.map_err(|_| Corruption::TooLarge)?);
        Ok(())
    }

    /// Decrypts in place; the range is that of the payload.
    pub fn open(&self, header: &Header, value: &mut [u8]) -> Result<Range<usize>, Corruption> {
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key.id == header.key_id).ok_or(Corruption::KeyUnknown)?;
        let payload = HEADER + NONCE..value.len().saturating_sub(TAG);
        let (_, rest) = value.split_at_mut_checked(HEADER).ok_or(Corruption::Truncated)?;
        let (nonce, rest) = rest.split_first_chunk_mut::<NONCE>().ok_or(Corruption::Truncated)?;
        let (sealed, tag) = rest.split_last_chunk_mut::<TAG>().ok_or(Corruption::Truncated)?;
        let (nonce, tag) = (XNonce::from_slice(nonce), chacha20poly1305::Tag::from_slice(tag));
        key.cipher
            .decrypt_in_place_detached(nonce, &header.bytes(), sealed, tag)
            .map_err(|_| Corruption::Decrypt)?;
        Ok(payload)
    }
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        let hash = blake3::derive_key("nilegate id of a cipher key 1", &bytes);
        let [a, b, c, d, ..] = hash;
        Self { id: [a, b, c, d], cipher: XChaCha20Poly1305::new(&bytes.into()) }
    }
}
