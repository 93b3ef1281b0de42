//! An entry as bytes for the shared tier, and back.
//!
//! Whatever may stand under one of our keys is read as if an enemy had written it: every
//! length is checked before it is believed, nothing larger than a stated limit is ever
//! allocated, and what does not fit is a [`Corruption`], never a panic. The key of an entry
//! is part of its value, so that a value copied under another key is refused.
//!
//! ```text
//! 0   magic "NLGC"          32  checksum (CRC-32) of all bytes but these four
//! 4   version               36  nonce (24 bytes)            if encrypted
//! 5   flags                 ..  payload: the entry's blob   compressed, then encrypted
//! 6   zero (2 bytes)        ..  tag of the cipher (16)      if encrypted
//! 8   id of the cipher's key, or zero
//! 12  length of the payload, neither compressed nor encrypted
//! 16  the entry's key
//! ```
//! Numbers are little-endian. A value that is neither compressed nor encrypted is not
//! copied when it is decoded: the entry's blob is a slice of what came from Redis.

mod header;
mod seal;

use std::cell::RefCell;

use bytes::Bytes;
use parking_lot::Mutex;
use zstd::bulk::{Compressor, Decompressor};

use self::{
    header::{Flags, HEADER, Header},
    seal::Keyring,
};
use super::{entry::StoredEntry, key::EntryKey};
use crate::config::{
    cache::{CompressValuesConfig, RedisConfig},
    finding::Problem,
};
pub use crate::telemetry::cache::Corruption;

/// How much larger than its stored form an entry may be. A bomb gains nothing beyond.
const EXPANSION: usize = 16;

/// Encodes and decodes with the settings of the shared tier.
pub struct Codec {
    compress: Option<Compression>,
    keys: Option<Keyring>,
    /// Bytes of the largest value as stored.
    max_stored: usize,
}

struct Compression {
    above: usize,
    /// Kept, because making one costs more than most entries.
    compressor: Mutex<Compressor<'static>>,
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Codec {
    /// A codec for this tier.
    ///
    /// # Errors
    /// A key that is not 32 bytes in base64, or a level that zstd does not have.
    pub fn new(config: &RedisConfig) -> Result<Self, Problem> {
        Ok(Self {
            compress: config.compress.as_ref().map(Compression::new).transpose()?,
            keys: config.encrypt.as_ref().map(Keyring::new).transpose()?,
            max_stored: usize::try_from(config.max_object.get()).unwrap_or(usize::MAX),
        })
    }

    /// Bytes of the largest value that is read or written.
    pub fn max_stored(&self) -> usize {
        self.max_stored
    }

    /// The bytes to be stored under `key`.
    ///
    /// # Errors
    /// [`Corruption::TooLarge`] if they are more than the tier takes.
    pub fn encode(&self, key: EntryKey, entry: &StoredEntry) -> Result<Vec<u8>, Corruption> {
        let plain = entry.blob().len();
        if plain > self.max_plain() || (self.compress.is_none() && plain > self.max_stored) {
            return Err(Corruption::TooLarge);
        }
        let plain_len = u32::try_from(plain).map_err(|_| Corruption::TooLarge)?;
        let start = HEADER + if self.keys.is_some() { seal::NONCE } else { 0 };
        let mut value = Vec::with_capacity(start + plain + seal::TAG);
        value.resize(start, 0);
        value.extend_from_slice(entry.blob());
        let mut header = Header { flags: Flags::default(), key_id: [0; 4], plain_len, entry_key: key };
        if let Some(packed) = self.compress.as_ref().and_then(|it| it.pack(&value[start..])) {
            header.flags.compressed = true;
            value.truncate(start);
            value.extend_from_slice(&packed);
        }
        if let Some(keys) = &self.keys {
            header.flags.encrypted = true;
            header.key_id = keys.current_id();
            keys.seal(&header, &mut value)?;
        }
        if value.len() > self.max_stored {
            return Err(Corruption::TooLarge);
        }
        header.write(&mut value)?;
        Ok(value)
    }

    /// The entry that was stored under `key`.
    ///
    /// # Errors
    /// What is wrong with the value; then it is as good as absent.
    pub fn decode(&self, key: EntryKey, mut value: Vec<u8>) -> Result<StoredEntry, Corruption> {
        if value.len() > self.max_stored {
            return Err(Corruption::TooLarge);
        }
        let header = Header::read(&value)?;
        if header.entry_key != key {
            return Err(Corruption::OtherKey);
        }
        let plain_len = usize::try_from(header.plain_len).map_err(|_| Corruption::TooLarge)?;
        if plain_len > self.max_plain() {
            return Err(Corruption::TooLarge);
        }
        let mut payload = HEADER..value.len();
        match (&self.keys, header.flags.encrypted) {
            (Some(keys), true) => payload = keys.open(&header, &mut value)?,
            (None, false) => {}
            // Once values are encrypted, one that is not may be anybody's.
            (Some(_), false) | (None, true) => return Err(Corruption::KeyUnknown),
        }
        let plain = if header.flags.compressed {
            let packed = value.get(payload).ok_or(Corruption::Truncated)?;
            Bytes::from(unpack(packed, plain_len)?)
        } else {
            // `slice` panics on what is out of range; these ranges come from checked lengths.
            if payload.start > payload.end || payload.end > value.len() {
                return Err(Corruption::Truncated);
            }
            Bytes::from(value).slice(payload)
        };
        if plain.len() != plain_len {
            return Err(Corruption::Truncated);
        }
        StoredEntry::from_blob(plain).ok_or(Corruption::Malformed)
    }

    /// Bytes of the largest entry, neither compressed nor encrypted.
    fn max_plain(&self) -> usize {
        self.max_stored.saturating_mul(EXPANSION)
    }
}

impl Compression {
    fn new(config: &CompressValuesConfig) -> Result<Self, Problem> {
        let compressor = Compressor::new(i32::from(config.level))
            .map_err(|_| Problem::new("compress.level", "is not a level of zstd"))?;
        Ok(Self {
            above: usize::try_from(config.above.get()).unwrap_or(usize::MAX),
            compressor: Mutex::new(compressor),
        })
    }

    /// The bytes compressed, if that is asked for and worth it.
    fn pack(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() <= self.above {
            return None;
        }
        // What does not fit into one byte less than before is not worth it.
        let mut packed = Vec::with_capacity(bytes.len().saturating_sub(1));
        self.compressor.lock().compress_to_buffer(bytes, &mut packed).ok()?;
        Some(packed)
    }
}

/// Decompresses to exactly `len` bytes, of which the caller has checked that they are not too many.
fn unpack(packed: &[u8], len: usize) -> Result<Vec<u8>, Corruption> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Decompressor::new().ok();
        }
        let decompressor = kept.as_mut().ok_or(Corruption::Decompress)?;
        let mut plain = Vec::with_capacity(len);
        let written = decompressor.decompress_to_buffer(packed, &mut plain);
        match written {
            Ok(written) if written == len => Ok(plain),
            _ => Err(Corruption::Decompress),
        }
    })
}

#[cfg(test)]
mod tests;
