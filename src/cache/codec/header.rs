//! The fixed beginning of a value.

use super::{super::key::EntryKey, Corruption};

/// Bytes of the fixed beginning.
pub const HEADER: usize = 36;

const MAGIC: &[u8; 4] = b"NLGC";
const VERSION: u8 = 2;
const COMPRESSED: u8 = 1;
const ENCRYPTED: u8 = 2;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 32..HEADER;

/// What was done to the payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub compressed: bool,
    pub encrypted: bool,
}

/// All of the fixed beginning but the checksum.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub flags: Flags,
    /// Which key of the cipher; zeros if there is none.
    pub key_id: [u8; 4],
    pub plain_len: u32,
    pub entry_key: EntryKey,
}

impl Header {
    /// The bytes before the checksum. The cipher authenticates them too.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5] = u8::from(self.flags.compressed) * COMPRESSED + u8::from(self.flags.encrypted) * ENCRYPTED;
        bytes[8..12].copy_from_slice(&self.key_id);
        bytes[12..16].copy_from_slice(&self.plain_len.to_le_bytes());
        bytes[16..].copy_from_slice(&self.entry_key.0);
        bytes
    }

    /// Fills in the beginning of a value that is complete otherwise.
    pub fn write(&self, value: &mut [u8]) -> Result<(), Corruption> {
        let (head, rest) = value.split_at_mut_checked(HEADER).ok_or(Corruption::Truncated)?;
        let bytes = self.bytes();
        head[..CHECKSUM.start].copy_from_slice(&bytes);
        head[CHECKSUM].copy_from_slice(&checksum(&bytes, rest).to_le_bytes());
        Ok(())
    }

    /// Reads the beginning of a value and checks that all of it is as written.
    pub fn read(value: &[u8]) -> Result<Self, Corruption> {
        if !value.starts_with(MAGIC) {
            let is_part = MAGIC.starts_with(value) && !value.is_empty();
            return Err(if is_part { Corruption::Truncated } else { Corruption::Foreign });
        }
        let (head, rest) = value.split_first_chunk::<HEADER>().ok_or(Corruption::Truncated)?;
        let [_, _, _, _, version, flags, zero @ ..] = head;
        if *version != VERSION || *flags > COMPRESSED + ENCRYPTED || zero[..2] != [0, 0] {
            return Err(Corruption::Version);
        }
        let (bytes, sum) = head.split_at(CHECKSUM.start);
        if sum != checksum(bytes, rest).to_le_bytes() {
            return Err(Corruption::Checksum);
        }
        let flags = Flags { compressed: flags & COMPRESSED != 0, encrypted: flags & ENCRYPTED != 0 };
        Ok(Self {
            flags,
            key_id: array(bytes, 8)?,
            plain_len: u32::from_le_bytes(array(bytes, 12)?),
            entry_key: EntryKey(array(bytes, 16)?),
        })
    }
}

fn checksum(head: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(rest);
    hasher.finalize()
}

/// The `N` bytes from `start`.
pub fn array<const N: usize>(bytes: &[u8], start: usize) -> Result<[u8; N], Corruption> {
    bytes.get(start..).and_then(<[u8]>::first_chunk).copied().ok_or(Corruption::Truncated)
}
