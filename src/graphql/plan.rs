//! What a validated document asks for, compiled: which fields of which object types under
//! which keys, where their values come from, and what each costs.
//!
//! A plan holds no value of a variable, so one plan serves every request with the same
//! document. Selections are merged per concrete type (October 2021, section 6.3.2); `@skip`
//! and `@include` stay as conditions, decided with the variables when a request is executed.

mod collect;
mod compile;
mod condition;
mod shape;

use std::sync::Arc;

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, VariableDefinition},
};

pub(super) use condition::{Condition, ConditionId, Verdict};
pub(super) use shape::{Abstract, Leaf, Shape, ShapeKind};

use super::{
    caching::Hint,
    coerce::Arguments,
    schema::{FieldDef, FieldId, Position, Rest, Schema, TypeId},
};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// It reads.
    Query,
    /// It changes something.
    Mutation,
}

impl OperationKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
        }
    }
}

/// A compiled operation.
#[derive(Debug)]
pub struct Plan {
    /// What it does.
    pub kind: OperationKind,
    /// Its name.
    pub name: Option<Box<str>>,
    /// What the schema says about reusing its response.
    pub hint: Hint,
    pub(super) variables: Box<[Positioned<VariableDefinition>]>,
    pub(super) sets: Box<[Set]>,
    pub(super) fields: Box<[Field]>,
    pub(super) conditions: Box<[Condition]>,
    pub(super) introspections: Box<[Introspection]>,
    /// Whether any field or type of it asks who the caller is.
    pub(super) has_rules: bool,
}

/// The fields of an object, by its place in [`Plan::sets`]. The first is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SetId(pub(super) u32);

impl SetId {
    pub(super) const ROOT: SetId = SetId(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A field of a set, by its place in [`Plan::fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FieldIndex(pub(super) u32);

impl FieldIndex {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is selected of an object type.
#[derive(Debug)]
pub(super) struct Set {
    /// The type.
    pub(super) ty: TypeId,
    /// The fields in the order of their first selection. With conditions, a field is there once
    /// for each of its selections: its place is that of the first one that is included.
    pub(super) picks: Box<[Pick]>,
    /// The fields, each once, in the order of their first selection.
    pub(super) fields: Box<[FieldIndex]>,
    /// Whether a pick depends on a variable.
    pub(super) is_conditional: bool,
    /// Whether a field here or below makes a call.
    pub(super) has_calls: bool,
}

/// A selection of a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) field: FieldIndex,
    pub(super) when: ConditionId,
}

/// A field of a set, with all its selections merged.
#[derive(Debug)]
pub(super) struct Field {
    /// The response key.
    pub(super) key: Box<str>,
    /// The key as it is written into the response after another one: `,"key":`.
    pub(super) written_key: Box<[u8]>,
    /// The type that has it.
    pub(super) parent: TypeId,
    /// Where its value comes from.
    pub(super) origin: Origin,
    /// The way to it from its parent's value, if it is a member.
    pub(super) member: Box<[Box<str>]>,
    /// What its value becomes.
    pub(super) shape: Shape,
    /// Its arguments.
    pub(super) arguments: Option<Arguments>,
    /// Where it is selected first.
    pub(super) at: Position,
    /// The response path without indices.
    pub(super) path: Arc<str>,
    /// Whether it, or the type of its value, asks who the caller is.
    pub(super) has_rules: bool,
}

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is the name of the type: `__typename`.
    Typename,
    /// The schema itself, by its place in [`Plan::introspections`].
    Introspection(usize),
    /// A member of the parent.
    Member(FieldId),
    /// A call.
    Rest(FieldId),
}

/// `__schema` or `__type` with its selections, as a document of its own.
#[derive(Debug)]
pub(super) struct Introspection {
    /// The operation, with nothing but this field.
    pub(super) document: ExecutableDocument,
    /// The response key.
    pub(super) key: Box<str>,
}

impl Plan {
    pub(super) fn set(&self, id: SetId) -> &Set {
        &self.sets[id.index()]
    }

    pub(super) fn field(&self, index: FieldIndex) -> &Field {
        &self.fields[index.index()]
    }

    /// Whether it looks at the schema.
    pub fn has_introspection(&self) -> bool {
        !self.introspections.is_empty()
    }

    /// Whether it makes calls.
    pub fn has_calls(&self) -> bool {
        self.set(SetId::ROOT).has_calls
    }
}

impl Field {
    /// The key with its colon, for the first or a further member of an object.
    pub(super) fn written(&self, is_first: bool) -> &[u8] {
        &self.written_key[usize::from(is_first)..]
    }

    /// Its definition; `None` for `__typename` and introspection.
    pub(super) fn def<'a>(&self, schema: &'a Schema) -> Option<&'a FieldDef> {
        match self.origin {
            Origin::Typename | Origin::Introspection(_) => None,
            Origin::Member(id) | Origin::Rest(id) => Some(schema.field(self.parent, id)),
        }
    }

    /// The call it makes.
    pub(super) fn rest<'a>(&self, schema: &'a Schema) -> Option<&'a Rest> {
        match &self.def(schema)?.resolve {
            super::schema::Resolve::Rest(rest) => Some(rest),
            super::schema::Resolve::Member(_) => None,
        }
    }
}
