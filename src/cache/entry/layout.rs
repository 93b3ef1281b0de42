//! An entry as bytes, the same in memory and in the shared tier.
//!
//! ```text
//! 0   status            8   requested, created, provenance, born, fresh until, useless at
//! 2   1 if it varies    56  seconds of stale-while-revalidate, of stale-if-error
//! 3   zero              64  bytes of the fields, of the body
//! 4   number of tags    72  variance (16 bytes)
//! 88  fields, body, target, then the tags (8 bytes each, sorted)
//! ```
//! Numbers are little-endian.

use http::StatusCode;

use super::{Parts, Stamp, Times};

/// Bytes before the fields.
pub(super) const HEAD: usize = 88;
/// Where the number of tags stands.
pub(super) const TAGS: usize = 4;
/// Where the length of the body stands.
pub(super) const BODY: usize = 68;

const VARIES: usize = 2;
const FIELDS: usize = 64;
const VARIANCE: usize = 72;

/// The lengths of a form that fits.
pub(super) struct Lengths {
    /// Bytes of the fields.
    pub fields: u32,
}

impl Lengths {
    /// The lengths, if they are those of these bytes; then nothing read by them is out of range.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        u32::try_from(bytes.len()).ok()?;
        let rest = bytes.len().checked_sub(HEAD)?;
        let fields = number(bytes, FIELDS);
        let tags = u64::from(number(bytes, TAGS)) * 8;
        let needed = u64::from(fields) + u64::from(number(bytes, BODY)) + tags;
        let is_clean = matches!(bytes[VARIES..TAGS], [0 | 1, 0]);
        (needed <= rest as u64 && is_clean).then_some(Self { fields })
    }
}

/// The form of these parts. `None` if it passes 4 GiB.
pub(super) fn write(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let Parts { status, fields, body, target, variance, tags, times } = parts;
    let len = HEAD + fields.len() + body.len() + target.len() + 8 * tags.len();
    u32::try_from(len).ok()?;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&status.as_u16().to_le_bytes());
    bytes.extend_from_slice(&[u8::from(variance.is_some()), 0]);
    bytes.extend_from_slice(&(tags.len() as u32).to_le_bytes());
    for stamp in
        [times.requested, times.created, times.provenance, times.born, times.fresh_until, times.useless_at]
    {
        bytes.extend_from_slice(&stamp.0.to_le_bytes());
    }
    let lengths = [fields.len() as u32, body.len() as u32];
    for number in [times.stale_while_revalidate, times.stale_if_error].into_iter().chain(lengths) {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&variance.unwrap_or_default());
    for part in [fields, body, target] {
        bytes.extend_from_slice(part);
    }
    bytes.resize(len, 0);
    let (places, _) = bytes[len - 8 * tags.len()..].as_chunks_mut::<8>();
    for (place, tag) in places.iter_mut().zip(*tags) {
        *place = tag.0.to_le_bytes();
    }
    places.sort_unstable_by_key(|tag| u64::from_le_bytes(*tag));
    Some(bytes)
}

/// The status, if it is one.
pub(super) fn status(bytes: &[u8]) -> Option<StatusCode> {
    StatusCode::from_u16(u16::from_le_bytes(array(bytes, 0))).ok()
}

pub(super) fn variance(bytes: &[u8]) -> Option<[u8; 16]> {
    (bytes[VARIES] == 1).then(|| array(bytes, VARIANCE))
}

pub(super) fn times(bytes: &[u8]) -> Times {
    let stamp = |at| Stamp(u64::from_le_bytes(array(bytes, at)));
    Times {
        requested: stamp(8),
        created: stamp(16),
        provenance: stamp(24),
        born: stamp(32),
        fresh_until: stamp(40),
        useless_at: stamp(48),
        stale_while_revalidate: number(bytes, 56),
        stale_if_error: number(bytes, 60),
    }
}

/// The number of 32 bits that stands there.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The bytes that stand there; zeros if there are none, which [`Lengths::of`] rules out.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}
