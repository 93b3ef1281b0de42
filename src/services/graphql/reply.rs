//! The response as HTTP sends it: status, media type, and how it may be kept.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora_http::ResponseHeader;

use super::errors::HttpError;
use crate::{
    graphql::ResponseCache,
    phases::graphql::{Media, Operation, Response},
};

/// What every response of ours depends on.
const VARY: &str = "Accept";
/// What a private one depends on besides.
const VARY_PRIVATE: &str = "Accept, Authorization";

/// A response in the making.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// How it may be kept. `None`: not at all.
    pub cache: Option<ResponseCache>,
    /// Further fields.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// What was executed.
    pub operation: Option<Operation>,
    /// The targets of the calls that were made for it.
    pub asked: Vec<String>,
}

impl Reply {
    /// A refusal by HTTP's rules.
    pub fn refused(error: HttpError, request_id: &str) -> Self {
        let allow = error.allow().map(|methods| (header::ALLOW, HeaderValue::from_static(methods)));
        Self {
            status: error.status(),
            body: error.body(request_id),
            cache: None,
            fields: allow.into_iter().collect(),
            operation: None,
            asked: Vec::new(),
        }
    }

    /// The response with its head. `own_slot`: our cache keeps the responses of different
    /// callers apart, so it may keep private ones too.
    ///
    /// # Errors
    /// If a field cannot be set.
    pub fn finish(self, media: Media, own_slot: bool) -> pingora_core::Result<Response> {
        let Self { status, body, cache, fields, operation, asked } = self;
        let head = head(status, media, cache, fields, own_slot)?;
        Ok(Response { head, body, operation, asked })
    }
}

fn head(
    status: StatusCode,
    media: Media,
    cache: Option<ResponseCache>,
    fields: Vec<(HeaderName, HeaderValue)>,
    own_slot: bool,
) -> pingora_core::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(12))?;
    head.insert_header(header::CONTENT_TYPE, media.content_type())?;
    let private = cache.is_some_and(|cache| cache.is_private);
    head.insert_header(header::VARY, if private { VARY_PRIVATE } else { VARY })?;
    head.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    let kept = cache.filter(|cache| !cache.no_store && cache.max_age >= Duration::from_secs(1));
    match kept {
        None if private => head.insert_header(header::CACHE_CONTROL, "private, no-store")?,
        None => head.insert_header(header::CACHE_CONTROL, "no-store")?,
        Some(ResponseCache { max_age, is_private: false, .. }) => {
            head.insert_header(header::CACHE_CONTROL, format!("max-age={}", max_age.as_secs()))?;
        }
        Some(ResponseCache { max_age, .. }) => {
            let age = max_age.as_secs();
            head.insert_header(header::CACHE_CONTROL, format!("private, max-age={age}"))?;
            if own_slot {
                // For this cache alone, which takes it off again.
                head.insert_header("surrogate-control", format!("max-age={age}"))?;
            }
        }
    }
    for (name, value) in fields {
        head.append_header(name, value)?;
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(cache: Option<ResponseCache>, own_slot: bool) -> [String; 3] {
        let head = head(StatusCode::OK, Media::Json, cache, Vec::new(), own_slot).unwrap();
        ["cache-control", "surrogate-control", "vary"]
            .map(|name| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned())
    }

    #[test]
    fn what_may_be_kept_is_said() {
        let minute = ResponseCache { max_age: Duration::from_secs(60), ..ResponseCache::default() };
        let private = ResponseCache { is_private: true, ..minute };
        let nobody = "no-store".to_owned();
        let accept = "Accept".to_owned();
        assert_eq!(fields(None, true), [nobody.clone(), String::new(), accept.clone()]);
        assert_eq!(fields(Some(minute), true), ["max-age=60".to_owned(), String::new(), accept.clone()]);
        let brief = ResponseCache { max_age: Duration::from_millis(900), ..minute };
        assert_eq!(fields(Some(brief), false), [nobody, String::new(), accept]);
        let both = "Accept, Authorization";
        assert_eq!(fields(Some(private), false), ["private, max-age=60", "", both]);
        assert_eq!(fields(Some(private), true), ["private, max-age=60", "max-age=60", both]);
        let no_store = ResponseCache { no_store: true, ..private };
        assert_eq!(fields(Some(no_store), true), ["private, no-store", "", both]);
    }
}
