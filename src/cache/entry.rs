//! One stored response, immutable and ready to be sent.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::StatusCode;

use super::key::Tag;

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

/// One stored response. Fields, body and target share one allocation.
#[derive(Debug)]
pub struct StoredEntry {
    status: StatusCode,
    blob: Bytes,
    fields: u32,
    body: u32,
    variance: Option<[u8; 16]>,
    tags: Box<[Tag]>,
    times: Times,
}

impl StoredEntry {
    /// Copies the parts into one allocation. `None` if they pass 4 GiB.
    pub fn new(parts: &Parts<'_>) -> Option<Self> {
        let len = parts.fields.len() + parts.body.len() + parts.target.len();
        u32::try_from(len).ok()?;
        let mut blob = Vec::with_capacity(len);
        blob.extend_from_slice(parts.fields);
        blob.extend_from_slice(parts.body);
        blob.extend_from_slice(parts.target);
        Self::from_blob(parts, Bytes::from(blob), parts.fields.len(), parts.body.len())
    }

    /// Takes a blob that holds fields, body and target one after the other; the slices in
    /// `parts` are not looked at. `None` if the lengths do not fit.
    pub fn from_blob(parts: &Parts<'_>, blob: Bytes, fields: usize, body: usize) -> Option<Self> {
        u32::try_from(blob.len()).ok()?;
        (fields.checked_add(body)? <= blob.len()).then_some(())?;
        let mut tags = Box::<[Tag]>::from(parts.tags);
        tags.sort_unstable();
        Some(Self {
            status: parts.status,
            blob,
            fields: u32::try_from(fields).ok()?,
            body: u32::try_from(body).ok()?,
            variance: parts.variance,
            tags,
            times: parts.times,
        })
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields in HTTP/1.1 form, each ended by CRLF.
    pub fn fields(&self) -> &[u8] {
        &self.blob[..self.fields as usize]
    }

    /// The body, without copying it.
    pub fn body(&self) -> Bytes {
        self.blob.slice(self.body_range())
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        self.body as usize
    }

    /// Host and path.
    pub fn target(&self) -> &[u8] {
        &self.blob[self.body_range().end..]
    }

    /// Everything in one piece: fields, body, target.
    pub fn blob(&self) -> &Bytes {
        &self.blob
    }

    /// The request fields it depends on, hashed.
    pub fn variance(&self) -> Option<[u8; 16]> {
        self.variance
    }

    /// Its tags, sorted.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Its moments.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// Bytes of memory it takes: its data and the upkeep of this type and its allocations.
    pub fn weight(&self) -> usize {
        // The blob's shared counter and the two of the `Arc` around the entry.
        const COUNTERS: usize = 48;
        self.blob.len() + size_of_val(&*self.tags) + size_of::<Self>() + COUNTERS
    }

    fn body_range(&self) -> Range<usize> {
        let start = self.fields as usize;
        start..start + self.body as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_back_as_they_were() {
        let parts = Parts {
            status: StatusCode::OK,
            fields: b"ETag: \"1\"\r\n",
            body: b"hello",
            target: b"h/p",
            variance: None,
            tags: &[Tag(2), Tag(1)],
            times: Times::default(),
        };
        let entry = StoredEntry::new(&parts).unwrap();
        assert_eq!(
            (entry.fields(), &entry.body()[..], entry.target()),
            (parts.fields, parts.body, parts.target)
        );
        assert_eq!(entry.tags(), [Tag(1), Tag(2)]);
        assert!(entry.weight() > 19);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let parts = Parts {
            status: StatusCode::OK,
            fields: b"",
            body: b"",
            target: b"",
            variance: None,
            tags: &[],
            times: Times::default(),
        };
        assert!(StoredEntry::from_blob(&parts, Bytes::from_static(b"abc"), 2, 2).is_none());
        assert!(StoredEntry::from_blob(&parts, Bytes::from_static(b"abc"), usize::MAX, 2).is_none());
    }

    #[test]
    fn stamps_neither_wrap_nor_go_below_the_epoch() {
        assert_eq!(Stamp(u64::MAX).plus(Duration::from_secs(1)), Stamp(u64::MAX));
        assert_eq!(Stamp(5).minus(Duration::from_secs(1)), Stamp(0));
        assert_eq!(Stamp(5).since(Stamp(9)), Duration::ZERO);
    }
}
