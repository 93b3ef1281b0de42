//! Content codings for clients (RFC 9110 section 8.4): which responses are compressed, in
//! what coding, and what their fields say then.
//!
//! A compressed response is a representation of its own: it has its own strong entity tag,
//! and byte ranges count its compressed bytes. Nothing here knows where it is kept.

mod encoder;
mod etag;
mod fields;
mod media;
mod negotiate;

use http::{HeaderMap, StatusCode, header};

pub use self::{
    encoder::{Encoder, compress},
    etag::{original_tag, request_tags, variant_tag},
    fields::{mark_encoded, vary_on_encoding},
    media::MediaTypes,
    negotiate::{Choice, negotiate},
};
pub use crate::config::cache::Encoding;
use crate::config::{cache::CompressionConfig, finding::Problem};

/// The name of a coding in `Accept-Encoding` and `Content-Encoding`.
pub fn token(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Br => "br",
        Encoding::Zstd => "zstd",
        Encoding::Gzip => "gzip",
    }
}

/// What a route compresses.
#[derive(Clone, Debug)]
pub struct Compression {
    encodings: Box<[Encoding]>,
    above: u64,
    types: MediaTypes,
}

impl Compression {
    /// Compiles the configuration; paths of problems are relative to it.
    pub fn compile(config: &CompressionConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.encodings.is_empty() {
            let problem = Problem::new("encodings", "no encoding is offered");
            problems.push(problem.hint("leave out `compress` to compress nothing"));
        }
        for (place, encoding) in config.encodings.iter().enumerate() {
            if config.encodings[..place].contains(encoding) {
                let message = format!("`{}` is offered twice", token(*encoding));
                problems.push(Problem::new(format!("encodings[{place}]"), message));
            }
        }
        match MediaTypes::compile(&config.types) {
            Ok(types) if problems.is_empty() => {
                Ok(Self { encodings: config.encodings.clone().into(), above: config.above.0, types })
            }
            Ok(_) => Err(problems),
            Err(more) => Err(problems.into_iter().chain(more).collect()),
        }
    }

    /// The encodings offered, the preferred first.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// The coding for a request with these fields.
    pub fn choose(&self, request: &HeaderMap) -> Choice {
        let values = request.get_all(header::ACCEPT_ENCODING);
        negotiate(values.iter().map(http::HeaderValue::as_bytes), &self.encodings)
    }

    /// Whether a response to `GET` is one to compress for whoever accepts it. `length` is
    /// that of its body, if it is known beforehand. Such responses vary on `Accept-Encoding`,
    /// compressed or not.
    pub fn applies(&self, status: StatusCode, response: &HeaderMap, length: Option<u64>) -> bool {
        !matches!(status.as_u16(), ..200 | 204 | 205 | 206 | 304)
            && length.is_none_or(|length| length > self.above)
            && response.get(header::CONTENT_TYPE).is_some_and(|value| self.types.contains(value.as_bytes()))
            && !fields::forbid_encoding(response)
    }
}

#[cfg(test)]
mod tests;
