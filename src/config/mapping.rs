//! How JSON bodies of one API version become those of its neighbour.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::values::{ByteSize, Name, OneOrMany};

/// One entry of `traffic.mappings:`, between two neighbouring versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// The older version.
    pub from: Name,
    /// The newer version.
    pub to: Name,
    /// What makes a body of `from` one of `to`: the way of requests to a newer service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<RuleConfig>,
    /// What makes a body of `to` one of `from`: the way of its responses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<RuleConfig>,
    /// Whether, or in which respects, a body that goes there and back loses something.
    #[serde(default, skip_serializing_if = "LossyConfig::is_default")]
    pub lossy: LossyConfig,
    /// The status codes of responses whose body is mapped. Left out: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// The largest request body that is mapped, in bytes. A larger one is refused.
    #[serde(default = "default_max")]
    pub max_request: ByteSize,
    /// The largest response body that is mapped, in bytes, decoded.
    #[serde(default = "default_max")]
    pub max_response: ByteSize,
    /// What becomes of a larger response.
    #[serde(default)]
    pub on_oversize: OnOversize,
    /// What becomes of a response that cannot be mapped: malformed, or of another shape.
    #[serde(default)]
    pub on_error: OnError,
    /// Bodies and what has to become of them, for `nilegate check` and every load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<MappingTestConfig>,
}

fn default_max() -> ByteSize {
    ByteSize::mib(1)
}

/// What becomes of a response too large to be mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOversize {
    /// The client gets 502.
    #[default]
    Refuse,
    /// The client gets it as the service sent it.
    Pass,
}

/// What becomes of a response that cannot be mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The client gets 502.
    #[default]
    Fail,
    /// The client gets it as the service sent it.
    Pass,
}

/// Whether something is lost: `true`, or a list of what.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum LossyConfig {
    /// Something is, or nothing is.
    Flag(bool),
    /// What is, in words. An empty list says nothing is.
    Notes(Vec<String>),
}

impl LossyConfig {
    /// Whether something is lost.
    pub fn is_lossy(&self) -> bool {
        match self {
            Self::Flag(lossy) => *lossy,
            Self::Notes(notes) => !notes.is_empty(),
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for LossyConfig {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl Serialize for LossyConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(lossy) => lossy.serialize(serializer),
            Self::Notes(notes) => notes.serialize(serializer),
        }
    }
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for LossyConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = LossyConfig;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, `false` or a list of what is lost")
            }
            fn visit_bool<E: de::Error>(self, lossy: bool) -> Result<Self::Value, E> {
                Ok(LossyConfig::Flag(lossy))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(LossyConfig::Notes)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// One change to a body. Rules are applied in the order written.
///
/// A path is a JSON Pointer (RFC 6901) such as `/contact/email`, in which `*`
/// stands for each element of an array; a name without a slash is a member at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleConfig {
    /// Gives members new names where they are: path to new name. All at the same time.
    Rename(BTreeMap<String, String>),
    /// Takes a value from one place to another.
    Move(MoveConfig),
    /// Removes values.
    Drop(OneOrMany<String>),
    /// Adds values that are missing: path to value.
    Default(Map<String, Value>),
    /// Puts constants, whatever was there: path to value.
    Set(Map<String, Value>),
    /// Exchanges a text for another.
    Enum(EnumConfig),
    /// Gathers members in an object of their own.
    Wrap(WrapConfig),
    /// Puts the members of an object in its place.
    Unwrap(String),
    /// Takes a text apart.
    Split(SplitTextConfig),
    /// Puts texts together.
    Join(JoinConfig),
    /// Applies rules to each element of an array.
    Each(EachConfig),
    /// Changes the type of a value.
    Convert(ConvertConfig),
    /// Changes the way a date is written.
    Date(DateConfig),
}

/// Takes a value from one place to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveConfig {
    /// Where it is.
    pub from: String,
    /// Where it goes. Objects that are missing on the way are made.
    pub to: String,
}

/// Exchanges a text for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnumConfig {
    /// Where it is.
    pub at: String,
    /// Text to value. Numbers and booleans are compared as they are written.
    pub map: Map<String, Value>,
    /// What becomes of a value that is not in the map.
    #[serde(default)]
    pub otherwise: OtherwiseConfig,
}

/// What becomes of a value that no list has foreseen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherwiseConfig {
    /// It stays.
    #[default]
    Keep,
    /// It is removed.
    Drop,
    /// The body cannot be mapped.
    Error,
    /// It becomes this.
    Value(Value),
}

/// Gathers members in an object of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapConfig {
    /// The members.
    pub fields: Vec<String>,
    /// Where the object goes.
    pub into: String,
}

/// Takes a text apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitTextConfig {
    /// Where it is.
    pub from: String,
    /// What separates the parts.
    pub by: String,
    /// Where the parts go. The last takes all that is left.
    pub into: Vec<String>,
}

/// Puts texts together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinConfig {
    /// Where the parts are. Missing ones are left out.
    pub from: Vec<String>,
    /// What is put between them.
    pub with: String,
    /// Where the text goes.
    pub into: String,
}

/// Applies rules to each element of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachConfig {
    /// Where the array is; an object there counts as its only element. Left out: the whole body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// The rules. Their paths start at the element.
    #[serde(rename = "do")]
    pub rules: Vec<RuleConfig>,
}

/// Changes the type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvertConfig {
    /// Where it is.
    pub at: String,
    /// The type it gets.
    pub to: ScalarType,
}

/// The types that a value can be converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScalarType {
    /// From a text that is a number, digit for digit.
    Number,
    /// From a number or a boolean, digit for digit.
    String,
    /// From `"true"`, `"false"`, `1`, `0`, `"1"` or `"0"`.
    Boolean,
}

/// Changes the way a date is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateConfig {
    /// Where it is.
    pub at: String,
    /// How it is written: `rfc3339`, `date` (`2026-01-31`), `unix` (seconds), `unix_ms`,
    /// or a pattern such as `%d/%m/%Y`.
    pub from: String,
    /// How it is to be written.
    pub to: String,
}

/// Which list of rules a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MappingDirection {
    /// From the older version to the newer.
    Request,
    /// From the newer version to the older.
    Response,
}

/// A body and what has to become of it. Either `direction`, `input` and
/// `output`, or `round_trip` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingTestConfig {
    /// The rules that are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<MappingDirection>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What it has to become. The order of members does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// A body of the older version that has to come back as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<Value>,
}
