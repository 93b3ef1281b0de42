//! The directives there are.

use Location as At;

/// A place that a directive can stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum Location {
    Schema,
    Scalar,
    Object,
    Interface,
    Union,
    Enum,
    EnumValue,
    Input,
    Field,
    InterfaceField,
    Argument,
    InputField,
}

impl Location {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "the schema",
            Self::Scalar => "a scalar",
            Self::Object => "an object type",
            Self::Interface => "an interface",
            Self::Union => "a union",
            Self::Enum => "an enum",
            Self::EnumValue => "an enum value",
            Self::Input => "an input type",
            Self::Field => "a field of an object type",
            Self::InterfaceField => "a field of an interface",
            Self::Argument => "an argument",
            Self::InputField => "a field of an input type",
        }
    }
}

/// What an argument of a directive is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Texts,
    /// Between these, both included.
    Int(i64, i64),
    Flag,
    Word(&'static [&'static str]),
    /// An object with any members.
    Object,
    /// An object with these members, the first ones required.
    Record(&'static [&'static str], &'static [&'static str]),
    /// A text or an object.
    Json,
}

pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub is_required: bool,
}

pub(super) struct Spec {
    pub name: &'static str,
    pub locations: &'static [Location],
    pub parameters: &'static [Parameter],
    pub is_repeatable: bool,
}

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: false }
}

const fn spec(name: &'static str, locations: &'static [Location], parameters: &'static [Parameter]) -> Spec {
    Spec { name, locations, parameters, is_repeatable: false }
}

pub(super) const SPECS: &[Spec] = &[
    Spec {
        name: "source",
        locations: &[At::Schema],
        parameters: &[
            required("name", Kind::Text),
            required("route", Kind::Text),
            optional("timeout", Kind::Text),
            optional("headers", Kind::Object),
            optional("maxConcurrent", Kind::Int(1, 10_000)),
        ],
        is_repeatable: true,
    },
    spec(
        "rest",
        &[At::Field],
        &[
            required("source", Kind::Text),
            optional("get", Kind::Text),
            optional("post", Kind::Text),
            optional("put", Kind::Text),
            optional("patch", Kind::Text),
            optional("delete", Kind::Text),
            optional("query", Kind::Object),
            optional("body", Kind::Json),
            optional("headers", Kind::Object),
            optional("select", Kind::Text),
            optional("batch", Kind::Record(&["param", "key"], &["value", "style", "max"])),
            optional("notFound", Kind::Word(&["NULL", "ERROR"])),
            optional("invalidates", Kind::Texts),
        ],
    ),
    spec("from", &[At::Field], &[required("path", Kind::Text)]),
    spec("wire", &[At::EnumValue, At::Object], &[required("value", Kind::Text)]),
    spec("discriminate", &[At::Interface, At::Union], &[required("field", Kind::Text)]),
    spec(
        "auth",
        &[At::Object, At::Field],
        &[
            optional("scopes", Kind::Texts),
            optional("roles", Kind::Texts),
            optional("owner", Kind::Record(&["is"], &["claim"])),
        ],
    ),
    spec(
        "cacheControl",
        &[At::Object, At::Field],
        &[
            optional("maxAge", Kind::Int(0, 31_536_000)),
            optional("scope", Kind::Word(&["PUBLIC", "PRIVATE"])),
            optional("inheritMaxAge", Kind::Flag),
        ],
    ),
    spec("cost", &[At::Field, At::InterfaceField], &[required("weight", Kind::Int(0, 1_000_000))]),
    spec(
        "listSize",
        &[At::Field, At::InterfaceField],
        &[
            optional("slicing", Kind::Text),
            optional("assumed", Kind::Int(0, 1_000_000)),
            optional("max", Kind::Int(1, 1_000_000)),
        ],
    ),
    spec(
        "deprecated",
        &[At::Field, At::InterfaceField, At::EnumValue, At::Argument, At::InputField],
        &[optional("reason", Kind::Text)],
    ),
    spec("specifiedBy", &[At::Scalar], &[required("url", Kind::Text)]),
    spec("oneOf", &[At::Input], &[]),
];
