//! Compression for clients: each coding is made once, from the identity form that the
//! upstream is asked for, and kept as a variant of its own.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use crate::{
    cache::compress::{
        Choice, Compression, Encoder, mark_encoded, request_tags, token, variant_tag, vary_on_encoding,
    },
    config::cache::Encoding,
    phases::context::RequestContext,
    runtime::resources::Resources,
    telemetry::label::BodyCoding,
};

/// The coding of one response.
pub struct Coding {
    /// `None` once the body has ended.
    encoder: Option<Encoder>,
    /// Bytes of the identity form that have not arrived, if its length was announced.
    left: Option<u64>,
    kind: BodyCoding,
    /// Bytes that have gone into the encoder, and come out.
    passed: (u64, u64),
}

impl Coding {
    /// Counts what it has done.
    pub fn count(&self, resources: &Resources) {
        resources.metrics.process().compressed(self.kind, self.passed.0, self.passed.1);
    }
}

fn compression(ctx: &RequestContext) -> Option<&Compression> {
    ctx.plan.as_ref()?.route.cache.as_ref()?.compression.as_ref()
}

/// Puts the coding that the client gets in place of those it accepts, so that all who get
/// the same share a variant.
///
/// # Errors
/// If the field cannot be set.
pub fn choose(request: &mut RequestHeader, ctx: &RequestContext) -> Result<()> {
    let Some(compression) = compression(ctx) else { return Ok(()) };
    match compression.choose(&request.headers) {
        Choice::Encoded(encoding) => request.insert_header(header::ACCEPT_ENCODING, token(encoding)),
        Choice::Identity => {
            request.remove_header(&header::ACCEPT_ENCODING);
            Ok(())
        }
        // Left as it is: whoever refuses everything gets what the upstream has.
        Choice::NotAcceptable => Ok(()),
    }
}

/// Asks the upstream for the identity form, and by the tags it knows.
///
/// # Errors
/// If a field cannot be set.
pub fn to_upstream(upstream: &mut RequestHeader, ctx: &RequestContext) -> Result<()> {
    if compression(ctx).is_none() {
        return Ok(());
    }
    upstream.remove_header(&header::ACCEPT_ENCODING);
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        if let Some(tags) = upstream.headers.get(&name).and_then(request_tags) {
            upstream.insert_header(name, tags)?;
        }
    }
    Ok(())
}

/// Begins to compress a response that is worth it and whose client takes it.
///
/// # Errors
/// If there is no memory for the encoder.
pub fn begin(session: &Session, response: &mut ResponseHeader, ctx: &mut RequestContext) -> Result<()> {
    let Some(compression) = compression(ctx) else { return Ok(()) };
    let request = session.req_header();
    if response.status == StatusCode::NOT_MODIFIED {
        return confirm(session, response);
    }
    // The answer to a HEAD that is passed on has no body to be compressed.
    if request.method != Method::GET && !session.cache.enabled() {
        return Ok(());
    }
    let length = response.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    // Pingora does not tell the end of an HTTP/2 body to the filter of its pieces.
    let endless = length.is_none() && ctx.attempts.version == Some(Version::HTTP_2);
    if endless || !compression.applies(response.status, &response.headers, length) {
        return Ok(());
    }
    let choice = compression.choose(&request.headers);
    let mut headers = response.headers.clone();
    let Choice::Encoded(encoding) = choice else {
        vary_on_encoding(&mut headers);
        return replace(response, &headers);
    };
    mark_encoded(&mut headers, encoding, None);
    replace(response, &headers)?;
    let encoder = Encoder::new(encoding, length);
    let encoder = encoder.map_err(|error| Error::because(ErrorType::InternalError, "compression", error))?;
    if let Some(cache) = ctx.cache.as_deref_mut() {
        cache.coding = Some(Coding {
            encoder: Some(encoder),
            left: length,
            kind: match encoding {
                Encoding::Gzip => BodyCoding::Gzip,
                Encoding::Br => BodyCoding::Br,
                Encoding::Zstd => BodyCoding::Zstd,
            },
            passed: (0, 0),
        });
    }
    Ok(())
}

/// The tag in a confirmation is that of the identity form: what is stored has its own.
fn confirm(session: &Session, response: &mut ResponseHeader) -> Result<()> {
    let stored =
        session.cache.maybe_cache_meta().and_then(|meta| meta.headers().get(header::CONTENT_ENCODING));
    let encoding = match stored.map(HeaderValue::as_bytes) {
        Some(b"gzip") => Encoding::Gzip,
        Some(b"br") => Encoding::Br,
        Some(b"zstd") => Encoding::Zstd,
        _ => return Ok(()),
    };
    let tag = response.headers.get(header::ETAG).and_then(|tag| variant_tag(tag, encoding));
    match tag {
        Some(tag) => response.insert_header(header::ETAG, tag),
        None => Ok(()),
    }
}

/// Writes back what changed, through the response's own methods.
fn replace(response: &mut ResponseHeader, headers: &http::HeaderMap) -> Result<()> {
    for name in
        [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::ETAG, header::VARY, header::ACCEPT_RANGES]
    {
        response.remove_header(&name);
        for value in headers.get_all(&name) {
            response.append_header(name.clone(), value)?;
        }
    }
    Ok(())
}

/// Compresses a piece of the body in place.
///
/// # Errors
/// If the encoder fails.
pub fn encode(body: &mut Option<Bytes>, end: bool, ctx: &mut RequestContext) -> Result<()> {
    let Some(coding) = ctx.cache.as_deref_mut().and_then(|cache| cache.coding.as_mut()) else {
        return Ok(());
    };
    let Some(encoder) = coding.encoder.as_mut() else { return Ok(()) };
    let arrived = body.as_ref().map_or(0, Bytes::len) as u64;
    coding.left = coding.left.map(|left| left.saturating_sub(arrived));
    let end = end || coding.left == Some(0);
    let failed = |error| Error::because(ErrorType::InternalError, "compression", error);
    let mut out = match body.take() {
        Some(piece) => encoder.push(&piece).map_err(failed)?,
        None => Bytes::new(),
    };
    if end && let Some(encoder) = coding.encoder.take() {
        let last = encoder.finish().map_err(failed)?;
        out = if out.is_empty() { last } else { [out, last].concat().into() };
    }
    coding.passed.0 += arrived;
    coding.passed.1 += out.len() as u64;
    *body = (end || !out.is_empty()).then_some(out);
    Ok(())
}
