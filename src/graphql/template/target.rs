//! Path and query of a call, as they grow.

use std::borrow::Cow;

use percent_encoding::utf8_percent_encode;

use super::ENCODED;

/// Path and query of a call, percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// A target without a query, from an encoded path.
    pub fn new(path: String) -> Self {
        Self { text: path, has_query: false }
    }

    /// Appends `name=value`.
    pub fn parameter(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.text.extend(utf8_percent_encode(value, ENCODED));
    }

    /// Appends `name=a,b`. A comma within a value is encoded, so that it is none of those in between.
    pub fn list<'a>(&mut self, name: &str, values: impl IntoIterator<Item = Cow<'a, str>>) {
        self.begin(name);
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.text.extend(utf8_percent_encode(&value, ENCODED));
        }
    }

    /// Path and query.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Path and query.
    pub fn into_string(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &str) {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.extend(utf8_percent_encode(name, ENCODED));
        self.text.push('=');
    }
}
