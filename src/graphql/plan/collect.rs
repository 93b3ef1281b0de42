//! Merging the selections of an object (October 2021, section 6.3.2, `CollectFields`).

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use super::condition::{ConditionId, Conditions};
use crate::graphql::schema::{Schema, TypeId};

/// Selection sets of one object, each with the condition it is under.
pub(super) type Selections<'d> = Vec<(&'d SelectionSet, ConditionId)>;

/// What is selected of an object.
#[derive(Debug, Default)]
pub(super) struct Collected<'d> {
    /// Fields in the order of their first selection.
    pub(super) groups: Vec<Group<'d>>,
    /// Every selection in its order: the place of its group, and its condition.
    pub(super) picks: Vec<(usize, ConditionId)>,
    /// Named fragments that were looked at, with the condition they were under.
    seen: Vec<(&'d Name, ConditionId)>,
}

/// The selections with one response key.
#[derive(Debug)]
pub(super) struct Group<'d> {
    pub(super) key: &'d str,
    pub(super) first: &'d Positioned<Field>,
    /// Of each selection, what it selects itself.
    pub(super) below: Selections<'d>,
}

/// Collects for one type.
pub(super) struct Collector<'a, 'd> {
    pub(super) schema: &'a Schema,
    pub(super) document: &'d ExecutableDocument,
    pub(super) conditions: &'a mut Conditions,
    pub(super) ty: TypeId,
}

impl<'d> Collector<'_, 'd> {
    pub(super) fn collect(&mut self, selections: &Selections<'d>) -> Collected<'d> {
        let mut collected = Collected::default();
        for (set, when) in selections {
            self.walk(set, *when, &mut collected);
        }
        collected
    }

    fn walk(&mut self, set: &'d SelectionSet, outer: ConditionId, into: &mut Collected<'d>) {
        for item in &set.items {
            let Some(when) = self.conditions.narrow(outer, item.node.directives()) else { continue };
            match &item.node {
                Selection::Field(field) => into.add(field, when),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|on| &on.node.on.node);
                    if condition.is_none_or(|name| self.applies(name)) {
                        self.walk(&fragment.node.selection_set.node, when, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let seen = (name, when);
                    // Validation made sure that the fragment exists.
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    if !into.seen.contains(&seen) && self.applies(&fragment.node.type_condition.node.on.node)
                    {
                        into.seen.push(seen);
                        self.walk(&fragment.node.selection_set.node, when, into);
                    }
                }
            }
        }
    }

    fn applies(&self, condition: &Name) -> bool {
        self.schema.find(condition).is_some_and(|ty| self.schema.is_possible(ty, self.ty))
    }
}

impl Group<'_> {
    /// Forgets a condition that all selections are under: it is met wherever the field is.
    pub(super) fn simplify(&mut self) {
        let Some((_, first)) = self.below.first().copied() else { return };
        if self.below.iter().all(|(_, when)| *when == first) {
            for (_, when) in &mut self.below {
                *when = ConditionId::ALWAYS;
            }
        }
    }
}

impl<'d> Collected<'d> {
    fn add(&mut self, field: &'d Positioned<Field>, when: ConditionId) {
        let key = field.node.response_key().node.as_str();
        let at = self.groups.iter().position(|group| group.key == key).unwrap_or_else(|| {
            self.groups.push(Group { key, first: field, below: Vec::new() });
            self.groups.len() - 1
        });
        // A field that is there in any case is not there any more so with a condition.
        if !self.picks.iter().any(|known| *known == (at, when) || *known == (at, ConditionId::ALWAYS)) {
            self.picks.push((at, when));
        }
        self.groups[at].below.push((&field.node.selection_set.node, when));
    }
}
