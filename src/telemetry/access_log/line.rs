//! A line being written, as JSON or for human readers.

use std::{
    io::Write as _,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::escape;

/// The two forms of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    Json,
    /// Time, status, method and path, then `key=value`.
    Text,
}

/// The key of a field with all that surrounds it, so that it is one copy.
#[derive(Clone, Copy)]
pub struct Key {
    /// `,"key":`
    pub json: &'static [u8],
    /// `key=`
    pub text: &'static [u8],
}

/// Makes a [`Key`] from its name.
macro_rules! key {
    ($name:literal) => {
        $crate::telemetry::access_log::line::Key {
            json: concat!(",\"", $name, "\":").as_bytes(),
            text: concat!($name, "=").as_bytes(),
        }
    };
}
pub(super) use key;

/// Writes the fields of one line. Keys are ours and need no escaping.
pub struct Line<'a> {
    out: &'a mut Vec<u8>,
    clock: &'a mut Clock,
    form: Form,
}

impl<'a> Line<'a> {
    /// A line at the start of `out`, whose content is dropped.
    pub fn start(out: &'a mut Vec<u8>, clock: &'a mut Clock, form: Form) -> Self {
        out.clear();
        Self { out, clock, form }
    }

    /// Inlined, as are its callers: the length of a key is known then, and its copy is a move or two.
    #[inline(always)]
    fn key(&mut self, key: Key, bare: bool) {
        match (self.form, self.out.is_empty()) {
            (Form::Json, false) => self.out.extend_from_slice(key.json),
            (Form::Json, true) => {
                self.out.push(b'{');
                self.out.extend_from_slice(&key.json[1..]);
            }
            (Form::Text, first) => {
                if !first {
                    self.out.push(b' ');
                }
                if !bare {
                    self.out.extend_from_slice(key.text);
                }
            }
        }
    }

    fn value(&mut self, bytes: &[u8], max: usize) {
        match self.form {
            Form::Json => escape::json_string(self.out, bytes, max),
            Form::Text => escape::word(self.out, bytes, max),
        }
    }

    fn quote(&mut self) {
        if self.form == Form::Json {
            self.out.push(b'"');
        }
    }

    /// Text of which at most `max` bytes are written.
    #[inline(always)]
    pub fn text(&mut self, key: Key, bytes: &[u8], max: usize) {
        self.key(key, false);
        self.value(bytes, max);
    }

    /// Text that human readers know without its key.
    #[inline(always)]
    pub fn bare_text(&mut self, key: Key, bytes: &[u8], max: usize) {
        self.key(key, true);
        self.value(bytes, max);
    }

    /// Text, or nothing at all.
    #[inline(always)]
    pub fn option(&mut self, key: Key, text: Option<&str>, max: usize) {
        if let Some(text) = text {
            self.text(key, text.as_bytes(), max);
        }
    }

    /// A word of our own, which needs no escaping.
    #[inline(always)]
    pub fn word(&mut self, key: Key, word: &'static str) {
        self.key(key, false);
        self.quote();
        self.out.extend_from_slice(word.as_bytes());
        self.quote();
    }

    /// Hexadecimal digits, which need no escaping.
    #[inline(always)]
    pub fn digits<const N: usize>(&mut self, key: Key, digits: &[u8; N]) {
        self.key(key, false);
        self.quote();
        self.out.extend_from_slice(digits);
        self.quote();
    }

    /// A number.
    #[inline(always)]
    pub fn number(&mut self, key: Key, number: u64) {
        self.key(key, false);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A number that human readers know without its key.
    #[inline(always)]
    pub fn bare_number(&mut self, key: Key, number: u64) {
        self.key(key, true);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Yes or no.
    #[inline(always)]
    pub fn boolean(&mut self, key: Key, value: bool) {
        self.key(key, false);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// An IP address.
    pub fn address(&mut self, key: Key, address: IpAddr) {
        self.key(key, false);
        self.quote();
        match address {
            IpAddr::V4(v4) => {
                let [first, rest @ ..] = v4.octets();
                self.out.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
                for octet in rest {
                    self.out.push(b'.');
                    self.out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            // Writing to a Vec cannot fail.
            IpAddr::V6(v6) => drop(write!(self.out, "{v6}")),
        }
        self.quote();
    }

    /// An instant as RFC 3339 in UTC, with milliseconds.
    pub fn time(&mut self, key: Key, time: SystemTime) {
        self.key(key, true);
        self.quote();
        self.clock.write(self.out, time);
        self.quote();
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(match self.form {
            Form::Json => b"}\n",
            Form::Text => b"\n",
        });
    }
}

/// Writes instants, and remembers the text of the last second.
#[derive(Debug, Default)]
pub struct Clock {
    second: u64,
    text: Vec<u8>,
}

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

impl Clock {
    fn write(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs().min(LAST_SECOND);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            let instant = UNIX_EPOCH + Duration::from_secs(second);
            // Writing to a Vec cannot fail; the last byte is the `Z`.
            drop(write!(self.text, "{}", humantime::format_rfc3339_seconds(instant)));
            self.text.pop();
        }
        out.extend_from_slice(&self.text);
        let millis = since.subsec_millis();
        let digit = |n: u32| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_milliseconds_and_the_second_is_remembered_rightly() {
        let mut clock = Clock::default();
        let mut written = |millis: u64| {
            let mut out = Vec::new();
            clock.write(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(1_709_210_096_007), "2024-02-29T12:34:56.007Z");
        assert_eq!(written(1_709_210_096_999), "2024-02-29T12:34:56.999Z");
        assert_eq!(written(1_709_210_097_000), "2024-02-29T12:34:57.000Z");
        assert_eq!(written(u64::MAX / 4), "9999-12-31T23:59:59.903Z");
    }

    #[test]
    fn addresses_are_written_as_usual() {
        for text in ["127.0.0.1", "203.0.113.255", "::1", "2001:db8::1:0:0:1", "::ffff:192.0.2.1"] {
            let (mut out, mut clock) = (Vec::new(), Clock::default());
            Line::start(&mut out, &mut clock, Form::Json).address(key!("a"), text.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{{"a":"{text}""#));
        }
    }
}
