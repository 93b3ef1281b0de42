//! What an operation costs by the rules of the schema, with its real arguments, before any call.
//!
//! A field costs its weight (`@cost`), and what is below it as often as there may be items
//! (`@listSize`). Of the types that an interface or a union may be, the dearest counts.

use serde_json::Value;

use super::{
    errors::{ErrorCode, GraphqlError},
    execute::Context,
    plan::{Field, FieldIndex, SetId},
    schema::{FieldDef, ListSize, Resolve},
};

/// Items of a list of which the schema says nothing.
const ITEMS_ASSUMED: u64 = 10;

/// The cost of an operation.
///
/// # Errors
/// An argument that asks for more items than a list may have.
pub(super) fn cost(cx: &Context<'_>) -> Result<u64, GraphqlError> {
    let mut known = vec![None; cx.plan.sets.len()];
    set(cx, SetId::ROOT, &mut known)
}

/// What one field costs by itself, and what all below it is multiplied with.
pub(super) fn weight(cx: &Context<'_>, index: FieldIndex) -> Result<(u64, u64), GraphqlError> {
    let field = cx.plan.field(index);
    let Some(def) = field.def(cx.schema) else { return Ok((0, 1)) };
    let weight = def.cost.map_or_else(|| u64::from(costs_something(cx, def)), u64::from);
    let items = if field.shape.is_list() { items(cx, index, field, def)? } else { 1 };
    Ok((weight, items))
}

fn costs_something(cx: &Context<'_>, def: &FieldDef) -> bool {
    matches!(def.resolve, Resolve::Rest(_)) || cx.schema.is_composite(def.ty.named())
}

fn set(cx: &Context<'_>, id: SetId, known: &mut [Option<u64>]) -> Result<u64, GraphqlError> {
    if let Some(cost) = known[id.index()] {
        return Ok(cost);
    }
    let mut sum = 0_u64;
    for index in cx.fields(id) {
        let (own, items) = weight(cx, *index)?;
        let mut below = 0;
        for inner in cx.plan.field(*index).shape.sets() {
            below = set(cx, inner, known)?.max(below);
        }
        sum = sum.saturating_add(own).saturating_add(below.saturating_mul(items));
    }
    known[id.index()] = Some(sum);
    Ok(sum)
}

/// How many items a list may have.
fn items(cx: &Context<'_>, index: FieldIndex, field: &Field, def: &FieldDef) -> Result<u64, GraphqlError> {
    let Some(size) = &def.list_size else { return Ok(ITEMS_ASSUMED) };
    let limit = u64::from(cx.limits.list);
    let asked = asked(cx, index, size, def);
    let max = size.max.map_or(limit, u64::from);
    if let Some((name, asked)) = asked.filter(|(_, asked)| *asked > max) {
        let message = format!("Argument \"{name}\" asks for {asked} items; at most {max} are allowed.");
        return Err(GraphqlError::new(ErrorCode::BadUserInput, message).at(field.at).with("max", max));
    }
    Ok(asked.map_or_else(|| size.assumed.map_or(limit, u64::from), |(_, asked)| asked))
}

fn asked<'a>(
    cx: &Context<'_>,
    index: FieldIndex,
    size: &ListSize,
    def: &'a FieldDef,
) -> Option<(&'a str, u64)> {
    let name = &def.args.get(size.slicing?)?.name;
    let value = cx.arguments(index)?.get(&**name)?;
    match value {
        // A negative number is none that could be exceeded; the service refuses it.
        Value::Number(number) => Some((name, number.as_u64().unwrap_or(0))),
        _ => None,
    }
}
