//! `traffic.graphql:` — one schema over the REST routes, and what an operation may cost.

use std::{path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{ByteSize, Name, OneOrMany, Period};

/// The `traffic.graphql:` section. Routes with `graphql: {}` serve it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlConfig {
    /// The schema, a file in GraphQL's schema language with directives that say where values
    /// come from. A relative path starts at the directory of the file that names it.
    pub schema: PathBuf,
    /// The text of that file.
    #[serde(skip)]
    pub sdl: Arc<str>,
    /// Who may look at the schema with `__schema` and `__type`. `true`, `false`, or the roles.
    #[serde(default, skip_serializing_if = "AccessConfig::is_nobody")]
    pub introspection: AccessConfig,
    /// Whether errors say which name was probably meant. They give the schema away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suggestions: bool,
    /// Who gets the calls of an operation and their times in `extensions.trace`, on the
    /// request field `X-GraphQL-Trace: 1`. `true`, `false`, or the roles.
    #[serde(default, skip_serializing_if = "AccessConfig::is_nobody")]
    pub trace: AccessConfig,
    /// The longest an operation may take.
    #[serde(default = "default_deadline")]
    pub deadline: Period,
    /// How large documents, operations and answers may be.
    #[serde(default)]
    pub limits: GraphqlLimitsConfig,
    /// Documents that requests name by their hash.
    #[serde(default, skip_serializing_if = "PersistedConfig::is_default")]
    pub persisted: PersistedConfig,
    /// A page to try queries on, for browsers.
    #[serde(default, skip_serializing_if = "PlaygroundConfig::is_default")]
    pub playground: PlaygroundConfig,
    /// Fields of the request that its calls carry, besides those of the trace.
    #[serde(default = "default_forward")]
    pub forward: Vec<String>,
}

impl GraphqlConfig {
    /// A configuration with a schema and every default.
    pub fn with_schema(schema: impl Into<PathBuf>, sdl: impl Into<Arc<str>>) -> Self {
        Self {
            schema: schema.into(),
            sdl: sdl.into(),
            introspection: AccessConfig::default(),
            suggestions: false,
            trace: AccessConfig::default(),
            deadline: default_deadline(),
            limits: GraphqlLimitsConfig::default(),
            persisted: PersistedConfig::default(),
            playground: PlaygroundConfig::default(),
            forward: default_forward(),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn default_deadline() -> Period {
    Period::secs(10)
}

fn default_forward() -> Vec<String> {
    ["authorization", "x-request-id", "accept-language"].map(str::to_owned).to_vec()
}

/// Who may do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AccessConfig {
    /// Everybody, or nobody.
    Flag(bool),
    /// Callers with one of these roles.
    Roles(AccessRoles),
}

/// Roles, one of which a caller must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessRoles {
    /// One of these.
    pub roles: OneOrMany<Name>,
}

impl AccessConfig {
    /// Whether it is nobody.
    pub fn is_nobody(&self) -> bool {
        *self == Self::Flag(false)
    }

    /// Whether a caller with these roles may.
    pub fn allows(&self, roles: &[Box<str>]) -> bool {
        match self {
            Self::Flag(everybody) => *everybody,
            Self::Roles(any) => {
                any.roles.as_slice().iter().any(|name| roles.iter().any(|role| **role == *name.as_str()))
            }
        }
    }
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self::Flag(false)
    }
}

/// By hand, because the derived form would forget what is wrong with a value.
impl<'de> Deserialize<'de> for AccessConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = AccessConfig;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, `false`, or a map with `roles`")
            }
            fn visit_bool<E: serde::de::Error>(self, everybody: bool) -> Result<Self::Value, E> {
                Ok(AccessConfig::Flag(everybody))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                AccessRoles::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(AccessConfig::Roles)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// How large documents, operations and answers may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GraphqlLimitsConfig {
    /// Bytes of a request's body.
    pub body: ByteSize,
    /// Bytes of a document.
    pub query: ByteSize,
    /// Tokens of a document: names, values and punctuation.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tokens: usize,
    /// Selections of an operation, each fragment counted wherever it is spread.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub selections: usize,
    /// Levels of selections.
    #[schemars(range(min = 1, max = 100))]
    pub depth: usize,
    /// Levels of selections below `__schema` and `__type`.
    #[schemars(range(min = 1, max = 100))]
    pub introspection_depth: usize,
    /// Aliases of an operation, each fragment counted wherever it is spread.
    #[schemars(range(min = 1))]
    pub aliases: usize,
    /// Fields of an operation's root.
    #[schemars(range(min = 1))]
    pub root_fields: usize,
    /// Directives of an operation, each fragment counted wherever it is spread.
    #[schemars(range(min = 1))]
    pub directives: usize,
    /// The cost of an operation, as `@cost` and `@listSize` state it.
    #[schemars(range(min = 1))]
    pub cost: u64,
    /// Items of a list, where the schema does not say.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub list: u32,
    /// Calls of an operation.
    #[schemars(range(min = 1, max = 100_000))]
    pub calls: usize,
    /// Calls of an operation to one source at once, where the schema does not say.
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: usize,
    /// Bytes of one answer of a service.
    pub answer: ByteSize,
    /// Bytes of all answers of an operation together.
    pub answers: ByteSize,
    /// Bytes of documents whose plan is kept.
    pub plans: ByteSize,
    /// Errors in a response; further ones are counted only.
    #[schemars(range(min = 1, max = 10_000))]
    pub errors: usize,
    /// Operations in one request body, as a list. 1: no lists.
    #[schemars(range(min = 1, max = 10))]
    pub batch: usize,
}

impl Default for GraphqlLimitsConfig {
    fn default() -> Self {
        Self {
            body: ByteSize::kib(64),
            query: ByteSize::kib(16),
            tokens: 2000,
            selections: 1000,
            depth: 10,
            introspection_depth: 15,
            aliases: 15,
            root_fields: 20,
            directives: 20,
            cost: 5000,
            list: 100,
            calls: 100,
            concurrency: 16,
            answer: ByteSize::mib(4),
            answers: ByteSize::mib(8),
            plans: ByteSize::mib(16),
            errors: 50,
            batch: 1,
        }
    }
}

/// Documents that requests name by their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersistedConfig {
    /// Which documents those are.
    pub mode: PersistedMode,
    /// With `manifest`: a JSON object of SHA-256 (64 hexadecimal digits) to document. Others
    /// are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// With `automatic`: bytes of documents that are kept.
    pub capacity: ByteSize,
}

impl PersistedConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for PersistedConfig {
    fn default() -> Self {
        Self { mode: PersistedMode::default(), file: None, capacity: ByteSize::mib(4) }
    }
}

/// Which documents requests can name by their hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersistedMode {
    /// None.
    #[default]
    Off,
    /// Those that were sent once with their hash.
    Automatic,
    /// Those of a file, and no others at all.
    Manifest,
}

/// A page to try queries on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlaygroundConfig {
    /// Whether browsers get it.
    pub enabled: bool,
    /// A directory with a page of one's own: `index.html` and what it loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl PlaygroundConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `graphql:` of a route: the requests are GraphQL's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteGraphqlConfig {}

/// `process.graphql:` — a listener of its own, besides the routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlListenerConfig {
    /// Address and port. What is served is `traffic.graphql`, at every path.
    #[schemars(with = "String")]
    pub address: std::net::SocketAddr,
}
