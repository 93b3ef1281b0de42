//! The model of a schema: types, their fields, and where the values of fields come from.
//!
//! Built once from an SDL file by `sdl`, complete and consistent, then only read. Types and
//! fields are found by index; names are looked up while a document is prepared, never while
//! it is executed.

mod resolve;
mod rule;

use std::collections::HashMap;

use serde_json::Value;

use super::json::{Json, NodeId};

pub use crate::config::finding::LineColumn as Position;
pub use resolve::{Batch, BatchStyle, NotFound, Resolve, Rest, Source};
pub use rule::{AuthRule, CacheHint, CacheScope, ListSize, Owner};

/// A type, by its place in [`Schema::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(super) u32);

/// A field, by its place in the fields of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub(super) u32);

/// A source of values, by its place in [`Schema::sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub(super) u32);

impl TypeId {
    /// The index into [`Schema::types`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl FieldId {
    /// The index into the fields of its type.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl SourceId {
    /// The index into [`Schema::sources`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A schema.
#[derive(Debug)]
pub struct Schema {
    /// All types, the built-in scalars among them.
    pub types: Vec<TypeDef>,
    /// The type of queries: an object.
    pub query: TypeId,
    /// The type of mutations, if there are any: an object.
    pub mutation: Option<TypeId>,
    /// Where values come from.
    pub sources: Vec<Source>,
    pub(super) by_name: HashMap<Box<str>, TypeId>,
}

impl Schema {
    /// The type with this name.
    pub fn find(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// A type.
    pub fn get(&self, id: TypeId) -> &TypeDef {
        &self.types[id.index()]
    }

    /// A source.
    pub fn source(&self, id: SourceId) -> &Source {
        &self.sources[id.index()]
    }

    /// A type as an object.
    pub fn object(&self, id: TypeId) -> Option<&ObjectDef> {
        match &self.get(id).kind {
            TypeKind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The fields of an object or of an interface; those of anything else are none.
    pub fn fields(&self, id: TypeId) -> &[FieldDef] {
        match &self.get(id).kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => &[],
        }
    }

    /// A field of an object or of an interface.
    pub fn field(&self, id: TypeId, field: FieldId) -> &FieldDef {
        &self.fields(id)[field.index()]
    }

    /// A field of an object or of an interface by its name, `__typename` and the like apart.
    pub fn find_field(&self, id: TypeId, name: &str) -> Option<FieldId> {
        let at = self.fields(id).iter().position(|field| *field.name == *name)?;
        u32::try_from(at).ok().map(FieldId)
    }

    /// Whether a value of the object type `object` may stand where `abstract_or_same` is asked for.
    pub fn is_possible(&self, abstract_or_same: TypeId, object: TypeId) -> bool {
        match &self.get(abstract_or_same).kind {
            TypeKind::Interface(def) | TypeKind::Union(def) => def.possible.contains(&object),
            _ => abstract_or_same == object,
        }
    }

    /// How sources say which object an interface or a union is.
    pub fn discriminator(&self, id: TypeId) -> Option<&Discriminator> {
        match &self.get(id).kind {
            TypeKind::Interface(def) | TypeKind::Union(def) => Some(&def.discriminator),
            _ => None,
        }
    }

    /// Whether a type can be selected from: objects, interfaces and unions.
    pub fn is_composite(&self, id: TypeId) -> bool {
        matches!(self.get(id).kind, TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
    }

    /// A type as it is written in SDL, such as `[Patient!]!`.
    pub fn display(&self, ty: &TypeRef) -> String {
        match ty {
            TypeRef::Named(id, non_null) => format!("{}{}", self.get(*id).name, bang(*non_null)),
            TypeRef::List(item, non_null) => format!("[{}]{}", self.display(item), bang(*non_null)),
        }
    }
}

fn bang(non_null: bool) -> &'static str {
    if non_null { "!" } else { "" }
}

/// A type.
#[derive(Debug)]
pub struct TypeDef {
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What it is.
    pub kind: TypeKind,
    /// Where a custom scalar is described (`@specifiedBy`).
    pub specified_by: Option<Box<str>>,
    /// Where it is defined; the beginning of the text for built-in scalars.
    pub at: Position,
}

/// What a type is.
#[derive(Debug)]
pub enum TypeKind {
    /// A leaf with a value.
    Scalar(ScalarKind),
    /// A leaf with one of a few names.
    Enum(EnumDef),
    /// Fields with values.
    Object(ObjectDef),
    /// Fields that several objects share.
    Interface(AbstractDef),
    /// One of several objects.
    Union(AbstractDef),
    /// What an argument may be besides a leaf.
    Input(InputDef),
}

/// What a scalar accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// A signed 32-bit integer.
    Int,
    /// A finite double.
    Float,
    /// A text.
    String,
    /// A truth value.
    Boolean,
    /// A text; an integer is turned into one.
    Id,
    /// A scalar that the schema declares.
    Custom(CustomScalar),
}

/// The checks of scalars that a schema declares, known by their name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomScalar {
    /// `DateTime`: a text with date, time and offset (RFC 3339 section 5.6, `date-time`).
    DateTime,
    /// `Date`: a text with a date (RFC 3339 section 5.6, `full-date`).
    Date,
    /// Any other name: any JSON value, unchanged.
    Any,
}

/// An enum.
#[derive(Debug)]
pub struct EnumDef {
    /// Its values.
    pub values: Vec<EnumValue>,
}

impl EnumDef {
    /// The value with this name in GraphQL.
    pub fn by_name(&self, name: &str) -> Option<&EnumValue> {
        self.values.iter().find(|value| *value.name == *name)
    }

    /// The value that a source writes like this.
    pub fn by_wire(&self, wire: &str) -> Option<&EnumValue> {
        self.values.iter().find(|value| *value.wire == *wire)
    }
}

/// A value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    /// Its name in GraphQL.
    pub name: Box<str>,
    /// What sources write for it: `@wire`, or the name.
    pub wire: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Why it should not be used any more.
    pub deprecated: Option<Box<str>>,
}

/// An object type.
#[derive(Debug)]
pub struct ObjectDef {
    /// Its fields.
    pub fields: Vec<FieldDef>,
    /// The interfaces it fulfils.
    pub interfaces: Vec<TypeId>,
    /// Who may read any of its fields.
    pub auth: Option<AuthRule>,
    /// How long a field of this type may be reused.
    pub cache: Option<CacheHint>,
}

/// An interface or a union.
#[derive(Debug)]
pub struct AbstractDef {
    /// The fields that all share; none for a union.
    pub fields: Vec<FieldDef>,
    /// The interfaces that an interface fulfils itself.
    pub interfaces: Vec<TypeId>,
    /// The objects it may be.
    pub possible: Vec<TypeId>,
    /// How a source says which of them a value is.
    pub discriminator: Discriminator,
}

/// How a source says which object type a value is: `@discriminate(field)` on an interface or
/// union, and `@wire` on the object types.
#[derive(Debug)]
pub struct Discriminator {
    /// The member of the JSON object that says so. Left out: `__typename`.
    pub member: Box<str>,
    /// Its values: what `@wire` of an object says, or the object's name.
    pub values: Vec<(Box<str>, TypeId)>,
}

impl Discriminator {
    /// The type of a JSON value.
    pub fn type_of(&self, json: &Json, value: NodeId) -> Option<TypeId> {
        let said = json.string(json.member(value, &self.member)?)?;
        self.values.iter().find(|(name, _)| **name == *said).map(|(_, id)| *id)
    }
}

/// An input object type.
#[derive(Debug)]
pub struct InputDef {
    /// Its fields.
    pub fields: Vec<InputValue>,
    /// Whether exactly one field is to be given (`@oneOf`).
    pub one_of: bool,
}

/// A field of an object or of an interface.
#[derive(Debug)]
pub struct FieldDef {
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Its type.
    pub ty: TypeRef,
    /// What it takes.
    pub args: Vec<InputValue>,
    /// Where its value comes from. Of an interface's field, only a member: execution asks the
    /// field of the object.
    pub resolve: Resolve,
    /// Who may read it.
    pub auth: Option<AuthRule>,
    /// How long its value may be reused.
    pub cache: Option<CacheHint>,
    /// Its cost (`@cost`). Left out: 1 for a composite type or a call, 0 for another leaf.
    pub cost: Option<u32>,
    /// How many items it may have.
    pub list_size: Option<ListSize>,
    /// Why it should not be used any more.
    pub deprecated: Option<Box<str>>,
    /// Where it is defined.
    pub at: Position,
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct InputValue {
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Its type.
    pub ty: TypeRef,
    /// What it is when it is left out, coerced. Enum values have their GraphQL names.
    pub default: Option<Value>,
    /// Why it should not be used any more.
    pub deprecated: Option<Box<str>>,
    /// Where it is defined.
    pub at: Position,
}

impl InputValue {
    /// Whether it has to be given.
    pub fn is_required(&self) -> bool {
        self.ty.is_non_null() && self.default.is_none()
    }
}

/// The type of a field or an argument. The flag says that it is never null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeRef {
    /// A type by its name.
    Named(TypeId, bool),
    /// A list.
    List(Box<TypeRef>, bool),
}

impl TypeRef {
    /// Whether it is never null.
    pub fn is_non_null(&self) -> bool {
        match self {
            Self::Named(_, non_null) | Self::List(_, non_null) => *non_null,
        }
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(..))
    }

    /// The named type within all lists.
    pub fn named(&self) -> TypeId {
        match self {
            Self::Named(id, _) => *id,
            Self::List(item, _) => item.named(),
        }
    }

    /// The type of a list's items.
    pub fn item(&self) -> Option<&TypeRef> {
        match self {
            Self::Named(..) => None,
            Self::List(item, _) => Some(item),
        }
    }
}
