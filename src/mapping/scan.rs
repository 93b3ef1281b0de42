//! JSON text (RFC 8259), checked once from end to end.
//!
//! Stricter than the grammar where readers disagree: no member twice in one object, no half
//! of a surrogate pair, no nesting past [`MAX_DEPTH`]. What comes out is the extent of every
//! container, so that later steps go straight to the parts that concern them and copy the
//! rest as it stands.

use std::borrow::Cow;

/// Containers within containers.
pub const MAX_DEPTH: usize = 128;

/// Up to here every two names of an object are compared; beyond, they are sorted.
pub const FEW_NAMES: usize = 12;

/// The extent of an array or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from the opening to the closing bracket, both included.
    pub bytes: u32,
    /// Containers in it, itself included. Theirs follow its own extent.
    pub containers: u32,
}

/// What keeps a text from being JSON, and where. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// The offset in bytes.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// The name of a member as it is written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The text between the quotes.
    pub raw: &'a str,
    /// Whether there are escapes in it.
    pub escaped: bool,
}

impl<'a> Key<'a> {
    /// The name that is meant.
    pub fn text(&self) -> Cow<'a, str> {
        if self.escaped { super::value::decode(self.raw) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether both mean the same name.
    pub fn is(&self, other: &Self) -> bool {
        if self.escaped || other.escaped { self.text() == other.text() } else { self.raw == other.raw }
    }
}

/// Checks a body and measures its containers, in the order of their opening brackets.
///
/// # Errors
/// The first thing that is wrong.
pub fn scan(body: &[u8]) -> Result<(&str, Vec<Extent>), Malformed> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Malformed { at: error.valid_up_to(), what: "invalid UTF-8" })?;
    if u32::try_from(text.len()).is_err() {
        return Err(Malformed { at: 0, what: "more than 4 GiB" });
    }
    let mut scanner = Scanner { text, at: 0, extents: Vec::new(), keys: Vec::new() };
    scanner.space();
    scanner.value(0)?;
    scanner.space();
    if scanner.at < text.len() {
        return Err(scanner.wrong("something after the end"));
    }
    Ok((text, scanner.extents))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    extents: Vec<Extent>,
    /// The names of all open objects, the innermost last.
    keys: Vec<Key<'a>>,
}

impl<'a> Scanner<'a> {
    fn wrong(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        self.at += spaces(&self.text.as_bytes()[self.at..]);
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(what));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.container(depth, Self::members),
            Some(b'[') => self.container(depth, Self::elements),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) => Err(self.wrong("no value")),
            None => Err(self.wrong("unexpected end")),
        }
    }

    fn container(
        &mut self,
        depth: usize,
        inside: fn(&mut Self, usize) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if depth == MAX_DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        let (start, index) = (self.at, self.extents.len());
        self.extents.push(Extent { bytes: 0, containers: 0 });
        self.at += 1;
        self.space();
        inside(self, depth + 1)?;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let containers = narrow(self.extents.len() - index);
        self.extents[index] = Extent { bytes: narrow(self.at - start), containers };
        Ok(())
    }

    fn elements(&mut self, depth: usize) -> Result<(), Malformed> {
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(());
            }
            self.take(b',', "neither `,` nor `]`")?;
            self.space();
        }
    }

    fn members(&mut self, depth: usize) -> Result<(), Malformed> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let first = self.keys.len();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no name"));
            }
            let key = self.string()?;
            self.keys.push(key);
            self.space();
            self.take(b':', "no `:`")?;
            self.space();
            self.value(depth)?;
            self.space();
            if self.peek() == Some(b'}') {
                break;
            }
            self.take(b',', "neither `,` nor `}`")?;
            self.space();
        }
        if has_twins(&self.keys[first..]) {
            return Err(self.wrong("a member twice in the object that ends"));
        }
        self.keys.truncate(first);
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Key<'a>, Malformed> {
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at += plain(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("unexpected end")),
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Key { raw, escaped })
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let pair = match self.unit(self.at, "half of an escape")? {
                    0xd800..=0xdbff => Some(self.unit(self.at + 6, "half of a surrogate pair")?),
                    0xdc00..=0xdfff => return Err(self.wrong("half of a surrogate pair")),
                    _ => None,
                };
                if pair.is_some_and(|low| !(0xdc00..=0xdfff).contains(&low)) {
                    return Err(self.wrong("half of a surrogate pair"));
                }
                self.at += if pair.is_some() { 12 } else { 6 };
            }
            _ => return Err(self.wrong("an unknown escape")),
        }
        Ok(())
    }

    /// The UTF-16 code unit that `\uXXXX` stands for.
    fn unit(&self, at: usize, otherwise: &'static str) -> Result<u32, Malformed> {
        let digits = match self.text.as_bytes().get(at..at + 6) {
            Some([b'\\', b'u', digits @ ..]) => digits,
            _ => return Err(self.wrong(otherwise)),
        };
        digits.iter().try_fold(0, |unit, digit| match char::from(*digit).to_digit(16) {
            Some(digit) => Ok(unit * 16 + digit),
            None => Err(self.wrong(otherwise)),
        })
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let bytes = &self.text.as_bytes()[self.at..];
        match bytes.iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => Err(self.wrong("no digit")),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(())
    }
}

fn has_twins(keys: &[Key<'_>]) -> bool {
    if keys.len() <= FEW_NAMES {
        return keys.iter().enumerate().any(|(at, key)| keys[..at].iter().any(|other| other.is(key)));
    }
    let mut names: Vec<Cow<'_, str>> = keys.iter().map(Key::text).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// How many bytes of white space there are at the front.
pub fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// How many bytes of a string stand for themselves.
pub fn plain(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(bytes.len())
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
