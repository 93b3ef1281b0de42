//! Protobuf's encoding, as much of it as spans need.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// How a field's value is laid out.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// Bytes kept free for the length of a nested message: right for 128 to 16,383 bytes, which is
/// what spans have.
const LENGTH_ROOM: usize = 2;

/// Appends fields to a message. Fields that have their default value are left out, as in
/// protobuf's own encoders.
#[derive(Debug)]
pub struct Message<'a>(&'a mut Vec<u8>);

impl<'a> Message<'a> {
    /// Appends to these bytes.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self(bytes)
    }

    fn tag(&mut self, field: u8, layout: u8) {
        // Field numbers of spans go up to 16: the tag is one byte, or two.
        self.varint(u64::from(field) << 3 | u64::from(layout));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number, or a truth value as 1.
    pub fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.present_number(field, value);
        }
    }

    /// The same where zero is said, too.
    pub fn present_number(&mut self, field: u8, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    /// Eight bytes.
    pub fn fixed64(&mut self, field: u8, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn fixed32(&mut self, field: u8, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes.
    pub fn bytes(&mut self, field: u8, value: &[u8]) {
        if !value.is_empty() {
            self.head(field, value.len());
            self.0.extend_from_slice(value);
        }
    }

    /// A text, in parts.
    pub fn text(&mut self, field: u8, parts: &[&str]) {
        self.head(field, parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    /// A `KeyValue` with a text, of OTLP, if all its lengths take one byte each: nearly all do.
    /// `false`: nothing is written.
    pub fn short_pair(&mut self, field: u8, key: &str, parts: &[&str], length: usize) -> bool {
        let pair = 2 + key.len() + 4 + length;
        if pair >= 0x80 || field >= 16 {
            return false;
        }
        self.0.reserve(2 + pair);
        self.0.extend_from_slice(&[field << 3 | LENGTH, pair as u8, 1 << 3 | LENGTH, key.len() as u8]);
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(&[2 << 3 | LENGTH, 2 + length as u8, 1 << 3 | LENGTH, length as u8]);
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
        true
    }

    /// The beginning of a field that so many bytes belong to.
    pub fn head(&mut self, field: u8, length: usize) {
        self.tag(field, LENGTH);
        self.varint(length as u64);
    }

    /// A message within the message.
    pub fn nested(&mut self, field: u8, write: impl FnOnce(&mut Message<'_>)) {
        self.tag(field, LENGTH);
        let start = self.0.len();
        self.0.extend_from_slice(&[0; LENGTH_ROOM]);
        write(self);
        let length = self.0.len() - start - LENGTH_ROOM;
        let mut digits = Vec::new();
        if (0x80..0x4000).contains(&length) {
            self.0[start..start + LENGTH_ROOM].copy_from_slice(&[length as u8 | 0x80, (length >> 7) as u8]);
        } else {
            Message(&mut digits).varint(length as u64);
            self.0.splice(start..start + LENGTH_ROOM, digits);
        }
    }
}

/// Bytes that a number takes.
pub fn size(value: usize) -> usize {
    let bits = (usize::BITS - value.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// Reads the fields of a message, one after the other. What is malformed ends it.
pub struct Fields<'a>(pub &'a [u8]);

/// A field as it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number.
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
    /// Something that nobody asks for.
    Other,
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let field = match (tag & 7) as u8 {
            VARINT => Field::Number(self.varint()?),
            FIXED64 => self.take(8).map(|_| Field::Other)?,
            LENGTH => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            FIXED32 => self.take(4).map(|_| Field::Other)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_of_every_length_are_framed() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut bytes = Vec::new();
            let inner = vec![7; length];
            Message::new(&mut bytes).nested(2, |message| message.0.extend_from_slice(&inner));
            let fields: Vec<_> = Fields(&bytes).collect();
            assert_eq!(fields, [(2, Field::Bytes(&inner))], "{length}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(value: u64, size_of in 0usize..1 << 40) {
            let mut bytes = Vec::new();
            Message::new(&mut bytes).present_number(3, value);
            prop_assert_eq!(Fields(&bytes).collect::<Vec<_>>(), vec![(3, Field::Number(value))]);
            let mut bytes = Vec::new();
            Message::new(&mut bytes).varint(size_of as u64);
            prop_assert_eq!(bytes.len(), size(size_of));
        }

        #[test]
        fn nothing_makes_reading_panic(bytes: Vec<u8>) {
            Fields(&bytes).for_each(drop);
        }
    }
}
