//! Reading a JSON text (RFC 8259) in one pass.

use bytes::Bytes;

use super::{Json, Kind, Node};

/// How deep arrays and objects may be within each other.
const MAX_DEPTH: usize = 128;

/// A text that is no JSON, or too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON from byte {at} on")]
pub struct Malformed {
    /// Where it stops being JSON.
    pub at: usize,
}

impl Json {
    /// Checks a text and notes where its values are.
    ///
    /// # Errors
    /// A text that is no JSON, is deeper than 128 levels, or has 4 GiB.
    pub fn read(text: Bytes) -> Result<Json, Malformed> {
        if u32::try_from(text.len()).is_err() || std::str::from_utf8(&text).is_err() {
            return Err(Malformed { at: 0 });
        }
        // A value in twelve bytes is typical of what services answer.
        let nodes = Vec::with_capacity(text.len() / 12 + 1);
        let mut reader = Reader { text: &text, at: 0, nodes };
        reader.skip_space();
        let read = reader.value(MAX_DEPTH).and_then(|()| {
            reader.skip_space();
            (reader.at == text.len()).then_some(())
        });
        match read {
            Some(()) => Ok(Json { nodes: reader.nodes.into(), text }),
            None => Err(Malformed { at: reader.at }),
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

/// Every method leaves `at` after what it read, or where it failed.
impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(Kind::String),
            b'{' => self.nested(Kind::Object, b'}', depth),
            b'[' => self.nested(Kind::Array, b']', depth),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        let start = self.at;
        if !self.text[start..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        self.leaf(kind, start, false)
    }

    fn leaf(&mut self, kind: Kind, start: usize, is_escaped: bool) -> Option<()> {
        let next = number_of(self.nodes.len() + 1);
        let (start, end) = (number_of(start), number_of(self.at));
        self.nodes.push(Node { start, end, next, count: 0, kind, is_escaped });
        Some(())
    }

    /// An array or an object.
    fn nested(&mut self, kind: Kind, close: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let own = self.nodes.len();
        self.leaf(kind, self.at, false)?;
        self.at += 1;
        self.skip_space();
        let mut count = 0;
        if self.peek()? == close {
            self.at += 1;
        } else {
            loop {
                if kind == Kind::Object {
                    self.name(own)?;
                }
                self.value(depth)?;
                count += 1;
                self.skip_space();
                if self.peek()? == close {
                    self.at += 1;
                    break;
                }
                self.eat(b',')?;
                self.skip_space();
            }
        }
        let (end, next) = (number_of(self.at), number_of(self.nodes.len()));
        let node = &mut self.nodes[own];
        (node.end, node.next, node.count) = (end, next, count);
        Some(())
    }

    /// The name of a member with its colon.
    fn name(&mut self, object: usize) -> Option<()> {
        (self.peek()? == b'"').then(|| self.string(Kind::Name))??;
        self.nodes.last_mut()?.next = number_of(object);
        self.skip_space();
        self.eat(b':')?;
        self.skip_space();
        Some(())
    }

    fn string(&mut self, kind: Kind) -> Option<()> {
        let start = self.at;
        self.at += 1;
        let mut is_escaped = false;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape()?,
                // A control character.
                _ => return None,
            }
            is_escaped = true;
        }
        self.at += 1;
        self.leaf(kind, start, is_escaped)
    }

    fn escape(&mut self) -> Option<()> {
        self.at += 1;
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let unit = self.unit()?;
                match unit {
                    0xDC00..=0xDFFF => return None,
                    // The first half of a pair: the second has to follow.
                    0xD800..=0xDBFF => {
                        self.eat(b'\\')?;
                        (self.peek()? == b'u').then_some(())?;
                        (0xDC00..=0xDFFF).contains(&self.unit()?).then_some(())?;
                    }
                    _ => {}
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The `uXXXX` of an escape.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at + 1..self.at + 5)?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit * 16 + char::from(digit).to_digit(16)?;
        }
        self.at += 5;
        Some(unit)
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let _ = self.eat(b'-');
        if self.eat(b'0').is_none() {
            self.digits()?;
        }
        if self.eat(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.leaf(Kind::Number, start, false)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// How many bytes of a string stand for themselves: up to a quotation mark, a backslash or a
/// control character. Eight at a time, by the usual tests for a zero byte within a word.
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = has_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = has_zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quote | backslash | control;
        if found != 0 {
            // The lowest mark is right; only those above it may be wrong.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

/// A place in a text or in its nodes: both are checked to be below 4 Gi before.
#[allow(clippy::cast_possible_truncation, reason = "the length of the text is checked before")]
fn number_of(place: usize) -> u32 {
    place as u32
}
