//! The codings themselves.

use std::{
    io::{self, Write},
    mem,
};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use bytes::Bytes;
use flate2::write::GzEncoder;

use super::Encoding;

/// Gzip's own default: above, time doubles for one part in a hundred.
const GZIP_LEVEL: u32 = 6;

/// Half of brotli's range: above, a body takes longer to compress than to send.
const BROTLI_QUALITY: i32 = 5;

/// 512 KiB of window, which bounds the memory of a stream; text gains little beyond.
const BROTLI_WINDOW_BITS: i32 = 19;

/// Zstandard's own default. Its window of 2 MiB is within the 8 MiB that clients have to
/// support (RFC 9659).
const ZSTD_LEVEL: i32 = 3;

/// Bytes that brotli's encoder hands over at once.
const BROTLI_BUFFER: usize = 4096;

/// Compresses a body as it comes.
///
/// What goes in need not come out at once: `push` may return nothing for a long time.
/// Errors are failures of an allocation, or of the encoder.
pub struct Encoder(Coder);

enum Coder {
    Gzip(GzEncoder<Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Begins a body. Its length, if known, helps to choose windows; then it has to be true.
    pub fn new(encoding: Encoding, length: Option<u64>) -> io::Result<Self> {
        let out = Vec::new();
        Ok(Self(match encoding {
            Encoding::Gzip => Coder::Gzip(GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL))),
            Encoding::Br => {
                let params = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW_BITS,
                    size_hint: length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default(),
                    ..BrotliEncoderParams::default()
                };
                Coder::Br(Box::new(CompressorWriter::with_params(out, BROTLI_BUFFER, &params)))
            }
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
                encoder.set_pledged_src_size(length)?;
                Coder::Zstd(encoder)
            }
        }))
    }

    /// Takes a part of the body; gives what is ready of the compressed one.
    pub fn push(&mut self, part: &[u8]) -> io::Result<Bytes> {
        self.writer().write_all(part)?;
        Ok(self.ready())
    }

    /// Gives everything that went in, at some cost in size: for bodies that pause.
    pub fn flush(&mut self) -> io::Result<Bytes> {
        self.writer().flush()?;
        Ok(self.ready())
    }

    /// Ends the body; gives the rest.
    pub fn finish(self) -> io::Result<Bytes> {
        let rest = match self.0 {
            Coder::Gzip(encoder) => encoder.finish()?,
            Coder::Br(encoder) => encoder.into_inner(),
            Coder::Zstd(encoder) => encoder.finish()?,
        };
        Ok(Bytes::from(rest))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Coder::Gzip(encoder) => encoder,
            Coder::Br(encoder) => encoder,
            Coder::Zstd(encoder) => encoder,
        }
    }

    fn ready(&mut self) -> Bytes {
        Bytes::from(mem::take(match &mut self.0 {
            Coder::Gzip(encoder) => encoder.get_mut(),
            Coder::Br(encoder) => encoder.get_mut(),
            Coder::Zstd(encoder) => encoder.get_mut(),
        }))
    }
}

/// Compresses a whole body. The result may be larger than the body; then it is better left
/// as it is. Takes a processor some milliseconds for a megabyte.
pub fn compress(encoding: Encoding, body: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(encoding, u64::try_from(body.len()).ok())?;
    encoder.writer().write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Br, Encoding::Zstd];

    fn decoded(encoding: Encoding, body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
            Encoding::Br => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
            Encoding::Zstd => zstd::stream::read::Decoder::new(body).unwrap().read_to_end(&mut plain),
        }
        .unwrap();
        plain
    }

    fn text(length: usize) -> Vec<u8> {
        let line = |n: usize| format!("{{\"id\":{n},\"name\":\"patient {}\"}},", n * 7919 % 1000);
        (0..).flat_map(|n| line(n).into_bytes()).take(length).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_body_in_any_parts_comes_back(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..2000), any::<bool>()), 0..8),
            known: bool,
        ) {
            let whole: Vec<u8> = parts.iter().flat_map(|(part, _)| part.clone()).collect();
            for encoding in ALL {
                let length = known.then_some(whole.len() as u64);
                let mut encoder = Encoder::new(encoding, length).unwrap();
                let mut sent = Vec::new();
                for (part, flush) in &parts {
                    sent.extend(encoder.push(part).unwrap());
                    if *flush {
                        sent.extend(encoder.flush().unwrap());
                    }
                }
                sent.extend(encoder.finish().unwrap());
                prop_assert_eq!(&decoded(encoding, &sent), &whole, "{:?}", encoding);
            }
        }
    }

    #[test]
    fn a_whole_body_comes_back_smaller() {
        for encoding in ALL {
            for length in [0, 1, 1000, 300_000] {
                let body = text(length);
                let sent = compress(encoding, &body).unwrap();
                assert_eq!(decoded(encoding, &sent), body, "{encoding:?} {length}");
                assert!(length < 1000 || sent.len() < length / 3, "{encoding:?} {length}: {}", sent.len());
            }
        }
    }

    #[test]
    fn the_same_body_is_compressed_to_the_same_bytes() {
        let body = text(10_000);
        for encoding in ALL {
            assert_eq!(compress(encoding, &body).unwrap(), compress(encoding, &body).unwrap());
        }
    }

    #[test]
    fn what_is_flushed_can_be_read_before_the_end() {
        for encoding in ALL {
            let mut encoder = Encoder::new(encoding, None).unwrap();
            let mut sent = encoder.push(b"the first part").unwrap().to_vec();
            sent.extend(encoder.flush().unwrap());
            let mut plain = [0; 14];
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(&sent[..]).read_exact(&mut plain),
                Encoding::Br => brotli::Decompressor::new(&sent[..], 4096).read_exact(&mut plain),
                Encoding::Zstd => zstd::stream::read::Decoder::new(&sent[..]).unwrap().read_exact(&mut plain),
            }
            .unwrap();
            assert_eq!(&plain, b"the first part", "{encoding:?}");
        }
    }

    #[test]
    fn a_length_that_is_not_true_is_an_error_where_it_is_written_down() {
        let mut encoder = Encoder::new(Encoding::Zstd, Some(5)).unwrap();
        assert!(encoder.push(b"abc").and_then(|_| encoder.finish()).is_err());
    }

    #[test]
    fn encoders_may_move_between_threads() {
        fn check<T: Send>() {}
        check::<Encoder>();
    }
}
