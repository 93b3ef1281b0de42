//! About how many bytes arguments take.

use async_graphql_value::Value as Literal;
use serde_json::{Map, Value};

use super::arguments::{Arguments, Input};

/// What the allocator takes for a piece besides the piece.
const PIECE: usize = 16;
/// What a map takes for an entry besides its key and value.
const ENTRY: usize = 16;

impl Arguments {
    /// The bytes behind it.
    pub(in crate::graphql) fn bytes(&self) -> usize {
        let open = self.open.iter().map(|open| {
            size_of_val(open) + open.name.len() + PIECE + open.input.bytes() + optional(open.default.as_ref())
        });
        of_map(&self.fixed) + open.sum::<usize>()
    }
}

impl Input {
    fn bytes(&self) -> usize {
        match self {
            Self::Value(value) => of_value(value),
            Self::Variable(name) => name.len() + PIECE,
            Self::List(items, _) => {
                items.iter().map(|item| size_of::<Self>() + item.bytes()).sum::<usize>() + PIECE
            }
            Self::Object(members) => members
                .iter()
                .map(|member| {
                    let inner = member.input.bytes() + optional(member.default.as_ref());
                    size_of_val(member) + member.name.len() + PIECE + inner
                })
                .sum(),
            Self::Free(literal) => of_literal(literal),
        }
    }
}

fn optional(value: Option<&Value>) -> usize {
    value.map_or(0, of_value)
}

/// The bytes behind a value.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity() + PIECE,
        Value::Array(items) => {
            items.capacity() * size_of::<Value>() + items.iter().map(of_value).sum::<usize>() + PIECE
        }
        Value::Object(members) => of_map(members),
    }
}

/// The bytes behind a map.
pub(in crate::graphql) fn of_map(members: &Map<String, Value>) -> usize {
    let entry = size_of::<(String, Value)>() + ENTRY + PIECE;
    members.iter().map(|(name, value)| entry + name.len() + of_value(value)).sum()
}

fn of_literal(literal: &Literal) -> usize {
    match literal {
        Literal::Null | Literal::Boolean(_) | Literal::Number(_) => 0,
        Literal::Variable(name) | Literal::Enum(name) => name.len() + PIECE,
        Literal::String(text) => text.len() + PIECE,
        Literal::Binary(bytes) => bytes.len() + PIECE,
        Literal::List(items) => {
            items.iter().map(|item| size_of::<Literal>() + of_literal(item)).sum::<usize>() + PIECE
        }
        Literal::Object(members) => members
            .iter()
            .map(|(name, value)| size_of::<Literal>() + 2 * ENTRY + PIECE + name.len() + of_literal(value))
            .sum(),
    }
}
