//! Defaults become values of their types. Those of input types come first, in the order they
//! need each other.

use async_graphql_value::ConstValue;

use super::{
    Report,
    types::{Built, Default},
};
use crate::graphql::{
    coerce::{self, position},
    schema::{InputValue, Schema, TypeId, TypeKind},
};

pub(super) fn settle(built: &mut Built<'_>, report: &mut Report) {
    let defaults = std::mem::take(&mut built.defaults);
    let mut states = vec![State::Open; built.schema.types.len()];
    for default in defaults.iter().filter(|default| default.field.is_none()) {
        input_type(default.owner, &defaults, &mut built.schema, &mut states, report);
    }
    for default in defaults.iter().filter(|default| default.field.is_some()) {
        coerce(default, &mut built.schema, report);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Begun,
    Done,
}

fn input_type(
    id: TypeId,
    defaults: &[Default<'_>],
    schema: &mut Schema,
    states: &mut [State],
    report: &mut Report,
) {
    if states[id.index()] != State::Open {
        return;
    }
    states[id.index()] = State::Begun;
    for default in defaults.iter().filter(|default| default.field.is_none() && default.owner == id) {
        let TypeKind::Input(def) = &schema.get(id).kind else { continue };
        let needed = def.fields[default.input].ty.named();
        if has_object(&default.literal.node) {
            if states[needed.index()] == State::Begun {
                let message = format!("this default needs itself, through `{}`", schema.get(needed).name);
                report.add(position(default.literal.pos), message);
                continue;
            }
            needs(needed, defaults, schema, states, report);
        }
        coerce(default, schema, report);
    }
    states[id.index()] = State::Done;
}

/// Settles a type and all that are reachable from it.
fn needs(
    id: TypeId,
    defaults: &[Default<'_>],
    schema: &mut Schema,
    states: &mut [State],
    report: &mut Report,
) {
    if states[id.index()] != State::Open {
        return;
    }
    input_type(id, defaults, schema, states, report);
    let TypeKind::Input(def) = &schema.get(id).kind else { return };
    let inner: Vec<TypeId> = def.fields.iter().map(|field| field.ty.named()).collect();
    for id in inner {
        needs(id, defaults, schema, states, report);
    }
}

fn has_object(literal: &ConstValue) -> bool {
    match literal {
        ConstValue::Object(_) => true,
        ConstValue::List(items) => items.iter().any(has_object),
        _ => false,
    }
}

fn coerce(default: &Default<'_>, schema: &mut Schema, report: &mut Report) {
    let Some(input) = find(default, schema) else { return };
    let ty = input.ty.clone();
    match coerce::constant(schema, &ty, &default.literal.node.clone().into_value()) {
        Ok(value) => {
            if let Some(input) = find(default, schema) {
                input.default = Some(value);
            }
        }
        Err(messages) => {
            for message in messages {
                let message = format!("the default does not fit: {}", message.trim_end_matches('.'));
                report.add(position(default.literal.pos), message);
            }
        }
    }
}

fn find<'s>(default: &Default<'_>, schema: &'s mut Schema) -> Option<&'s mut InputValue> {
    match (&mut schema.types[default.owner.index()].kind, default.field) {
        (TypeKind::Input(def), None) => def.fields.get_mut(default.input),
        (TypeKind::Object(def), Some(field)) => def.fields[field.index()].args.get_mut(default.input),
        (TypeKind::Interface(def), Some(field)) => def.fields[field.index()].args.get_mut(default.input),
        _ => None,
    }
}
