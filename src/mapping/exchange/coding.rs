//! Content codings of bodies that are mapped: decoded, within a limit.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// Codings on top of each other.
const MAX_CODINGS: usize = 3;
/// 8 MiB of window, what a decoder has to support (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that the decoder of brotli reads at once.
const BROTLI_BUFFER: usize = 4096;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Br,
    Zstd,
}

/// Why a body could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecoded {
    /// It is larger than the limit.
    TooLarge,
    /// It is not what its coding says.
    Broken,
}

/// The codings of a body, in the order of their application. `None`: one is not known, or
/// there are too many.
pub(super) fn codings(fields: &HeaderMap) -> Option<Vec<Coding>> {
    let values = fields.get_all(header::CONTENT_ENCODING).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut codings = Vec::new();
    for name in names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
        match name.to_ascii_lowercase().as_slice() {
            b"identity" => {}
            b"gzip" | b"x-gzip" => codings.push(Coding::Gzip),
            b"deflate" => codings.push(Coding::Deflate),
            b"br" => codings.push(Coding::Br),
            b"zstd" => codings.push(Coding::Zstd),
            _ => return None,
        }
    }
    (codings.len() <= MAX_CODINGS).then_some(codings)
}

/// Undoes a coding.
pub(super) fn decode(coding: Coding, body: &[u8], limit: usize) -> Result<Vec<u8>, Undecoded> {
    match coding {
        Coding::Gzip => read(MultiGzDecoder::new(body), limit),
        Coding::Deflate => read(ZlibDecoder::new(body), limit),
        Coding::Br => read(brotli::Decompressor::new(body, BROTLI_BUFFER), limit),
        Coding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Ok(decoder)
            });
            read(decoder.map_err(|_| Undecoded::Broken)?, limit)
        }
    }
}

fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Undecoded> {
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read: io::Result<usize> = decoder.take(most).read_to_end(&mut body);
    match read {
        Err(_) => Err(Undecoded::Broken),
        Ok(length) if length > limit => Err(Undecoded::TooLarge),
        Ok(_) => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::*;

    fn encode(coding: Coding, body: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(body).unwrap();
                writer.finish().unwrap()
            }
            Coding::Deflate => {
                let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(body).unwrap();
                writer.finish().unwrap()
            }
            Coding::Br => {
                let mut out = Vec::new();
                brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(body).unwrap();
                out
            }
            Coding::Zstd => zstd::encode_all(body, 3).unwrap(),
        }
    }

    #[test]
    fn every_coding_is_undone_within_the_limit() {
        let body = vec![b'x'; 10_000];
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd] {
            let encoded = encode(coding, &body);
            assert_eq!(decode(coding, &encoded, 10_000).as_ref(), Ok(&body), "{coding:?}");
            assert_eq!(decode(coding, &encoded, 9_999), Err(Undecoded::TooLarge), "{coding:?}");
            let cut = &encoded[..encoded.len() - 1];
            assert_eq!(decode(coding, cut, 10_000), Err(Undecoded::Broken), "{coding:?}");
            assert_eq!(decode(coding, b"{\"a\":1}", 10_000), Err(Undecoded::Broken), "{coding:?}");
        }
    }

    #[test]
    fn codings_are_read_from_all_lines() {
        let read = |lines: &[&str]| {
            let mut fields = HeaderMap::new();
            for line in lines {
                fields.append(header::CONTENT_ENCODING, HeaderValue::from_str(line).unwrap());
            }
            codings(&fields)
        };
        assert_eq!(read(&[]), Some(vec![]));
        assert_eq!(read(&["GZip, identity", " br"]), Some(vec![Coding::Gzip, Coding::Br]));
        assert_eq!(read(&["gzip, compress"]), None);
        assert_eq!(read(&["br,br,br,br"]), None);
    }
}
