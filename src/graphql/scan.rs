//! One pass over the text of a document or a schema, before any parser sees it.
//!
//! A parser that recurses and a tree that forgets are not to be trusted with a hostile text:
//! here tokens are counted, nesting is bounded, and names that stand twice in an input object
//! are found, of which the parser keeps only the last (October 2021, sections 2.1 and 5.6.3).

use std::collections::HashSet;

use super::schema::Position;

/// What a text may be.
pub(super) struct Bounds {
    /// Tokens.
    pub tokens: usize,
    /// Brackets of all kinds, one within another.
    pub nesting: usize,
}

/// What a text is.
#[derive(Debug)]
pub(super) struct Scanned {
    pub tokens: usize,
    /// Names that an input object has twice.
    pub repeated: Vec<Repeated>,
}

/// A name that an input object has already.
#[derive(Debug)]
pub(super) struct Repeated {
    pub name: String,
    pub at: Position,
}

/// Why a text is not looked at any further.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: Position,
    pub message: String,
    /// The limit that it exceeds, if it is too large and not malformed.
    pub bound: Option<&'static str>,
}

/// Scans a text.
pub(super) fn scan(text: &str, bounds: &Bounds) -> Result<Scanned, Fault> {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        frames: Vec::new(),
        names: HashSet::new(),
        objects: 0,
        last: Token::Other,
        scanned: Scanned { tokens: 0, repeated: Vec::new() },
    };
    scanner.run(bounds)?;
    Ok(scanner.scanned)
}

/// What the last token was, so far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Name(usize, usize),
    Equals,
    Open,
    Other,
}

/// An open bracket.
struct Frame {
    closing: u8,
    /// An input object, not a block of selections or definitions.
    is_object: bool,
    /// Its number among the input objects.
    number: usize,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    frames: Vec<Frame>,
    /// The names of input objects, each with the number of its object.
    names: HashSet<(usize, &'a str)>,
    objects: usize,
    last: Token,
    scanned: Scanned,
}

impl<'a> Scanner<'a> {
    fn run(&mut self, bounds: &Bounds) -> Result<(), Fault> {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' | b'\r' => self.new_line(byte),
                b' ' | b'\t' | b',' => self.at += 1,
                // The byte order mark, which is white space too.
                0xEF if self.text[self.at..].starts_with('\u{feff}') => self.at += 3,
                b'#' => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                _ => {
                    self.scanned.tokens += 1;
                    if self.scanned.tokens > bounds.tokens {
                        return Err(self.bound("tokens", format!("more than {} tokens", bounds.tokens)));
                    }
                    self.token(byte, bounds)?;
                }
            }
        }
        match self.frames.last() {
            Some(frame) => {
                let closing = char::from(frame.closing);
                Err(self.malformed(format!("syntax error: expected `{closing}`, found the end")))
            }
            None => Ok(()),
        }
    }

    fn token(&mut self, byte: u8, bounds: &Bounds) -> Result<(), Fault> {
        let start = self.at;
        let token = match byte {
            b'{' | b'[' | b'(' => {
                if self.frames.len() >= bounds.nesting {
                    return Err(
                        self.bound("nesting", format!("nested more than {} levels deep", bounds.nesting))
                    );
                }
                let within = self.frames.last();
                let is_value = within.is_some_and(|frame| frame.is_object || frame.closing != b'}');
                let is_object = byte == b'{' && (is_value || self.last == Token::Equals);
                let closing = if byte == b'(' { b')' } else { byte + 2 };
                self.objects += usize::from(is_object);
                self.frames.push(Frame { closing, is_object, number: self.objects });
                self.at += 1;
                Token::Open
            }
            b'}' | b']' | b')' => {
                self.close(byte)?;
                Token::Other
            }
            b'"' => {
                self.string()?;
                Token::Other
            }
            b'=' => {
                self.at += 1;
                Token::Equals
            }
            b':' => {
                self.colon();
                self.at += 1;
                Token::Other
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                Token::Name(start, self.at)
            }
            b'-' | b'0'..=b'9' => {
                self.at += 1;
                self.skip_while(|byte| matches!(byte, b'.' | b'+' | b'-') || byte.is_ascii_alphanumeric());
                Token::Other
            }
            b'.' if self.text[self.at..].starts_with("...") => {
                self.at += 3;
                Token::Other
            }
            b'!' | b'$' | b'&' | b'@' | b'|' => {
                self.at += 1;
                Token::Other
            }
            _ => {
                let found = self.text[self.at..].chars().next().unwrap_or_default();
                return Err(self.malformed(format!("syntax error: unexpected character {found:?}")));
            }
        };
        self.last = token;
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), Fault> {
        match self.frames.pop() {
            Some(frame) if frame.closing == byte => {
                // `()` and `{}` are nothing that a document or a schema has, but for input objects.
                if self.last == Token::Open && byte != b']' && !frame.is_object {
                    let found = char::from(byte);
                    return Err(self.malformed(format!("syntax error: expected a name, found `{found}`")));
                }
                self.at += 1;
                Ok(())
            }
            Some(frame) => {
                let (closing, found) = (char::from(frame.closing), char::from(byte));
                Err(self.malformed(format!("syntax error: expected `{closing}`, found `{found}`")))
            }
            None => Err(self.malformed(format!("syntax error: unexpected `{}`", char::from(byte)))),
        }
    }

    /// A name before a colon is a member, where an input object is open.
    fn colon(&mut self) {
        let Token::Name(start, end) = self.last else { return };
        let Some(frame) = self.frames.last().filter(|frame| frame.is_object) else { return };
        let name = &self.text[start..end];
        if !self.names.insert((frame.number, name)) {
            let column = self.text[self.line_start.min(start)..start].chars().count() + 1;
            let at = Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) };
            self.scanned.repeated.push(Repeated { name: name.to_owned(), at });
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        let open = self.position();
        let unterminated =
            || Fault { at: open, message: "syntax error: unterminated string".to_owned(), bound: None };
        if self.text[self.at..].starts_with("\"\"\"") {
            self.at += 3;
            loop {
                let rest = &self.text[self.at..];
                match self.peek().ok_or_else(unterminated)? {
                    b'\\' if rest.starts_with("\\\"\"\"") => self.at += 4,
                    b'"' if rest.starts_with("\"\"\"") => {
                        self.at += 3;
                        return Ok(());
                    }
                    byte @ (b'\n' | b'\r') => self.new_line(byte),
                    _ => self.at += 1,
                }
                // Only whole characters are cut off: continuation bytes are none of the above.
                while !self.text.is_char_boundary(self.at) {
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        loop {
            match self.peek().ok_or_else(unterminated)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\n' | b'\r' => return Err(unterminated()),
                _ => self.at += 1,
            }
            while self.at < self.text.len() && !self.text.is_char_boundary(self.at) {
                self.at += 1;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.at += 1;
        }
    }

    fn new_line(&mut self, byte: u8) {
        self.at += 1;
        if byte == b'\r' && self.peek() == Some(b'\n') {
            self.at += 1;
        }
        self.line += 1;
        self.line_start = self.at;
    }

    fn position(&self) -> Position {
        let at = self.at.min(self.text.len());
        let column = self.text[self.line_start.min(at)..at].chars().count() + 1;
        Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    fn malformed(&self, message: String) -> Fault {
        Fault { at: self.position(), message, bound: None }
    }

    fn bound(&self, limit: &'static str, message: String) -> Fault {
        Fault { at: self.position(), message, bound: Some(limit) }
    }
}

#[cfg(test)]
mod tests;
