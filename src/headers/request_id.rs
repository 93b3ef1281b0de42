//! The identifier that joins a request's log lines, traces and messages.

use std::fmt;

use rand::Rng as _;

/// A request id: one a trusted peer sent, or 128 random bits in hexadecimal.
///
/// Copied by value through the life of a request; it never allocates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl RequestId {
    /// The longest id accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// A new id: 128 bits of the thread's generator, 32 lower-case hexadecimal digits.
    pub fn random() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let random: [u8; 16] = rand::rng().random();
        let mut bytes = [0; Self::MAX_LEN];
        for (pair, byte) in bytes.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0x0f)];
        }
        Self { bytes, len: 32 }
    }

    /// An id that somebody else made: 1 to 128 letters, digits or `-_.:+/=~@`.
    ///
    /// These need no escaping in a log line, a header field, a URL or a shell.
    pub fn accept(value: &[u8]) -> Option<Self> {
        let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=~@".contains(byte);
        if value.is_empty() || value.len() > Self::MAX_LEN || !value.iter().all(safe) {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..value.len()].copy_from_slice(value);
        Some(Self { bytes, len: u8::try_from(value.len()).ok()? })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Both constructors write ASCII only.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as bytes, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_are_32_hexadecimal_digits_and_differ() {
        let (one, other) = (RequestId::random(), RequestId::random());
        assert_eq!(one.as_str().len(), 32);
        assert!(one.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(one, other);
    }

    #[test]
    fn only_safe_ids_are_accepted() {
        for safe in ["a", "0190-AB_c.d:e+f/g=~@", &"x".repeat(128)] {
            assert_eq!(RequestId::accept(safe.as_bytes()).unwrap().as_str(), safe);
        }
        for unsafe_id in ["", "a b", "a\"b", "a,b", "a;b", "{a}", "$(a)", "caf\u{e9}", &"x".repeat(129)] {
            assert_eq!(RequestId::accept(unsafe_id.as_bytes()), None, "{unsafe_id}");
        }
    }
}
