//! What the value of a field becomes.

use super::SetId;
use crate::graphql::schema::{CustomScalar, ScalarKind, Schema, TypeId, TypeKind, TypeRef};

/// What a value becomes: the type of a field with what is selected of it.
#[derive(Clone, Debug)]
pub(in crate::graphql) struct Shape {
    /// Whether it is never null.
    pub(in crate::graphql) non_null: bool,
    /// Whether something below makes a call.
    pub(in crate::graphql) has_calls: bool,
    pub(in crate::graphql) kind: ShapeKind,
}

/// What a value becomes if it is not null.
#[derive(Clone, Debug)]
pub(in crate::graphql) enum ShapeKind {
    Leaf(Leaf),
    List(Box<Shape>),
    Object(SetId),
    Abstract(Box<Abstract>),
}

/// An interface or a union with what is selected of each type it may be.
#[derive(Clone, Debug)]
pub(in crate::graphql) struct Abstract {
    pub(in crate::graphql) ty: TypeId,
    pub(in crate::graphql) sets: Box<[(TypeId, SetId)]>,
}

/// A value without fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum Leaf {
    Int,
    Float,
    String,
    Boolean,
    Id,
    DateTime,
    Date,
    /// Any JSON.
    Any,
    Enum(TypeId),
}

impl Leaf {
    /// A type as a leaf; `None` if it is composite.
    pub(super) fn of(schema: &Schema, id: TypeId) -> Option<Leaf> {
        Some(match &schema.get(id).kind {
            TypeKind::Enum(_) => Leaf::Enum(id),
            TypeKind::Scalar(kind) => match kind {
                ScalarKind::Int => Leaf::Int,
                ScalarKind::Float => Leaf::Float,
                ScalarKind::String => Leaf::String,
                ScalarKind::Boolean => Leaf::Boolean,
                ScalarKind::Id => Leaf::Id,
                ScalarKind::Custom(CustomScalar::DateTime) => Leaf::DateTime,
                ScalarKind::Custom(CustomScalar::Date) => Leaf::Date,
                ScalarKind::Custom(CustomScalar::Any) => Leaf::Any,
            },
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Input(_) => {
                return None;
            }
        })
    }
}

impl Shape {
    /// The shape of a type, given what its named type becomes.
    pub(super) fn of(ty: &TypeRef, named: ShapeKind, has_calls: bool) -> Shape {
        match ty {
            TypeRef::Named(_, non_null) => Shape { non_null: *non_null, has_calls, kind: named },
            TypeRef::List(item, non_null) => {
                let item = Box::new(Shape::of(item, named, has_calls));
                Shape { non_null: *non_null, has_calls, kind: ShapeKind::List(item) }
            }
        }
    }

    /// The sets of the objects it may hold, lists looked through.
    pub(in crate::graphql) fn sets(&self) -> impl Iterator<Item = SetId> {
        let (one, several): (_, &[(TypeId, SetId)]) = match &self.innermost().kind {
            ShapeKind::Object(set) => (Some(*set), &[]),
            ShapeKind::Abstract(abstracted) => (None, &abstracted.sets),
            ShapeKind::Leaf(_) | ShapeKind::List(_) => (None, &[]),
        };
        one.into_iter().chain(several.iter().map(|(_, set)| *set))
    }

    /// Itself, or what its lists hold in the end.
    pub(in crate::graphql) fn innermost(&self) -> &Shape {
        match &self.kind {
            ShapeKind::List(item) => item.innermost(),
            _ => self,
        }
    }

    /// Whether it is a list.
    pub(in crate::graphql) fn is_list(&self) -> bool {
        matches!(self.kind, ShapeKind::List(_))
    }
}
