//! What an entry is besides its blob.
//!
//! ```text
//! 0   status             8   requested, created, provenance, born, fresh until, useless at
//! 2   1 if it varies     56  seconds of stale-while-revalidate, of stale-if-error
//! 3   zero               64  bytes of the fields, of the body
//! 4   number of tags     72  variance (16 bytes), then the tags (8 each), then the blob
//! ```

use bytes::Bytes;
use http::StatusCode;

use super::{
    super::{
        entry::{Parts, Stamp, StoredEntry, Times},
        key::Tag,
    },
    Corruption,
    header::array,
};

const FIXED: usize = 88;

/// Bytes that [`write()`] adds.
pub fn len(entry: &StoredEntry) -> usize {
    FIXED + entry.tags().len() * 8
}

/// Adds what stands before the blob.
pub fn write(entry: &StoredEntry, to: &mut Vec<u8>) {
    let times = entry.times();
    to.extend_from_slice(&entry.status().as_u16().to_le_bytes());
    to.extend_from_slice(&[u8::from(entry.variance().is_some()), 0]);
    // Lengths are below 4 GiB, which the entry makes sure of.
    let mut number = |n: usize| to.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
    number(entry.tags().len());
    for stamp in
        [times.requested, times.created, times.provenance, times.born, times.fresh_until, times.useless_at]
    {
        to.extend_from_slice(&stamp.0.to_le_bytes());
    }
    to.extend_from_slice(&times.stale_while_revalidate.to_le_bytes());
    to.extend_from_slice(&times.stale_if_error.to_le_bytes());
    let mut number = |n: usize| to.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
    number(entry.fields().len());
    number(entry.body_len());
    to.extend_from_slice(&entry.variance().unwrap_or_default());
    for tag in entry.tags() {
        to.extend_from_slice(&tag.0.to_le_bytes());
    }
}

/// The entry; its blob is a slice of `plain`.
pub fn read(plain: Bytes) -> Result<StoredEntry, Corruption> {
    let stamp = |at| Ok::<_, Corruption>(Stamp(u64::from_le_bytes(array(&plain, at)?)));
    let number = |at| {
        let number = u32::from_le_bytes(array(&plain, at)?);
        usize::try_from(number).map_err(|_| Corruption::Malformed)
    };
    let status = u16::from_le_bytes(array(&plain, 0)?);
    let status = StatusCode::from_u16(status).map_err(|_| Corruption::Malformed)?;
    let varies = match array(&plain, 2)? {
        [0, 0] => false,
        [1, 0] => true,
        _ => return Err(Corruption::Malformed),
    };
    let (tag_count, fields, body) = (number(4)?, number(64)?, number(68)?);
    let times = Times {
        requested: stamp(8)?,
        created: stamp(16)?,
        provenance: stamp(24)?,
        born: stamp(32)?,
        fresh_until: stamp(40)?,
        useless_at: stamp(48)?,
        stale_while_revalidate: u32::from_le_bytes(array(&plain, 56)?),
        stale_if_error: u32::from_le_bytes(array(&plain, 60)?),
    };
    let variance: [u8; 16] = array(&plain, 72)?;
    let tags_end = tag_count.checked_mul(8).and_then(|len| len.checked_add(FIXED));
    let tags_end = tags_end.filter(|&end| end <= plain.len()).ok_or(Corruption::Truncated)?;
    let (tags, _) = plain[FIXED..tags_end].as_chunks::<8>();
    let tags: Vec<Tag> = tags.iter().map(|bytes| Tag(u64::from_le_bytes(*bytes))).collect();
    let parts = Parts {
        status,
        fields: &[],
        body: &[],
        target: &[],
        variance: varies.then_some(variance),
        tags: &tags,
        times,
    };
    StoredEntry::from_blob(&parts, plain.slice(tags_end..), fields, body).ok_or(Corruption::Malformed)
}
