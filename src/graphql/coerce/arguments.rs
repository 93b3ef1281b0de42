//! Arguments of a field: what is known when its document is compiled, and what variables add.

use std::borrow::Cow;

use async_graphql::{Name, Positioned};
use async_graphql_value::{ConstValue, Value as Literal};
use serde_json::{Map, Value};

use super::literal::{Check, Usage, position};
use crate::graphql::{
    errors::{ErrorCode, GraphqlError},
    schema::{InputValue, Position, Schema},
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
pub(super) enum Input {
    Value(Value),
    Variable(Box<str>),
    /// Whether an item may be null.
    List(Vec<Input>, bool),
    Object(Vec<Member>),
    /// A custom scalar with variables in it.
    Free(Literal),
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub name: Box<str>,
    pub input: Input,
    pub default: Option<Value>,
    pub non_null: bool,
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
        let mut check = Check::new(schema, field_at);
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

/// A list, as a value if it has no variables.
pub(super) fn list(items: Vec<Input>, nullable: bool) -> Input {
    if items.iter().any(|item| !matches!(item, Input::Value(_))) {
        return Input::List(items, nullable);
    }
    Input::Value(items.into_iter().map(Input::into_value).collect())
}

/// An object, as a value if it has no variables.
pub(super) fn object(members: Vec<Member>) -> Input {
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
