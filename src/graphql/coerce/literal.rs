//! Literals of a document, with variables in them.

use async_graphql::Name;
use async_graphql_value::Value as Literal;
use serde_json::Value;

use super::{
    arguments::{Input, Member, list, object},
    scalar,
};
use crate::graphql::{
    errors::{ErrorCode, GraphqlError},
    schema::{InputDef, Position, Schema, TypeKind, TypeRef},
};

/// A variable where it is used.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its name.
    pub name: Box<str>,
    /// The value that it is or is in.
    pub at: Position,
    /// The type that is expected there; `None` inside a custom scalar.
    pub ty: Option<TypeRef>,
    /// Whether the place has a default.
    pub has_default: bool,
}

/// What checking literals finds.
pub(super) struct Check<'a> {
    schema: &'a Schema,
    /// Where the value is that is being checked.
    pub at: Position,
    pub errors: Vec<GraphqlError>,
    pub usages: Vec<Usage>,
}

/// A literal without variables as a value of a type: a default.
///
/// # Errors
/// Everything that is wrong with it, in words.
pub fn constant(schema: &Schema, ty: &TypeRef, literal: &Literal) -> Result<Value, Vec<String>> {
    let mut check = Check::new(schema, Position::default());
    match check.literal(ty, literal, false) {
        Input::Value(value) if check.errors.is_empty() => Ok(value),
        _ => Err(check.errors.into_iter().map(|error| error.message).collect()),
    }
}

impl<'a> Check<'a> {
    pub fn new(schema: &'a Schema, at: Position) -> Self {
        Self { schema, at, errors: Vec::new(), usages: Vec::new() }
    }

    pub fn error(&mut self, message: String) {
        self.errors.push(GraphqlError::new(ErrorCode::ValidationFailed, message).at(self.at));
    }

    /// Checks a literal. After an error, what comes back stands for nothing.
    pub fn literal(&mut self, ty: &TypeRef, literal: &Literal, has_default: bool) -> Input {
        if let Literal::Variable(name) = literal {
            let (name, at) = (Box::from(name.as_str()), self.at);
            self.usages.push(Usage { name: Box::clone(&name), at, ty: Some(ty.clone()), has_default });
            return Input::Variable(name);
        }
        if matches!(literal, Literal::Null) {
            if ty.is_non_null() {
                let ty = self.schema.display(ty);
                self.error(format!("Expected value of type \"{ty}\", found null."));
            }
            return Input::Value(Value::Null);
        }
        let id = match (ty, literal) {
            (TypeRef::List(item, _), Literal::List(literals)) => {
                let items = literals.iter().map(|literal| self.literal(item, literal, false)).collect();
                return list(items, !item.is_non_null());
            }
            // A single value stands for a list of one.
            (TypeRef::List(item, _), _) => {
                let only = self.literal(item, literal, false);
                return list(vec![only], !item.is_non_null());
            }
            (TypeRef::Named(id, _), _) => *id,
        };
        let def = self.schema.get(id);
        let leaf = match &def.kind {
            TypeKind::Input(input) => return self.object(&def.name, input, literal),
            TypeKind::Scalar(kind) => match self.free(literal) {
                Some(free) if matches!(kind, crate::graphql::schema::ScalarKind::Custom(_)) => return free,
                _ => scalar::from_literal(&def.name, kind, literal),
            },
            TypeKind::Enum(def_enum) => scalar::enum_from_literal(&def.name, def_enum, literal),
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => {
                Err(format!("\"{}\" is no input type.", def.name))
            }
        };
        Input::Value(leaf.unwrap_or_else(|message| {
            self.error(message);
            Value::Null
        }))
    }

    /// A list or object with variables in it, for a custom scalar.
    fn free(&mut self, literal: &Literal) -> Option<Input> {
        let mut names = Vec::new();
        variables_in(literal, &mut names);
        if names.is_empty() {
            return None;
        }
        let at = self.at;
        self.usages.extend(names.into_iter().map(|name| Usage { name, at, ty: None, has_default: false }));
        Some(Input::Free(literal.clone()))
    }

    fn object(&mut self, name: &str, def: &InputDef, literal: &Literal) -> Input {
        let Literal::Object(given) = literal else {
            self.error(format!("Expected value of type \"{name}\", found {}.", scalar::shown(literal)));
            return Input::Value(Value::Null);
        };
        for wrong in given.keys().filter(|given| def.fields.iter().all(|field| *field.name != ***given)) {
            self.error(format!("Field \"{wrong}\" is not defined by type \"{name}\"."));
        }
        let mut members = Vec::with_capacity(def.fields.len());
        for field in &def.fields {
            let (default, non_null) = (field.default.clone(), field.ty.is_non_null());
            let member = |input, default| Member { name: field.name.clone(), input, default, non_null };
            match (given.get(&*field.name), default) {
                (Some(literal), default) => {
                    let input = self.literal(&field.ty, literal, default.is_some());
                    members.push(member(input, default));
                }
                (None, Some(default)) => members.push(member(Input::Value(default), None)),
                (None, None) if non_null => {
                    let ty = self.schema.display(&field.ty);
                    let path = format!("{name}.{}", field.name);
                    self.error(format!("Field \"{path}\" of required type \"{ty}\" was not provided."));
                }
                (None, None) => {}
            }
        }
        if def.one_of {
            self.one_of(name, given);
            // A variable in it has to have a value.
            members.iter_mut().for_each(|member| member.non_null = true);
        }
        object(members)
    }

    fn one_of(&mut self, name: &str, given: &async_graphql::indexmap::IndexMap<Name, Literal>) {
        if given.len() != 1 || given.values().any(|literal| matches!(literal, Literal::Null)) {
            self.error(format!("OneOf Input Object \"{name}\" must specify exactly one key, and not null."));
        }
        for usage in given.values().filter_map(|literal| match literal {
            Literal::Variable(name) => Some(name.as_str()),
            _ => None,
        }) {
            // The type of the variable must not be null either.
            let at = self.at;
            let found = self.usages.iter_mut().rev().find(|found| *found.name == *usage && found.at == at);
            if let Some(found) = found {
                found.ty = found.ty.take().map(|ty| match ty {
                    TypeRef::Named(id, _) => TypeRef::Named(id, true),
                    TypeRef::List(item, _) => TypeRef::List(item, true),
                });
            }
        }
    }
}

fn variables_in(literal: &Literal, names: &mut Vec<Box<str>>) {
    match literal {
        Literal::Variable(name) => names.push(name.as_str().into()),
        Literal::List(items) => items.iter().for_each(|item| variables_in(item, names)),
        Literal::Object(members) => members.values().for_each(|member| variables_in(member, names)),
        _ => {}
    }
}

/// A position of the parser.
pub(in crate::graphql) fn position(pos: async_graphql::Pos) -> Position {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Position { line: number(pos.line), column: number(pos.column) }
}
