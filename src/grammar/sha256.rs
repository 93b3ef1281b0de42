//! SHA-256 as hexadecimal digits, by which documents are named.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// That of these bytes.
pub fn of(bytes: &[u8]) -> Sha256 {
    let mut hash = Sha256::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// From its 64 hexadecimal digits, in either case.
pub fn parse(digits: &str) -> Option<Sha256> {
    let digits = digits.as_bytes();
    let mut hash = Sha256::default();
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(hash)
}

/// As hexadecimal digits in lower case.
pub fn hexadecimal(hash: &Sha256) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_and_go() {
        let hash = of(b"abc");
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hexadecimal(&hash), digits);
        assert_eq!(parse(digits), Some(hash));
        assert_eq!(parse(&digits.to_uppercase()), Some(hash));
        for wrong in [&digits[1..], &format!("{digits}0"), &format!("g{}", &digits[1..]), ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
