//! Completing values above fields that wait for calls: as parts of the tree.

use std::sync::Arc;

use super::level::{HERE, Run, Want};
use crate::graphql::{
    complete::{Failed, Found},
    json::{Json, Kind, NodeId},
    plan::{Field, Origin, SetId, Shape, ShapeKind},
    response::{Content, SlotId, SlotStep},
};

impl Run<'_> {
    /// Completes a value into a part. Without calls below, it is text at once.
    ///
    /// # Errors
    /// The value cannot be what it has to be, and may not be null either.
    pub(super) fn fill(
        &mut self,
        slot: SlotId,
        shape: &Shape,
        found: Found<'_>,
        field: &Field,
        json: &Arc<Json>,
    ) -> Result<(), Box<Failed>> {
        if !shape.has_calls {
            let start = self.text.len();
            self.completer(slot, json).value(shape, found, field, &HERE)?;
            self.tree.set(slot, Content::Text(start, self.text.len()));
            return Ok(());
        }
        let mark = self.errors.mark();
        let filled = match found {
            Found::Null if shape.non_null => Err(self.completer(slot, json).null(field, &HERE)),
            Found::Null => {
                self.tree.set(slot, Content::Null);
                return Ok(());
            }
            Found::Value(at) => self.fill_present(slot, shape, at, field, json),
            Found::Items(items) => match &shape.kind {
                ShapeKind::List(item) => self.fill_list(slot, item, items.iter().copied(), field, json),
                _ => Err(self.completer(slot, json).unfit(field, &HERE, "is a list")),
            },
        };
        match filled {
            Err(failed) if !shape.non_null => {
                self.tree.set(slot, Content::Null);
                self.errors.absorb(mark, *failed);
                Ok(())
            }
            filled => filled,
        }
    }

    fn fill_present(
        &mut self,
        slot: SlotId,
        shape: &Shape,
        at: NodeId,
        field: &Field,
        json: &Arc<Json>,
    ) -> Result<(), Box<Failed>> {
        match &shape.kind {
            ShapeKind::List(item) if json.kind(at) == Kind::Array => {
                self.fill_list(slot, item, json.items(at), field, json)
            }
            ShapeKind::List(_) => Err(self.completer(slot, json).unfit(field, &HERE, "is no list")),
            ShapeKind::Object(set) => self.fill_object(slot, *set, at, field, json),
            ShapeKind::Abstract(of) => {
                let completer = self.completer(slot, json);
                let set = completer.concrete(of, at);
                let set = set.ok_or_else(|| completer.unfit(field, &HERE, "has no type of the schema"))?;
                self.fill_object(slot, set, at, field, json)
            }
            // A leaf has nothing below it that could make a call.
            ShapeKind::Leaf(_) => Ok(()),
        }
    }

    fn fill_list(
        &mut self,
        slot: SlotId,
        item: &Shape,
        items: impl ExactSizeIterator<Item = NodeId>,
        field: &Field,
        json: &Arc<Json>,
    ) -> Result<(), Box<Failed>> {
        let len = items.len();
        let steps =
            (0..len).map(|place| (SlotStep::Index(u32::try_from(place).unwrap_or(u32::MAX)), !item.non_null));
        let first = self.tree.grow(slot, steps);
        self.tree.set(slot, Content::List(first, len));
        for (place, at) in items.enumerate() {
            self.fill(first.offset(place), item, Found::of(json, Some(at)), field, json)?;
        }
        Ok(())
    }

    fn fill_object(
        &mut self,
        slot: SlotId,
        set: SetId,
        at: NodeId,
        field: &Field,
        json: &Arc<Json>,
    ) -> Result<(), Box<Failed>> {
        self.completer(slot, json).enter(set, at, field, &HERE)?;
        let cx = self.cx;
        let fields = cx.fields(set);
        let steps =
            fields.iter().map(|index| (SlotStep::Field(*index), !cx.plan.field(*index).shape.non_null));
        let first = self.tree.grow(slot, steps);
        self.tree.set(slot, Content::Object(set, first));
        for (place, index) in fields.iter().enumerate() {
            let (field, slot) = (cx.plan.field(*index), first.offset(place));
            let mark = self.errors.mark();
            if let Some(failed) = self.completer(slot, json).blocked(*index, field, &HERE) {
                if field.shape.non_null {
                    return Err(failed);
                }
                self.tree.set(slot, Content::Null);
                self.errors.absorb(mark, *failed);
                continue;
            }
            match field.origin {
                Origin::Typename => self.typename(slot, set),
                Origin::Rest(_) => {
                    self.wants.push(Want { slot, field: *index, parent: Some((Arc::clone(json), at)) });
                }
                Origin::Member(_) => {
                    let member = self.completer(slot, json).member(*index, field, at);
                    self.fill(slot, &field.shape, Found::of(json, member), field, json)?;
                }
                // Only the root looks at the schema.
                Origin::Introspection(_) => self.tree.set(slot, Content::Null),
            }
        }
        Ok(())
    }
}
