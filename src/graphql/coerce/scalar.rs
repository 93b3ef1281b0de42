//! Leaves: what each scalar and enum accepts.

use async_graphql_value::Value as Literal;
use chrono::DateTime;
use serde_json::{Number, Value};

use crate::graphql::schema::{CustomScalar, EnumDef, ScalarKind};

/// A literal as a scalar, or what is wrong with it.
pub(super) fn from_literal(name: &str, kind: &ScalarKind, literal: &Literal) -> Result<Value, String> {
    let found = || shown(literal);
    match (kind, literal) {
        (ScalarKind::Int, Literal::Number(number)) if number.is_f64() => {
            Err(format!("Int cannot represent non-integer value: {number}"))
        }
        (ScalarKind::Int, Literal::Number(number)) => int(number)
            .ok_or_else(|| format!("Int cannot represent non 32-bit signed integer value: {number}")),
        (ScalarKind::Int, _) => Err(format!("Int cannot represent non-integer value: {}", found())),
        (ScalarKind::Float, Literal::Number(number)) => Ok(Value::Number(number.clone())),
        (ScalarKind::Float, _) => Err(format!("Float cannot represent non numeric value: {}", found())),
        (ScalarKind::String, Literal::String(text)) => Ok(Value::from(text.as_str())),
        (ScalarKind::String, _) => Err(format!("String cannot represent a non string value: {}", found())),
        (ScalarKind::Boolean, Literal::Boolean(value)) => Ok(Value::from(*value)),
        (ScalarKind::Boolean, _) => Err(format!("Boolean cannot represent a non boolean value: {}", found())),
        (ScalarKind::Id, Literal::String(text)) => Ok(Value::from(text.as_str())),
        (ScalarKind::Id, Literal::Number(number)) if !number.is_f64() => Ok(Value::from(number.to_string())),
        (ScalarKind::Id, _) => {
            Err(format!("ID cannot represent a non-string and non-integer value: {}", found()))
        }
        (ScalarKind::Custom(custom), Literal::String(text)) => custom_text(name, custom, text),
        (ScalarKind::Custom(CustomScalar::Any), _) => {
            literal.clone().into_json().map_err(|_| format!("{name} cannot represent {}", found()))
        }
        (ScalarKind::Custom(_), _) => Err(format!("{name} cannot represent a non string value: {}", found())),
    }
}

/// A JSON value as a scalar, or what is wrong with it. No message repeats the value.
pub(super) fn from_json(name: &str, kind: &ScalarKind, value: &Value) -> Result<Value, String> {
    match (kind, value) {
        (ScalarKind::Int, Value::Number(number)) => match whole(number) {
            None => Err("Int cannot represent a non-integer value".to_owned()),
            Some(number) => int(&number)
                .ok_or_else(|| "Int cannot represent a non 32-bit signed integer value".to_owned()),
        },
        (ScalarKind::Int, _) => Err("Int cannot represent a non-integer value".to_owned()),
        (ScalarKind::Float, Value::Number(_)) => Ok(value.clone()),
        (ScalarKind::Float, _) => Err("Float cannot represent a non numeric value".to_owned()),
        (ScalarKind::String, Value::String(_)) => Ok(value.clone()),
        (ScalarKind::String, _) => Err("String cannot represent a non string value".to_owned()),
        (ScalarKind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (ScalarKind::Boolean, _) => Err("Boolean cannot represent a non boolean value".to_owned()),
        (ScalarKind::Id, Value::String(_)) => Ok(value.clone()),
        (ScalarKind::Id, Value::Number(number)) if whole(number).is_some() => {
            Ok(Value::from(whole(number).map(|number| number.to_string()).unwrap_or_default()))
        }
        (ScalarKind::Id, _) => Err("ID cannot represent a non-string and non-integer value".to_owned()),
        (ScalarKind::Custom(custom), Value::String(text)) => custom_text(name, custom, text),
        (ScalarKind::Custom(CustomScalar::Any), _) => Ok(value.clone()),
        (ScalarKind::Custom(_), _) => Err(format!("{name} cannot represent a non string value")),
    }
}

/// A literal as an enum value. Its text form is none.
pub(super) fn enum_from_literal(name: &str, def: &EnumDef, literal: &Literal) -> Result<Value, String> {
    match literal {
        Literal::Enum(value) if def.by_name(value).is_some() => Ok(Value::from(value.as_str())),
        Literal::Enum(value) => Err(format!("Value \"{value}\" does not exist in \"{name}\" enum.")),
        _ => Err(format!("Enum \"{name}\" cannot represent non-enum value: {}.", shown(literal))),
    }
}

/// A JSON text as an enum value.
pub(super) fn enum_from_json(name: &str, def: &EnumDef, value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) if def.by_name(text).is_some() => Ok(value.clone()),
        Value::String(_) => Err(format!("the value does not exist in \"{name}\" enum")),
        _ => Err(format!("Enum \"{name}\" cannot represent a non-string value")),
    }
}

fn custom_text(name: &str, custom: &CustomScalar, text: &str) -> Result<Value, String> {
    let is_valid = match custom {
        CustomScalar::DateTime => DateTime::parse_from_rfc3339(text).is_ok(),
        CustomScalar::Date => is_date(text),
        CustomScalar::Any => true,
    };
    let example = if *custom == CustomScalar::Date { "2026-01-31" } else { "2026-01-31T08:30:00Z" };
    if is_valid { Ok(Value::from(text)) } else { Err(format!("{name} is written as \"{example}\"")) }
}

/// `full-date` of RFC 3339 section 5.6, with a day that the month has.
fn is_date(text: &str) -> bool {
    text.len() == 10 && DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")).is_ok()
}

/// A number in the range of `Int`.
fn int(number: &Number) -> Option<Value> {
    number.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::from)
}

/// A number without fraction: JSON has no integers, so `1.0` is one too.
fn whole(number: &Number) -> Option<Number> {
    /// Beyond it, a double has no units.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_f64() {
        return Some(number.clone());
    }
    let value = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 53 bits")]
    Some(Number::from(value as i64))
}

/// A literal in a message; a long one is cut.
pub(super) fn shown(literal: &Literal) -> String {
    const MAX: usize = 60;
    let text = literal.to_string();
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
