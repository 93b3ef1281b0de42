//! Variables of an operation (October 2021, section 6.1.2).

use std::fmt::Write;

use async_graphql::{
    Positioned,
    parser::types::{BaseType, Type, VariableDefinition},
};
use serde_json::{Map, Value};

use super::{
    literal::{constant, position},
    scalar,
};
use crate::graphql::{
    errors::{ErrorCode, GraphqlError, PathStep},
    schema::{Position, Schema, TypeKind, TypeRef},
};

/// Coerces what was sent for the variables of an operation. Variables that the operation does
/// not declare are left out.
///
/// # Errors
/// Everything that is wrong, up to a limit. No message repeats a value.
pub fn variables(
    schema: &Schema,
    definitions: &[Positioned<VariableDefinition>],
    given: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, Vec<GraphqlError>> {
    let mut coerced = Map::new();
    let mut errors = Vec::new();
    for definition in definitions {
        let (def, at) = (&definition.node, position(definition.pos));
        let name = def.name.node.as_str();
        // Validation refused every other type.
        let Some(ty) = type_ref(schema, &def.var_type.node) else { continue };
        let mut problem = |message: String| {
            let message = format!("Variable \"${name}\" {message}");
            errors.push(GraphqlError::new(ErrorCode::BadUserInput, message).at(at));
        };
        match (given.and_then(|given| given.get(name)), &def.default_value) {
            (None, Some(default)) => match constant(schema, &ty, &default.node.clone().into_value()) {
                Ok(value) => {
                    coerced.insert(name.to_owned(), value);
                }
                Err(messages) => messages.into_iter().for_each(problem),
            },
            (None, None) if ty.is_non_null() => {
                problem(format!("of required type \"{}\" was not provided.", schema.display(&ty)));
            }
            (None, None) => {}
            (Some(Value::Null), _) if ty.is_non_null() => {
                problem(format!("of non-null type \"{}\" must not be null.", schema.display(&ty)));
            }
            (Some(value), _) => {
                let mut check = Check { schema, name, at, path: Vec::new(), errors: &mut errors };
                let value = check.value(&ty, value);
                coerced.insert(name.to_owned(), value);
            }
        }
        if errors.len() >= ERRORS_MAX {
            errors.truncate(ERRORS_MAX);
            break;
        }
    }
    if errors.is_empty() { Ok(coerced) } else { Err(errors) }
}

/// Errors of the variables of one request.
const ERRORS_MAX: usize = 50;

/// A type of a document in the model; `None` if the schema has none of that name.
pub(in crate::graphql) fn type_ref(schema: &Schema, ty: &Type) -> Option<TypeRef> {
    Some(match &ty.base {
        BaseType::Named(name) => TypeRef::Named(schema.find(name)?, !ty.nullable),
        BaseType::List(item) => TypeRef::List(Box::new(type_ref(schema, item)?), !ty.nullable),
    })
}

struct Check<'a> {
    schema: &'a Schema,
    name: &'a str,
    at: Position,
    path: Vec<PathStep>,
    errors: &'a mut Vec<GraphqlError>,
}

impl Check<'_> {
    fn error(&mut self, message: &str) {
        if self.errors.len() >= ERRORS_MAX {
            return;
        }
        let mut text = format!("Variable \"${}\" got an invalid value", self.name);
        if !self.path.is_empty() {
            let _ = write!(text, " at \"{}", self.name);
            for step in &self.path {
                let _ = match step {
                    PathStep::Key(key) => write!(text, ".{key}"),
                    PathStep::Index(index) => write!(text, "[{index}]"),
                };
            }
            text.push('"');
        }
        let _ = write!(text, "; {message}");
        if !text.ends_with(['.', '?']) {
            text.push('.');
        }
        self.errors.push(GraphqlError::new(ErrorCode::BadUserInput, text).at(self.at));
    }

    fn value(&mut self, ty: &TypeRef, value: &Value) -> Value {
        if value.is_null() {
            if ty.is_non_null() {
                let ty = self.schema.display(ty);
                self.error(&format!("Expected non-nullable type \"{ty}\" not to be null"));
            }
            return Value::Null;
        }
        let id = match (ty, value) {
            (TypeRef::List(item, _), Value::Array(values)) => {
                let mut items = Vec::with_capacity(values.len());
                for (index, value) in values.iter().enumerate() {
                    self.path.push(PathStep::Index(index));
                    items.push(self.value(item, value));
                    self.path.pop();
                }
                return Value::Array(items);
            }
            // A single value stands for a list of one.
            (TypeRef::List(item, _), _) => return Value::Array(vec![self.value(item, value)]),
            (TypeRef::Named(id, _), _) => *id,
        };
        let def = self.schema.get(id);
        let leaf = match &def.kind {
            TypeKind::Input(_) => return self.object(id, value),
            TypeKind::Scalar(kind) => scalar::from_json(&def.name, kind, value),
            TypeKind::Enum(def_enum) => scalar::enum_from_json(&def.name, def_enum, value),
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => {
                Err(format!("\"{}\" is no input type", def.name))
            }
        };
        leaf.unwrap_or_else(|message| {
            self.error(&message);
            Value::Null
        })
    }

    fn object(&mut self, id: crate::graphql::schema::TypeId, value: &Value) -> Value {
        let schema = self.schema;
        let def = schema.get(id);
        let TypeKind::Input(input) = &def.kind else { return Value::Null };
        let Value::Object(given) = value else {
            self.error(&format!("Expected type \"{}\" to be an object", def.name));
            return Value::Null;
        };
        let mut object = Map::with_capacity(input.fields.len());
        for field in &input.fields {
            match (given.get(&*field.name), &field.default) {
                (Some(value), _) => {
                    self.path.push(PathStep::Key(field.name.clone()));
                    let value = self.value(&field.ty, value);
                    self.path.pop();
                    object.insert(field.name.to_string(), value);
                }
                (None, Some(default)) => {
                    object.insert(field.name.to_string(), default.clone());
                }
                (None, None) if field.ty.is_non_null() => {
                    let ty = schema.display(&field.ty);
                    self.error(&format!(
                        "Field \"{}\" of required type \"{ty}\" was not provided",
                        field.name
                    ));
                }
                (None, None) => {}
            }
        }
        for wrong in given.keys().filter(|given| input.fields.iter().all(|field| *field.name != ***given)) {
            // The name is the client's: a short one helps, a long one may be anything.
            let shown: String = wrong.chars().take(40).collect();
            self.error(&format!("Field \"{shown}\" is not defined by type \"{}\"", def.name));
        }
        if input.one_of && (object.len() != 1 || object.values().any(Value::is_null)) {
            self.error(&format!("Exactly one key must be specified for OneOf type \"{}\"", def.name));
        }
        object.into()
    }
}
