//! From the answers of a level to the fields that wait for them.

use std::{collections::HashMap, sync::Arc};

use super::{
    gather::{Delivery, Key, Recipients},
    level::{Answered, Run, Want},
};
use crate::graphql::{
    complete::Found,
    errors::{ErrorCode, GraphqlError},
    failure::Refusal,
    json::{Json, Kind, NodeId},
    plan::Field,
    schema::{NotFound, Rest},
};

impl Run<'_> {
    /// Completes the fields that waited for a call.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        let cx = self.cx;
        let field = cx.plan.field(delivery.field);
        let Some(rest) = field.rest(cx.schema) else { return };
        match (self.answers[delivery.call.0].clone(), delivery.to) {
            (Answered::Json(json), Recipients::One(want)) => {
                let found = Found::of(&json, json.dig(NodeId::ROOT, &rest.select));
                self.found(want.slot, field, Some(&json), found);
            }
            (Answered::Json(json), Recipients::Keys(keys)) => self.distribute(field, rest, &json, keys),
            (Answered::Nothing, to) => to.wants().for_each(|want| self.nothing(want, field)),
            (Answered::Refused(refusal), to) => {
                to.wants().for_each(|want| self.refuse(want, field, rest, &refusal));
            }
            (Answered::Pending, to) => {
                let error = GraphqlError::new(ErrorCode::Internal, "The call was never made.");
                to.wants().for_each(|want| self.fail(want.slot, field, error.clone()));
            }
        }
    }

    /// Gives each parent the elements that say they are its own.
    fn distribute(&mut self, field: &Field, rest: &Rest, json: &Arc<Json>, keys: Vec<Key>) {
        let Some(batch) = &rest.batch else { return };
        let elements = json.dig(NodeId::ROOT, &rest.select).filter(|at| json.kind(*at) == Kind::Array);
        let Some(elements) = elements else {
            let error = GraphqlError::new(ErrorCode::UpstreamInvalid, "The service did not answer with a list.");
            let wants = keys.iter().flat_map(|key| &key.wants);
            return wants.for_each(|want| self.fail(want.slot, field, error.clone()));
        };
        let mut owned: HashMap<_, Vec<NodeId>, ahash::RandomState> = HashMap::default();
        for element in json.items(elements) {
            if let Some(owner) = batch.owner_of(json, element) {
                owned.entry(owner).or_default().push(element);
            }
        }
        for key in keys {
            let elements = owned.get(&*key.text).map_or(&[][..], Vec::as_slice);
            let found = match elements.first() {
                _ if field.shape.is_list() => Found::Items(elements),
                first => Found::of(json, first.copied()),
            };
            for want in key.wants {
                self.found(want.slot, field, Some(json), found);
            }
        }
    }

    /// There is nothing for a field: null, or no items.
    pub(super) fn nothing(&mut self, want: &Want, field: &Field) {
        let is_batched = field.rest(self.cx.schema).is_some_and(|rest| rest.batch.is_some());
        let found = if is_batched && field.shape.is_list() { Found::Items(&[]) } else { Found::Null };
        self.found(want.slot, field, None, found);
    }

    fn refuse(&mut self, want: &Want, field: &Field, rest: &Rest, refusal: &Refusal) {
        if refusal.is_missing && rest.not_found == NotFound::Null && !field.shape.non_null {
            self.found(want.slot, field, None, Found::Null);
        } else {
            self.fail(want.slot, field, refusal.error.clone());
        }
    }
}

impl Recipients {
    fn wants(&self) -> impl Iterator<Item = &Want> {
        let (one, keys): (_, &[Key]) = match self {
            Self::One(want) => (Some(want), &[]),
            Self::Keys(keys) => (None, keys),
        };
        one.into_iter().chain(keys.iter().flat_map(|key| &key.wants))
    }
}
