//! One line of `Cache-Control`, directive by directive.

use super::Malformed;
use crate::cache::text::seconds;

/// One directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    name: &'a [u8],
    /// What follows `=`, without its quotation marks. Space beside the `=` makes it empty,
    /// because no argument that means anything is.
    pub argument: Option<&'a [u8]>,
}

impl<'a> Directive<'a> {
    pub fn new(name: &'a str, argument: Option<&'a [u8]>) -> Self {
        Self { name: name.as_bytes(), argument }
    }

    /// The name in lower case; empty if it is longer than any that is known.
    pub fn name_in<'b>(&self, buffer: &'b mut [u8; 24]) -> &'b [u8] {
        let Some(name) = buffer.get_mut(..self.name.len()) else { return &[] };
        name.copy_from_slice(self.name);
        name.make_ascii_lowercase();
        name
    }

    /// The argument as seconds. A lifetime that cannot be read is none (RFC 9111 section 4.2.1).
    pub fn seconds(&self) -> u32 {
        self.argument.and_then(seconds).unwrap_or(0)
    }
}

/// The directives of a line.
pub(super) struct Directives<'a> {
    rest: &'a [u8],
}

impl<'a> Directives<'a> {
    pub fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// Takes what is before the next comma. No quotation mark may be in it.
    fn plain(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'"')).unwrap_or(self.rest.len());
        let (text, tail) = self.rest.split_at(end);
        self.rest = tail;
        if tail.first() == Some(&b'"') { Err(Malformed) } else { Ok(text.trim_ascii_end()) }
    }

    /// Takes a quoted string, whose first mark is gone, and the blanks after it. Backslashes
    /// stay: nothing that is looked for has any.
    fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        let mut escaped = false;
        let end = self.rest.iter().position(|byte| match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' => {
                escaped = true;
                false
            }
            byte => *byte == b'"',
        });
        let (text, tail) = self.rest.split_at(end.ok_or(Malformed)?);
        self.rest = tail[1..].trim_ascii_start();
        if matches!(self.rest.first(), None | Some(b',')) { Ok(text) } else { Err(Malformed) }
    }

    fn directive(&mut self) -> Result<Directive<'a>, Malformed> {
        let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'"' | b'='));
        let (name, tail) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let Some((b'=', tail)) = tail.split_first() else {
            return Ok(Directive { name: self.plain()?, argument: None });
        };
        self.rest = tail;
        let argument = match tail.split_first() {
            Some((b'"', inner)) => {
                self.rest = inner;
                self.quoted()?
            }
            _ => self.plain()?,
        };
        let spaced = name.trim_ascii_end() != name || argument.trim_ascii_start() != argument;
        Ok(Directive { name: name.trim_ascii_end(), argument: Some(if spaced { &[] } else { argument }) })
    }
}

impl<'a> Iterator for Directives<'a> {
    type Item = Result<Directive<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [b',' | b' ' | b'\t', tail @ ..] = self.rest {
            self.rest = tail;
        }
        if self.rest.is_empty() {
            return None;
        }
        let found = self.directive();
        if found.is_err() {
            self.rest = &[];
        }
        Some(found)
    }
}
