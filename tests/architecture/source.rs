//! A source file as the rules see it: code only, without comments, literals and tests.

use std::ops::Range;

/// One file below `src/`.
pub struct Source {
    /// Its path from `src/`, with `/`.
    pub path: String,
    /// The text as it stands.
    pub text: String,
    /// The text with comments, literals and test items blanked; lines stay in place.
    pub code: String,
    /// Lines that are not part of a test item.
    pub lines: usize,
}

impl Source {
    /// Reads a file's text.
    pub fn new(path: &str, text: &str) -> Self {
        let mut code = blank_literals(text);
        let tests = test_items(&code);
        let mut lines = text.lines().count();
        for range in tests {
            lines -= code[range.clone()].matches('\n').count();
            blank(&mut code, range);
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, lines }
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The line, from 1, of an offset into the code.
    pub fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// The module path of the file: `routing/table.rs` is `["routing", "table"]`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let mut segments: Vec<&str> = path.split('/').collect();
        if matches!(segments.last(), Some(&"mod" | &"lib" | &"main")) {
            segments.pop();
        }
        segments
    }

    /// The offsets at which a word stands as a whole identifier.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(offset, _)| offset).filter(move |&offset| {
            !self.code[..offset].ends_with(is_part) && !self.code[offset + word.len()..].starts_with(is_part)
        })
    }
}

fn blank(code: &mut String, range: Range<usize>) {
    let blanked: String = code[range.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    // Offsets stay: a character of several bytes becomes as many spaces, at the end.
    code.replace_range(range.clone(), &format!("{blanked:<width$}", width = range.len()));
}

/// Replaces comments, strings and characters by spaces.
fn blank_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Only identifiers could be cut inside a character, and ours are ASCII.
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that starts here ends; `at` itself if none starts here.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        let found = rest[from..].windows(needle.len()).position(|window| window == needle);
        found.map_or(bytes.len(), |offset| at + from + offset + needle.len())
    };
    let follows_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => find(b"\n", 2),
        [b'/', b'*', ..] => block_comment_end(bytes, at),
        [b'r', b'"' | b'#', ..] if !follows_word || bytes[at - 1] == b'b' => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return at; // A raw identifier such as `r#match`.
            }
            let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            find(&closing, 2 + hashes)
        }
        [b'"', ..] => quoted_end(bytes, at, b'"'),
        // A character, not a lifetime: `'x'` or an escape.
        [b'\'', b'\\', ..] => quoted_end(bytes, at, b'\''),
        [b'\'', first, ..] => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            if rest.get(1 + width) == Some(&b'\'') { at + 2 + width } else { at }
        }
        _ => at,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The items marked `#[cfg(test)]` or `#[cfg(all(test, …))]`, attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(") {
        let condition = &code[start + attribute.len()..];
        let is_test = condition.starts_with("test)") || condition.starts_with("all(test,");
        if is_test && items.last().is_none_or(|last| last.end <= start) {
            items.push(start..item_end(code, start));
        }
    }
    items
}

/// Where the item that starts here ends: after its `;` or its closing brace.
pub fn item_end(code: &str, start: usize) -> usize {
    body(code, start).map_or_else(|end| end, |body| body.end)
}

/// The braces of the item that starts here, or where it ends without any.
pub fn body(code: &str, start: usize) -> Result<Range<usize>, usize> {
    let mut nested = 0_i32;
    let mut open = None;
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' if open.is_none() => nested += 1,
            b')' | b']' if open.is_none() => nested -= 1,
            b';' if open.is_none() && nested == 0 => return Err(offset + 1),
            b'{' if nested == 0 || open.is_some() => {
                open.get_or_insert(offset);
                depth += 1;
            }
            b'}' if open.is_some() => {
                depth -= 1;
                if let (Some(first), 0) = (open, depth) {
                    return Ok(first..offset + 1);
                }
            }
            _ => {}
        }
    }
    Err(code.len())
}
