//! Bytes as hexadecimal digits.

/// N bytes from 2N digits; `None` for any other text.
pub fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_as_many_digits_as_there_are_bytes() {
        assert_eq!(unhex(b"00fFa7"), Some([0, 255, 167]));
        for text in ["", "00ff", "00ffa", "00ffa70", "00ffg7", "+0ffa7", "00ff\u{e9}"] {
            assert_eq!(unhex::<3>(text.as_bytes()), None, "{text}");
        }
    }
}
