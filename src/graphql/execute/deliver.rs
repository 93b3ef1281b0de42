//! From the answers of a level to the fields that wait for them.

use std::sync::Arc;

use super::{
    batch::Group,
    gather::{Delivery, Level, Origin},
    level::{Answered, CallId, Run, Want},
};
use crate::graphql::{
    complete::Found,
    errors::{ErrorCode, GraphqlError},
    failure::Refusal,
    json::{Hint, Json, Kind, NodeId},
    plan::Field,
    schema::{NotFound, Rest},
};

/// The elements of a group's answers by the places of their keys; `None` for keys whose answer
/// is no list.
type Shares = Vec<Option<Vec<NodeId>>>;

impl Run<'_> {
    /// Completes the fields of a level.
    pub(super) fn deliver(&mut self, level: Level) {
        let mut shares: Vec<Option<Shares>> = level.groups.iter().map(|_| None).collect();
        for Delivery { want, origin } in level.deliveries {
            let field = self.cx.plan.field(want.field);
            let Some(rest) = field.rest(self.cx.schema) else { continue };
            let Origin::Share(place, key) = origin else {
                self.whole(&want, field, rest, origin);
                continue;
            };
            let group = &level.groups[place];
            let of_group = shares[place].get_or_insert_with(|| self.shares(group, rest));
            match group.origin(key) {
                Origin::Call(call) => self.share(&want, field, rest, *call, of_group[key].as_deref()),
                other => self.whole(&want, field, rest, other.clone()),
            }
        }
    }

    /// A field whose value is a whole answer.
    fn whole(&mut self, want: &Want, field: &Field, rest: &Rest, origin: Origin) {
        match origin {
            Origin::Nothing | Origin::Share(..) => self.nothing(want, field, rest),
            Origin::Failed(error) => self.fail(want.slot, field, error),
            Origin::Call(call) => match self.answers[call.0].clone() {
                Answered::Json(json) => {
                    let found = Found::of(&json, json.dig(NodeId::ROOT, &rest.select));
                    self.found(want.slot, field, Some(&json), found);
                }
                other => self.unanswered(want, field, rest, &other),
            },
        }
    }

    /// A field whose value is what an answer has for its parent.
    fn share(&mut self, want: &Want, field: &Field, rest: &Rest, call: CallId, elements: Option<&[NodeId]>) {
        let json = match self.answers[call.0].clone() {
            Answered::Json(json) => json,
            other => return self.unanswered(want, field, rest, &other),
        };
        let Some(elements) = elements else {
            let error =
                GraphqlError::new(ErrorCode::UpstreamInvalid, "The service did not answer with a list.");
            return self.fail(want.slot, field, error);
        };
        let found = match elements.first() {
            _ if field.shape.is_list() => Found::Items(elements),
            first => Found::of(&json, first.copied()),
        };
        self.found(want.slot, field, Some(&json), found);
    }

    /// Gives each key the elements that say they belong to it.
    fn shares(&self, group: &Group, rest: &Rest) -> Shares {
        let mut shares: Shares = vec![None; group.len()];
        for (part, keys) in shares.chunks_mut(group.max).enumerate() {
            let first = part * group.max;
            let Origin::Call(call) = group.origin(first) else { continue };
            let Answered::Json(json) = &self.answers[call.0] else { continue };
            let Some(elements) = elements(json, rest) else { continue };
            keys.fill(Some(Vec::new()));
            let (mut hint, mut last) = (Hint::default(), None);
            for element in json.items(elements) {
                let owner = rest.batch.as_ref().and_then(|batch| batch.owner_of(json, element, &mut hint));
                let Some(owner) = owner else { continue };
                // Elements of one parent mostly stand together.
                if last.is_none_or(|last| group.key(last) != Some(&*owner)) {
                    last = group.places.get(&*owner).copied();
                }
                // An element for a parent of another call is none that was asked for.
                let own = last.and_then(|place| keys.get_mut(place.checked_sub(first)?)?.as_mut());
                if let Some(own) = own {
                    own.push(element);
                }
            }
        }
        shares
    }

    fn unanswered(&mut self, want: &Want, field: &Field, rest: &Rest, answered: &Answered) {
        match answered {
            Answered::Refused(refusal) => self.refuse(want, field, rest, refusal),
            Answered::Json(_) | Answered::Nothing => self.nothing(want, field, rest),
            Answered::Pending => {
                let error = GraphqlError::new(ErrorCode::Internal, "The call was never made.");
                self.fail(want.slot, field, error);
            }
        }
    }

    /// There is nothing for a field: null, or no items.
    fn nothing(&mut self, want: &Want, field: &Field, rest: &Rest) {
        let found =
            if rest.batch.is_some() && field.shape.is_list() { Found::Items(&[]) } else { Found::Null };
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

fn elements(json: &Arc<Json>, rest: &Rest) -> Option<NodeId> {
    json.dig(NodeId::ROOT, &rest.select).filter(|at| json.kind(*at) == Kind::Array)
}
