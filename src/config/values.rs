//! The small typed values of the configuration: periods, sizes, names, secrets.
//!
//! Each one parses from a YAML string, prints back the way an operator would
//! write it, and describes itself in the JSON Schema.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer as _},
};

/// A length of time such as `30s`, `250ms` or `1h 30m`. Bare numbers are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// A period of whole seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A period of whole milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The period as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text != "0" {
            return Err(format!("`{text}` has no unit: write `{text}s` or `{text}ms`"));
        }
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| format!("`{text}` is not a period such as `30s`, `250ms` or `5m`"))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        // No months and years: theirs is not a whole number of days.
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(nanos / 1_000_000), "ms"),
            (u64::from(nanos / 1000 % 1000), "us"),
            (u64::from(nanos % 1000), "ns"),
        ];
        let mut gap = "";
        for (n, unit) in parts.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, "{gap}{n}{unit}")?;
            gap = " ";
        }
        if gap.is_empty() { f.write_str("0s") } else { Ok(()) }
    }
}

/// A number of bytes such as `64KiB`, `1MB` or `512B`. Bare numbers are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// A size in kibibytes.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// A size in mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// The size in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("`{text}` has no unit: write `{text}B`, `{text}KiB` or `{text}MiB`"));
        }
        bytesize::ByteSize::from_str(text)
            .map(|size| Self(size.as_u64()))
            .map_err(|_| format!("`{text}` is not a size such as `64KiB`, `10MiB` or `1GB`"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            n if n % (1 << 30) == 0 => write!(f, "{}GiB", n >> 30),
            n if n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

/// A name given by the operator: of a route, an upstream, a listener.
///
/// One to 64 letters, digits, `-`, `_` or `.`, because names become metric
/// labels, file names and log fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The longest name accepted, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(valid) {
            return Err(format!(
                "`{text}` is not a name: use 1 to {} letters, digits, `-`, `_` or `.`",
                Self::MAX_LEN
            ));
        }
        if text.starts_with('_') {
            return Err(format!("`{text}` starts with `_`, which is reserved"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives a value type its string form in serde and a pattern in the schema.
macro_rules! string_value {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = String;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($description)
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<String, E> {
                        Ok(v.to_owned())
                    }
                    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<String, E> {
                        Ok(v.to_string())
                    }
                }
                deserializer.deserialize_any(Text)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": $description,
                })
            }
        }
    };
}
pub(super) use string_value;

string_value!(
    Period,
    "Period",
    r"^(0|\s*([0-9]+\s*(ns|us|ms|s|sec|m|min|h|hr|d|day|days)\s*)+|\$\{.+)$",
    "a period such as `30s`, `250ms` or `5m`"
);
string_value!(
    ByteSize,
    "ByteSize",
    r"^(0|\s*[0-9.]+\s*[kKmMgGtT]?i?[bB]\s*|\$\{.+)$",
    "a size such as `64KiB`, `10MiB` or `1GB`"
);
string_value!(
    Name,
    "Name",
    r"^([A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}|\$\{.+)$",
    "a name of letters, digits, `-`, `_` or `.`"
);

/// Text that must never be printed: it shows as `***` everywhere.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself. Call it only where it is used, never where it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a secret; write `${file:/run/secrets/x}` or `${VAR}` rather than the value",
        })
    }
}

/// One value or a list of them, for keys where a single value is the common case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// A single value.
    One(T),
    /// A list of values.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values as a slice, in the order written.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMany::One)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_need_a_unit_and_print_as_written() {
        assert_eq!("30s".parse::<Period>(), Ok(Period::secs(30)));
        assert_eq!("1m 30s".parse::<Period>(), Ok(Period::secs(90)));
        assert_eq!("0".parse::<Period>(), Ok(Period::secs(0)));
        assert!("30".parse::<Period>().unwrap_err().contains("write `30s`"));
        assert!("abc".parse::<Period>().is_err());
        assert_eq!(Period::millis(1500).to_string(), "1s 500ms");
        assert_eq!(Period::secs(365 * 86_400).to_string(), "365d");
        assert_eq!(Period::secs(0).to_string(), "0s");
        let odd = Period(Duration::new(90_061, 1_002_003));
        assert_eq!(odd.to_string(), "1d 1h 1m 1s 1ms 2us 3ns");
        assert_eq!(odd.to_string().parse(), Ok(odd));
    }

    #[test]
    fn sizes_need_a_unit_and_print_as_written() {
        assert_eq!("64KiB".parse::<ByteSize>(), Ok(ByteSize::kib(64)));
        assert_eq!("1MB".parse::<ByteSize>(), Ok(ByteSize(1_000_000)));
        assert!("64".parse::<ByteSize>().unwrap_err().contains("write `64B`"));
        assert_eq!(ByteSize::mib(10).to_string(), "10MiB");
    }

    #[test]
    fn names_are_safe_as_labels() {
        assert!("patients-v2".parse::<Name>().is_ok());
        for bad in ["", "a b", "_x", "é", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_never_print() {
        let secret = Secret("hunter2".into());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert_eq!(secret.expose(), "hunter2");
    }
}
