//! Pingora's storage over both tiers: memory first, then Redis.
//!
//! A lookup sees, in this order: a fresh entry in memory, a fill that is under way, an
//! entry in Redis (which moves into memory), and last a stale entry in memory.

use std::{any::Any, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora_cache::{
    CacheKey, CacheMeta,
    key::{CacheHashKey, CompactCacheKey},
    storage::{
        HandleHit, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType,
        Storage,
    },
    trace::SpanHandle,
};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use super::{
    entry::{Stamp, StoredEntry},
    fields,
    fill::{Admission, Fill, Reader},
    key::EntryKey,
    store::{CacheStore, Found},
};
use crate::telemetry::trace::CacheSteps;

/// What a lookup found, for the phases: an extension of Pingora's `CacheMeta`.
#[derive(Clone)]
pub struct Hit(pub Found);

#[async_trait]
impl Storage for CacheStore {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let slot = self.slot(key);
        let steps = key.extensions.get::<Arc<CacheSteps>>().map(Arc::as_ref);
        let Some(found) = self.find(slot, self.now(), steps).await else { return Ok(None) };
        Ok(match &found {
            Found::Stored { entry, .. } => {
                let reader: HitHandler = Box::new(EntryReader::new(entry));
                Some((self.stored_meta(&found, key)?, reader))
            }
            Found::Filling(fill) => match fill.reader() {
                Some(reader) => Some((self.stored_meta(&found, key)?, Box::new(FillReader(reader)))),
                None => None,
            },
        })
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        // Pingora panics if the fill that it began is not found.
        let Some(fill) = tag.and_then(|id| self.fill_of(self.slot(key), id)) else { return Ok(None) };
        let Some(reader) = fill.reader() else { return Ok(None) };
        Ok(Some((self.stored_meta(&Found::Filling(fill), key)?, Box::new(FillReader(reader)))))
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let admission = admission(meta)?;
        let slot = self.slot(key);
        Ok(Box::new(Writer { store: self, slot, fill: self.begin_fill(slot, admission) }))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let found = self.remove(self.compact_slot(target.key()));
        Ok(if found { PurgeOutcome::Purged(None) } else { PurgeOutcome::NotFound })
    }

    async fn update_meta(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<bool> {
        let Some(Hit(Found::Stored { entry, .. })) = meta.extensions().get::<Hit>() else { return Ok(false) };
        let Some(updated) = admission(meta)?.entry(&entry.body()) else { return Ok(false) };
        self.keep(self.slot(key), Arc::new(updated));
        Ok(true)
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

impl CacheStore {
    /// Where the entry of a key is: the primary slot, or that of a variant.
    fn slot(&self, key: &CacheKey) -> EntryKey {
        let primary = EntryKey(key.primary_bin());
        key.variance_bin().map_or(primary, |variance| self.keys().variant(primary, variance))
    }

    fn compact_slot(&self, key: &CompactCacheKey) -> EntryKey {
        let primary = EntryKey(key.primary_bin());
        key.variance_bin().map_or(primary, |variance| self.keys().variant(primary, variance))
    }

    /// The head of a stored response as Pingora wants it.
    fn stored_meta(&self, found: &Found, key: &CacheKey) -> Result<CacheMeta> {
        let (status, times) = (found.status(), found.times());
        let mut head = ResponseHeader::build_no_case(status, Some(16))?;
        for (name, value) in fields::lines(found.fields()) {
            let name = HeaderName::from_bytes(name).map_err(|_| fault("a stored field has no name"))?;
            let value = HeaderValue::from_bytes(value).map_err(|_| fault("a stored field has no value"))?;
            head.append_header(name, value)?;
        }
        if let Found::Stored { entry, .. } = found
            && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            // What came in chunks has a length by now.
            head.insert_header(header::CONTENT_LENGTH, entry.body_len())?;
        }
        // Pingora takes `created` of the entry in the primary slot for its provenance.
        let created = if key.get_variance_key().is_none() { times.provenance } else { times.created };
        let fresh_until = match found {
            Found::Stored { stale_since: Some(since), .. } => times.fresh_until.min(*since),
            _ => times.fresh_until,
        };
        let mut meta = CacheMeta::new(
            self.on_the_wall(fresh_until),
            SystemTime::from(created),
            times.stale_while_revalidate,
            times.stale_if_error,
            head,
        );
        meta.set_epoch_override(self.on_the_wall(times.born));
        if let Some(variance) = found.variance() {
            meta.set_variance(variance);
        }
        meta.extensions_mut().insert(Hit(found.clone()));
        Ok(meta)
    }
}

/// The facts that the phases put beside the response's head when they decided to keep it.
fn admission(meta: &CacheMeta) -> Result<Admission> {
    let admission = meta.extensions().get::<Admission>();
    let admission = admission.ok_or_else(|| fault("a response is stored that was not admitted"))?;
    let mut admission = admission.clone();
    admission.variance = meta.variance();
    admission.times.created = Stamp::from(meta.created());
    admission.times.provenance = Stamp::from(meta.provenance());
    Ok(admission)
}

fn fault(what: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, what)
}

/// Hands out the body of an entry, or one range of it.
struct EntryReader {
    body: Bytes,
    whole: Bytes,
}

impl EntryReader {
    fn new(entry: &StoredEntry) -> Self {
        let body = entry.body();
        Self { whole: body.clone(), body }
    }
}

#[async_trait]
impl HandleHit for EntryReader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        Ok(Some(std::mem::take(&mut self.body)).filter(|body| !body.is_empty()))
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let end = end.unwrap_or(self.whole.len());
        if start > end || end > self.whole.len() {
            return Err(fault("a range lies outside of the stored body"));
        }
        self.body = self.whole.slice(start..end);
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// Hands out the body of a fill as it arrives.
struct FillReader(Reader);

#[async_trait]
impl HandleHit for FillReader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        let broken = |_| Error::explain(ErrorType::ConnectionClosed, "the response broke off").into_up();
        self.0.next().await.map_err(|error| {
            let mut error: Box<Error> = broken(error);
            error.set_retry(false);
            error
        })
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// Takes the body of a response that is to be kept. Dropped before its end, it breaks off.
struct Writer {
    store: &'static CacheStore,
    slot: EntryKey,
    fill: Arc<Fill>,
}

#[async_trait]
impl HandleMiss for Writer {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        let go_on = self.fill.push(data).await;
        if !self.fill.is_kept() {
            self.store.end_fill(self.slot, &self.fill);
        }
        if go_on { Ok(()) } else { Err(fault("too large to be kept, and nobody reads it")) }
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let size = match self.fill.finish() {
            Some(body) => {
                let entry = self.fill.admission.entry(&body).map(Arc::new);
                let size = entry.as_ref().map_or(0, |entry| entry.weight());
                if let Some(entry) = entry {
                    self.store.keep(self.slot, entry);
                }
                size
            }
            None => {
                self.store.end_lease(&self.slot, true);
                0
            }
        };
        Ok(MissFinishType::Created(size))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.fill.id())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.fill.abandon();
        self.store.end_fill(self.slot, &self.fill);
        // It is still there only if the response broke off: then others may try.
        self.store.end_lease(&self.slot, false);
    }
}
