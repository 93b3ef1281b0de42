//! Answers that were read before.
//!
//! A cache in front of the services hands out the very same bytes for every hit. What was
//! found in them is kept as long as the bytes are likely to come again, so that they are not
//! read again. Identity is that of the memory: the kept value holds it, so while it is kept
//! nothing else can be at that address.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::{
    call::{Answer, CacheResult},
    json::{Json, Malformed},
};

/// Bytes that are kept, texts included.
const WEIGHT_MAX: u64 = 16 << 20;
/// Bytes of an answer that is kept at most: large ones would drive out many small ones.
const ANSWER_MAX: usize = 256 << 10;
/// Bytes of an answer from which on reading costs more than looking.
const ANSWER_MIN: usize = 256;

/// Answers that were read before, by the place of their text in memory and its length.
#[derive(Debug)]
pub(super) struct ReadBefore(Cache<(usize, usize), Arc<Json>, Weight>);

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<(usize, usize), Arc<Json>> for Weight {
    fn weight(&self, _: &(usize, usize), json: &Arc<Json>) -> u64 {
        json.weight() as u64
    }
}

impl ReadBefore {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(1024, WEIGHT_MAX, Weight))
    }

    /// The JSON of an answer. Only what a cache had is worth keeping.
    ///
    /// # Errors
    /// A body that is no JSON.
    pub(super) fn read(&self, answer: &Answer) -> Result<Arc<Json>, Malformed> {
        let text = &answer.body;
        let is_kept = answer.cache == CacheResult::Hit && (ANSWER_MIN..=ANSWER_MAX).contains(&text.len());
        if !is_kept {
            return Json::read(text.clone()).map(Arc::new);
        }
        let key = (text.as_ptr().addr(), text.len());
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let json = Arc::new(Json::read(text.clone())?);
        self.0.insert(key, Arc::clone(&json));
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::graphql::{Reuse, json::NodeId};

    fn answer(body: &Bytes, cache: CacheResult) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: body.clone(),
            reuse: Reuse::default(),
            cache,
            retry_after: None,
        }
    }

    #[test]
    fn the_same_bytes_are_read_once_and_equal_ones_apart() {
        let text = format!("[{}]", vec!["1"; 200].join(","));
        let (one, other) = (Bytes::from(text.clone()), Bytes::from(text));
        let before = ReadBefore::new();
        let read = |body, cache| before.read(&answer(body, cache)).unwrap();
        let first = read(&one, CacheResult::Hit);
        assert!(Arc::ptr_eq(&first, &read(&one, CacheResult::Hit)));
        assert!(!Arc::ptr_eq(&first, &read(&other, CacheResult::Hit)));
        assert!(!Arc::ptr_eq(&first, &read(&one, CacheResult::Miss)));
        assert_eq!(first.len(NodeId::ROOT), 200);
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let before = ReadBefore::new();
        for number in 0..1_000 {
            let body = Bytes::from(format!("[{number}{}]", ",\"0123456789\"".repeat(5_000)));
            before.read(&answer(&body, CacheResult::Hit)).unwrap();
        }
        assert!(before.0.weight() <= WEIGHT_MAX);
        assert!(before.0.len() > 10);
    }
}
