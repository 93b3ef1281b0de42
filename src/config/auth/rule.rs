//! `traffic.routes[].auth:` — what a route demands, and what backends learn.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::values::{Name, OneOrMany};

/// What a route demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteAuthConfig {
    /// The providers whose credentials count.
    pub with: OneOrMany<Name>,
    /// Whether a request without credentials is refused.
    #[serde(default)]
    pub mode: AuthMode,
    /// What must be true of whoever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<RequireConfig>,
    /// Fields that tell the backend who it is. A client's own copies are removed, on every
    /// route.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forward: BTreeMap<String, Fact>,
}

impl RouteAuthConfig {
    /// The path of the provider with this index.
    pub fn with_path(&self, index: usize) -> String {
        match self.with {
            OneOrMany::One(_) => "with".to_owned(),
            OneOrMany::Many(_) => format!("with[{index}]"),
        }
    }
}

/// Whether a request without credentials is refused. Bad credentials always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// It is.
    #[default]
    Required,
    /// It is not: it is nobody's.
    Optional,
}

/// What must be true. With both lists, both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequireConfig {
    /// All of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<ConditionNode>,
    /// At least one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<ConditionNode>,
}

/// A condition, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ConditionNode {
    /// One condition.
    One(Demand),
    /// Several.
    Group(ConditionGroup),
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for ConditionNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = ConditionNode;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition such as `role:doctor`, or a map with `all` or `any`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(ConditionNode::One).map_err(E::custom)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ConditionGroup::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(ConditionNode::Group)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Conditions of which all or any must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConditionGroup {
    /// All of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Demand>,
    /// At least one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Demand>,
}

/// One condition: `scope:name`, `role:name`, `claim:name=value`, or `claim:name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The credentials are good for this.
    Scope(String),
    /// The caller is one of these.
    Role(String),
    /// The claim is there, with this value if one is given; of a list, one item.
    Claim(String, Option<String>),
}

impl FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("scope", name)) if !name.is_empty() => Ok(Self::Scope(name.to_owned())),
            Some(("role", name)) if !name.is_empty() => Ok(Self::Role(name.to_owned())),
            Some(("claim", rest)) if !rest.is_empty() && !rest.starts_with('=') => {
                // Names may be URLs with a `=` in them only in theory; values often are.
                let (name, value) = rest.split_once('=').map_or((rest, None), |(n, v)| (n, Some(v)));
                Ok(Self::Claim(name.to_owned(), value.map(str::to_owned)))
            }
            _ => Err(format!(
                "`{text}` is not a condition; write `scope:patients.read`, `role:doctor` or `claim:tenant=north`"
            )),
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(name) => write!(f, "scope:{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Claim(name, None) => write!(f, "claim:{name}"),
            Self::Claim(name, Some(value)) => write!(f, "claim:{name}={value}"),
        }
    }
}

/// A fact about whoever it is: `subject`, `provider`, `scopes`, `roles` or `claim:name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Who it is.
    Subject,
    /// The provider that says so.
    Provider,
    /// What the credentials are good for, with spaces.
    Scopes,
    /// What the caller is, with commas.
    Roles,
    /// A claim.
    Claim(String),
}

impl FromStr for Fact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "subject" => Ok(Self::Subject),
            None if text == "provider" => Ok(Self::Provider),
            None if text == "scopes" => Ok(Self::Scopes),
            None if text == "roles" => Ok(Self::Roles),
            Some(("claim", name)) if !name.is_empty() => Ok(Self::Claim(name.to_owned())),
            _ => Err(format!(
                "`{text}` is not a fact; write `subject`, `provider`, `scopes`, `roles` or `claim:tenant`"
            )),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Provider => f.write_str("provider"),
            Self::Scopes => f.write_str("scopes"),
            Self::Roles => f.write_str("roles"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}

macro_rules! as_text {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

as_text!(
    Demand,
    "Demand",
    r"^((scope|role|claim):.+|\$\{.+)$",
    "`scope:patients.read`, `role:doctor` or `claim:tenant=north`"
);
as_text!(
    Fact,
    "Fact",
    r"^(subject|provider|scopes|roles|claim:.+|\$\{.+)$",
    "`subject`, `provider`, `scopes`, `roles` or `claim:name`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_facts_print_as_written() {
        for text in ["scope:patients.read", "role:doctor", "claim:tenant=north", "claim:a.b", "claim:a=b=c"] {
            assert_eq!(text.parse::<Demand>().map(|demand| demand.to_string()), Ok(text.to_owned()));
        }
        for text in ["subject", "provider", "scopes", "roles", "claim:tenant"] {
            assert_eq!(text.parse::<Fact>().map(|fact| fact.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "scope:", "claim:", "group:x", "subject:x"] {
            assert!(text.parse::<Demand>().is_err() && text.parse::<Fact>().is_err(), "{text}");
        }
    }

    #[test]
    fn groups_nest_once() {
        let parse = |yaml: &str| serde_yaml::from_str::<RequireConfig>(yaml);
        let config = parse("{ all: ['scope:a', { any: ['role:b', 'claim:c=d'] }] }").unwrap();
        assert!(matches!(&config.all[1], ConditionNode::Group(group) if group.any.len() == 2));
        assert!(parse("{ all: [{ any: [{ all: ['role:b'] }] }] }").is_err());
    }
}
