//! The ids of traces and spans, and their text.

use std::cell::RefCell;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

thread_local! {
    /// Ids must differ from one another, by chance; nobody is kept from guessing one. A
    /// cryptographic generator would be most of what an id costs.
    static GENERATOR: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// The id of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The id of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// Ids in lower-case hexadecimal, on the stack.
#[derive(Clone, Copy)]
pub struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    fn of(bytes: &[u8]) -> Self {
        let mut text = [0; N];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [digit(byte >> 4), digit(byte & 0x0f)];
        }
        Self(text)
    }

    /// The digits as bytes.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The digits without leading zeros.
    pub fn trimmed(&self) -> &str {
        self.as_str().trim_start_matches('0')
    }
}

impl TraceId {
    /// A new id, all of it random.
    pub fn random() -> Self {
        Self(random())
    }

    /// The id in exactly 32 lower-case digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if has_upper(text) { None } else { Self::padded(text).filter(|_| text.len() == 32) }
    }

    /// The id in 1 to 32 digits, leading zeros left out.
    pub fn padded(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// The id as bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// 32 digits.
    pub fn hex(self) -> Hex<32> {
        Hex::of(&self.0)
    }

    /// A number that is as likely to be anywhere below 2^56 as anywhere else: the random part
    /// of an id, by W3C's level 2.
    pub fn randomness(self) -> u64 {
        let [.., a, b, c, d, e, f, g] = self.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }
}

impl SpanId {
    /// A new id.
    pub fn random() -> Self {
        Self(random())
    }

    /// The id in exactly 16 lower-case digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if has_upper(text) { None } else { Self::padded(text).filter(|_| text.len() == 16) }
    }

    /// The id in 1 to 16 digits, leading zeros left out.
    pub fn padded(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// The id as bytes.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// 16 digits.
    pub fn hex(self) -> Hex<16> {
        Hex::of(&self.0)
    }
}

/// Computed and not looked up, so that many digits are made at once.
fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

fn has_upper(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_uppercase)
}

fn random<const N: usize>() -> [u8; N] {
    GENERATOR.with_borrow_mut(|generator| {
        loop {
            let bytes: [u8; N] = generator.random();
            if bytes != [0; N] {
                return bytes;
            }
        }
    })
}

/// Up to 2N digits as a number of N bytes that is not zero.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (place, digit) in text.iter().rev().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        bytes[N - 1 - place / 2] |= value << (4 * (place % 2));
    }
    (bytes != [0; N]).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        let id = TraceId::parse(b"4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
        assert_eq!(id.hex().as_str(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(id.randomness(), 0x00ce_929d_0e0e_4736);
        let short = TraceId::padded(b"a1B").unwrap();
        assert_eq!(short.hex().as_str(), format!("{:0>32}", "a1b"));
        assert_eq!(short.hex().trimmed(), "a1b");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "0", "00000000000000000000000000000000", "4bf92f3577b34da6a3ce929d0e0e473g"] {
            assert_eq!(TraceId::padded(text.as_bytes()), None, "{text}");
        }
        for text in ["4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e473"] {
            assert_eq!(TraceId::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(SpanId::padded(b"00f067aa0ba902b70"), None, "too long");
    }
}
