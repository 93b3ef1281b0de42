//! One stored response, immutable and ready to be sent.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::StatusCode;

use self::layout::HEAD;
use super::key::Tag;

mod layout;

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The present moment.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The moment so much later; the last one there is, if it would be beyond.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The moment so much earlier; the epoch, if it would be before.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this moment; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Stamp> for SystemTime {
    fn from(stamp: Stamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(stamp.0)
    }
}

/// The moments in the life of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent whose answer this is, or that confirmed it last.
    /// Whatever was invalidated after this moment takes the entry out of service.
    pub requested: Stamp,
    /// When it was stored first.
    pub created: Stamp,
    /// Variants of the same resource that were created before are void.
    pub provenance: Stamp,
    /// When its age was zero: the time of its answer minus its corrected initial age
    /// (RFC 9111 section 4.2.3).
    pub born: Stamp,
    /// Until when it is fresh.
    pub fresh_until: Stamp,
    /// Seconds after `fresh_until` in which it may be served while it is refreshed.
    pub stale_while_revalidate: u32,
    /// Seconds after `fresh_until` in which it may be served instead of an error.
    pub stale_if_error: u32,
    /// When it is of no use any more, not even to be revalidated.
    pub useless_at: Stamp,
}

impl Times {
    /// The age to be sent, in seconds.
    pub fn age(&self, now: Stamp) -> u64 {
        now.since(self.born).as_secs()
    }

    /// Whether it may be served without asking.
    pub fn is_fresh(&self, now: Stamp) -> bool {
        now <= self.fresh_until
    }
}

/// What an entry is made from.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The status of the response.
    pub status: StatusCode,
    /// Its fields in HTTP/1.1 form, each ended by CRLF, without the empty line at the end.
    /// No field of one hop, no `Age`; `Content-Length` only as the body's true length.
    pub fields: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
    /// Host and path, for purging by pattern: `api.example.org/patients/1`.
    pub target: &'a [u8],
    /// The request fields it depends on, hashed (RFC 9111 section 4.1). `None`: it depends on none.
    pub variance: Option<[u8; 16]>,
    /// Its tags, in any order.
    pub tags: &'a [Tag],
    /// Its moments.
    pub times: Times,
}

/// One stored response: a piece of memory in the [form](layout) it has in the shared tier.
#[derive(Debug)]
pub struct StoredEntry {
    /// Checked by [`layout::Lengths::of`] when the entry was made.
    blob: Bytes,
    status: StatusCode,
    fields: u32,
}

impl StoredEntry {
    /// Copies the parts into one allocation. `None` if they pass 4 GiB.
    pub fn new(parts: &Parts<'_>) -> Option<Self> {
        Self::from_blob(Bytes::from(layout::write(parts)?))
    }

    /// Takes what [`Self::blob`] gave, without copying it. `None` if it is anything else.
    pub fn from_blob(blob: Bytes) -> Option<Self> {
        let lengths = layout::Lengths::of(&blob)?;
        let status = layout::status(&blob)?;
        Some(Self { blob, status, fields: lengths.fields })
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields in HTTP/1.1 form, each ended by CRLF.
    pub fn fields(&self) -> &[u8] {
        &self.blob[HEAD..self.fields_end()]
    }

    /// The body, without copying it.
    pub fn body(&self) -> Bytes {
        self.blob.slice(self.body_range())
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        layout::number(&self.blob, layout::BODY) as usize
    }

    /// Host and path.
    pub fn target(&self) -> &[u8] {
        &self.blob[self.body_range().end..self.tags_start()]
    }

    /// All of it in one piece.
    pub fn blob(&self) -> &Bytes {
        &self.blob
    }

    /// The request fields it depends on, hashed.
    pub fn variance(&self) -> Option<[u8; 16]> {
        layout::variance(&self.blob)
    }

    /// Its tags, sorted.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Tag> + '_ {
        let (tags, _) = self.blob[self.tags_start()..].as_chunks();
        tags.iter().map(|bytes| Tag(u64::from_le_bytes(*bytes)))
    }

    /// Its moments.
    pub fn times(&self) -> Times {
        layout::times(&self.blob)
    }

    /// Bytes of memory it takes: its data, and what this type and its allocations need.
    pub fn weight(&self) -> usize {
        // The two counters of the `Arc` around the entry, and what `Bytes` allocates for
        // counting when the body is sent first.
        const COUNTERS: usize = 16 + 24;
        self.blob.len() + size_of::<Self>() + COUNTERS
    }

    fn fields_end(&self) -> usize {
        HEAD + self.fields as usize
    }

    fn body_range(&self) -> Range<usize> {
        let start = self.fields_end();
        start..start + self.body_len()
    }

    fn tags_start(&self) -> usize {
        self.blob.len() - 8 * layout::number(&self.blob, layout::TAGS) as usize
    }
}

#[cfg(test)]
mod tests;
