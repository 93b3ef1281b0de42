//! Literals of a document, with variables in them.

use std::borrow::Cow;

use async_graphql::{Name, Positioned};
use async_graphql_value::{ConstValue, Value as Literal};
use serde_json::{Map, Value};

use super::scalar;
use crate::graphql::{
    errors::{ErrorCode, GraphqlError},
    schema::{InputDef, InputValue, Position, Schema, TypeKind, TypeRef},
};

/// The arguments of a field as its document gives them: coerced, but for variables.
#[derive(Clone, Debug)]
pub struct Arguments {
    fixed: Map<String, Value>,
    open: Vec<Open>,
}

/// An argument with a variable in it.
#[derive(Clone, Debug)]
struct Open {
    name: Box<str>,
    input: Input,
    default: Option<Value>,
    non_null: bool,
    at: Position,
}

/// A literal that was checked.
#[derive(Clone, Debug)]
enum Input {
    Value(Value),
    Variable(Box<str>),
    /// Whether an item may be null.
    List(Vec<Input>, bool),
    Object(Vec<Member>),
    /// A custom scalar with variables in it.
    Free(Literal),
}

#[derive(Clone, Debug)]
struct Member {
    name: Box<str>,
    input: Input,
    default: Option<Value>,
    non_null: bool,
}

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
    at: Position,
    errors: Vec<GraphqlError>,
    usages: Vec<Usage>,
}

impl Arguments {
    /// Checks arguments against their definitions, and coerces all that no variable is needed for.
    /// Second come the variables, with the types expected of them.
    ///
    /// # Errors
    /// Everything that is wrong, with its place. Unknown arguments are not looked at.
    pub fn compile(
        schema: &Schema,
        definitions: &[InputValue],
        given: &[(Positioned<Name>, Positioned<Literal>)],
        field_at: Position,
    ) -> Result<(Self, Vec<Usage>), Vec<GraphqlError>> {
        let mut check = Check { schema, at: field_at, errors: Vec::new(), usages: Vec::new() };
        let mut arguments = Self { fixed: Map::new(), open: Vec::new() };
        for definition in definitions {
            let found = given.iter().find(|(name, _)| *name.node == *definition.name);
            let Some((_, literal)) = found else {
                check.at = field_at;
                match &definition.default {
                    Some(default) => {
                        arguments.fixed.insert(definition.name.to_string(), default.clone());
                    }
                    None if definition.ty.is_non_null() => check.error(format!(
                        "Argument \"{}\" of type \"{}\" is required, but it was not provided.",
                        definition.name,
                        schema.display(&definition.ty)
                    )),
                    None => {}
                }
                continue;
            };
            check.at = position(literal.pos);
            match check.literal(&definition.ty, &literal.node, definition.default.is_some()) {
                Input::Value(value) => {
                    arguments.fixed.insert(definition.name.to_string(), value);
                }
                input => arguments.open.push(Open {
                    name: definition.name.clone(),
                    input,
                    default: definition.default.clone(),
                    non_null: definition.ty.is_non_null(),
                    at: check.at,
                }),
            }
        }
        if check.errors.is_empty() { Ok((arguments, check.usages)) } else { Err(check.errors) }
    }

    /// The arguments with the values of variables, which must be coerced.
    ///
    /// # Errors
    /// A variable without a value, or null, where one is needed.
    pub fn resolve(
        &self,
        variables: &Map<String, Value>,
    ) -> Result<Cow<'_, Map<String, Value>>, GraphqlError> {
        if self.open.is_empty() {
            return Ok(Cow::Borrowed(&self.fixed));
        }
        let mut arguments = self.fixed.clone();
        for open in &self.open {
            let value =
                open.input.resolve(variables).map_err(|Unfit| open.error("was given an invalid value"))?;
            match value.or_else(|| open.default.clone()) {
                Some(Value::Null) if open.non_null => return Err(open.error("must not be null")),
                None if open.non_null => return Err(open.error("is required, but it was not provided")),
                Some(value) => {
                    arguments.insert(open.name.to_string(), value);
                }
                None => {}
            }
        }
        Ok(Cow::Owned(arguments))
    }

    /// Whether a variable has a say in them.
    pub fn has_variables(&self) -> bool {
        !self.open.is_empty()
    }
}

impl Open {
    fn error(&self, what: &str) -> GraphqlError {
        let message = format!("Argument \"{}\" {what}.", self.name);
        GraphqlError::new(ErrorCode::BadUserInput, message).at(self.at)
    }
}

/// A null, or nothing, where a variable had to have a value.
struct Unfit;

impl Input {
    /// The value; `None` if it is a variable without one.
    fn resolve(&self, variables: &Map<String, Value>) -> Result<Option<Value>, Unfit> {
        Ok(Some(match self {
            Self::Value(value) => value.clone(),
            Self::Variable(name) => return Ok(variables.get(&**name).cloned()),
            Self::List(items, nullable) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let item = item.resolve(variables)?.unwrap_or_default();
                    if item.is_null() && !nullable {
                        return Err(Unfit);
                    }
                    list.push(item);
                }
                Value::Array(list)
            }
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for member in members {
                    let value = member.input.resolve(variables)?.or_else(|| member.default.clone());
                    match value {
                        Some(Value::Null) | None if member.non_null => return Err(Unfit),
                        Some(value) => {
                            object.insert(member.name.to_string(), value);
                        }
                        None => {}
                    }
                }
                Value::Object(object)
            }
            Self::Free(literal) => {
                let constant = literal.clone().into_const_with(|name| {
                    let value = variables.get(name.as_str()).cloned().unwrap_or_default();
                    ConstValue::from_json(value)
                });
                constant.ok().and_then(|value| value.into_json().ok()).unwrap_or_default()
            }
        }))
    }
}

/// A literal without variables as a value of a type: a default.
///
/// # Errors
/// Everything that is wrong with it, in words.
pub fn constant(schema: &Schema, ty: &TypeRef, literal: &Literal) -> Result<Value, Vec<String>> {
    let mut check = Check { schema, at: Position::default(), errors: Vec::new(), usages: Vec::new() };
    match check.literal(ty, literal, false) {
        Input::Value(value) if check.errors.is_empty() => Ok(value),
        _ => Err(check.errors.into_iter().map(|error| error.message).collect()),
    }
}

impl Check<'_> {
    fn error(&mut self, message: String) {
        self.errors.push(GraphqlError::new(ErrorCode::ValidationFailed, message).at(self.at));
    }

    /// Checks a literal. After an error, what comes back stands for nothing.
    fn literal(&mut self, ty: &TypeRef, literal: &Literal, has_default: bool) -> Input {
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

/// A list, as a value if it has no variables.
fn list(items: Vec<Input>, nullable: bool) -> Input {
    if items.iter().any(|item| !matches!(item, Input::Value(_))) {
        return Input::List(items, nullable);
    }
    Input::Value(items.into_iter().map(Input::into_value).collect())
}

/// An object, as a value if it has no variables.
fn object(members: Vec<Member>) -> Input {
    if members.iter().any(|member| !matches!(member.input, Input::Value(_))) {
        return Input::Object(members);
    }
    let members = members.into_iter().map(|member| (member.name.into_string(), member.input.into_value()));
    Input::Value(Value::Object(members.collect()))
}

impl Input {
    fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            _ => Value::Null,
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
