//! Where a chunked body ends (RFC 9112 section 7.1).
//!
//! Pingora decodes the body and refuses what is not well-formed. Here only its end
//! is looked for, so that what follows is kept for the next request. Bytes that
//! cannot be followed are all handed on: their refusal is Pingora's.

/// The most digits of a chunk's size: those of a `u64`.
const MAX_SIZE_DIGITS: u8 = 16;

/// Follows a chunked body piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedBody(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size of a chunk.
    Size { size: u64, digits: u8 },
    /// Between the size and the end of its line.
    Extension { size: u64 },
    /// Behind the CR of that line.
    SizeEnd { size: u64 },
    /// In the data, of which so many bytes are left.
    Data { left: u64 },
    /// Behind the data.
    DataEnd,
    /// Behind the CR that follows the data.
    DataLineFeed,
    /// At the start of a line of the trailer section.
    TrailerStart,
    /// In such a line.
    Trailer,
    /// Behind the CR of such a line.
    TrailerEnd,
    /// Behind the CR of the last, empty line.
    LastLineFeed,
    /// The body has ended.
    Done,
    /// Not a chunked body.
    Broken,
}

impl Default for ChunkedBody {
    /// At the start of a body.
    fn default() -> Self {
        Self(State::Size { size: 0, digits: 0 })
    }
}

impl ChunkedBody {
    /// Whether the whole body has been seen.
    pub fn is_done(self) -> bool {
        self.0 == State::Done
    }

    /// Follows the next bytes; returns how many of them belong to the body.
    pub fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.0 {
                State::Done => break,
                State::Broken => return bytes.len(),
                State::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    at += here;
                    let left = left - here as u64;
                    self.0 = if left == 0 { State::DataEnd } else { State::Data { left } };
                }
                state => {
                    self.0 = state.after(bytes[at]);
                    at += 1;
                }
            }
        }
        at
    }
}

impl State {
    /// The state after a byte that is not data.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { digits: 1.., size }, b'\r') => Self::SizeEnd { size },
            (Self::Size { digits: 1.., size }, b';' | b' ' | b'\t') => Self::Extension { size },
            (Self::Size { size, digits }, _) if digits < MAX_SIZE_DIGITS => {
                match char::from(byte).to_digit(16) {
                    Some(digit) => Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 },
                    None => Self::Broken,
                }
            }
            (Self::Extension { size }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { size }, byte) if byte != b'\n' => Self::Extension { size },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataEnd, b'\r') => Self::DataLineFeed,
            (Self::DataLineFeed, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::TrailerStart, b'\r') => Self::LastLineFeed,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::TrailerStart | Self::Trailer, byte) if byte != b'\n' => Self::Trailer,
            (Self::TrailerEnd, b'\n') => Self::TrailerStart,
            (Self::LastLineFeed, b'\n') => Self::Done,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEXT: &[u8] = b"GET / HTTP/1.1\r\n";

    /// How many bytes are followed, whatever the pieces they come in.
    fn followed(bytes: &[u8], piece: usize) -> (usize, bool) {
        let mut body = ChunkedBody::default();
        let mut followed = 0;
        for part in bytes.chunks(piece) {
            let here = body.follow(part);
            followed += here;
            if here < part.len() {
                break;
            }
        }
        (followed, body.is_done())
    }

    #[test]
    fn finds_the_end_of_a_body() {
        for body in [
            &b"0\r\n\r\n"[..],
            b"3\r\nabc\r\n0\r\n\r\n",
            b"A\r\n0123456789\r\n1\r\nx\r\n00\r\n\r\n",
            b"3;name=value\r\nabc\r\n0;last\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"0\r\nTrailer: value\r\nOther: value\r\n\r\n",
            b"5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        ] {
            let bytes = [body, NEXT].concat();
            for piece in [1, 2, 7, bytes.len()] {
                assert_eq!(followed(&bytes, piece), (body.len(), true), "{body:?} by {piece}");
            }
        }
    }

    #[test]
    fn hands_on_everything_it_cannot_follow() {
        for body in [
            &b"zz\r\nabc\r\n0\r\n\r\n"[..],
            b"-3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"\r\n\r\n",
            b";x\r\nabc\r\n0\r\n\r\n",
            b"3\nabc\n0\n\n",
            b"3\r\nabcX\r\n0\r\n\r\n",
            b"00000000000000000\r\n\r\n",
            b"0\r\nTrailer: value\n\r\n",
        ] {
            let bytes = [body, NEXT].concat();
            assert_eq!(followed(&bytes, 3), (bytes.len(), false), "{body:?}");
        }
    }

    #[test]
    fn an_unfinished_body_is_not_done() {
        assert_eq!(followed(b"5\r\nab", 2), (5, false));
        assert_eq!(followed(b"0\r\n\r", 2), (4, false));
    }

    proptest! {
        #[test]
        fn follows_what_a_chunked_encoder_writes(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..6),
            piece in 1_usize..64,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            let length = body.len();
            body.extend(NEXT);
            prop_assert_eq!(followed(&body, piece), (length, true));
        }

        #[test]
        fn never_takes_more_than_there_is(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ChunkedBody::default().follow(&bytes) <= bytes.len());
        }
    }
}
